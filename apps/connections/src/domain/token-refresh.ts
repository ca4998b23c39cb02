import { illegalState } from '#kernel';
import type { Connection, ConnectionCommand, ConnectionsEvent } from './connections.js';

/** A claim this old was left by a process that died. */
export const CLAIM_MS = 30_000;
/** A provider that failed is left alone so long. */
export const PAUSE_MS = 5_000;

type RefreshCommand = Exclude<
  ConnectionCommand,
  { kind: 'receive-authorization' | 'activate' | 'fail' | 'remove' | 'record-revocation' }
>;
type Place = { platform_id: string; tenant_id: string; connection_id: string };

/**
 * One refresh at a time: a provider that rotates refresh tokens takes the second use of one for theft. No events
 * mean that another caller has refreshed the tokens, or is about to.
 */
export function decideRefresh(
  command: RefreshCommand,
  place: Place,
  connection: Connection,
): ConnectionsEvent[] {
  if (command.kind === 'need-reconnect') {
    if (connection.sealed !== command.sealed || connection.status !== 'active') return [];
    return [{ type: 'connections.reconnect-needed.v1', data: { ...place, reason: command.reason } }];
  }
  if (command.kind === 'begin-refresh') return begin(command, place, connection);
  if (connection.refresh?.claim !== command.claim) throw illegalState('another refresh has taken over');
  if (command.kind === 'fail-refresh') {
    const data = { ...place, reason: command.reason, failed_at: command.at };
    return [{ type: 'connections.refresh-failed.v1', data }];
  }
  const { sealed, tokens_expire_at, scopes } = command;
  return [{ type: 'connections.tokens-refreshed.v1', data: { ...place, sealed, tokens_expire_at, scopes } }];
}

function begin(
  { claim, sealed, at }: Extract<RefreshCommand, { kind: 'begin-refresh' }>,
  place: Place,
  { status, sealed: current, refresh, refresh_failed_at, reason }: Connection,
): ConnectionsEvent[] {
  if (status !== 'active') throw illegalState(`the connection is ${status} (${reason ?? 'no reason'})`);
  if (current !== sealed || isRecent(refresh?.started_at, at, CLAIM_MS)) return [];
  if (isRecent(refresh_failed_at, at, PAUSE_MS))
    throw illegalState(`the tokens cannot be refreshed: ${reason}`);
  return [{ type: 'connections.refresh-started.v1', data: { ...place, claim, started_at: at } }];
}

const isRecent = (then: string | null | undefined, now: string, ms: number): boolean =>
  typeof then === 'string' && Math.abs(Date.parse(now) - Date.parse(then)) < ms;
