import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { type Clock, type CommandContext, illegalState, newId, notFound } from '#kernel';
import { CLOCK } from '#platform';
import { connections } from '../domain/connections.decide.js';
import type { Connection, ConnectionsState, OpenConnections } from '../domain/connections.js';
import { CLAIM_MS } from '../domain/token-refresh.js';
import { OAuthClient, type OAuthServer, type Tokens } from '../outbound/oauth-client.js';
import { failureIn } from '../outbound/provider-failure.js';
import { type ConnectionPlace, ConnectionProcess } from './connection-process.js';
import { Revocations } from './revocations.js';
import { type OpenedTokens, TokenVault } from './token-vault.js';

export interface RefreshableTokens extends OpenedTokens {
  refresh_token: string;
  /** As the log holds them. */
  sealed: string;
}

const POLL_MS = 100;

/**
 * Refreshes tokens, one refresh at a time for each connection: callers in this process share it, other processes
 * see the claim in the log and wait for what comes of it.
 */
@Injectable()
export class TokenRefresh {
  private readonly running = new Map<string, Promise<Connection>>();

  constructor(
    private readonly process: ConnectionProcess,
    private readonly vault: TokenVault,
    private readonly oauth: OAuthClient,
    private readonly revocations: Revocations,
    private readonly aggregates: Aggregates,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Answers the connection with its new tokens. Throws `illegal_state` with the reason where there are none. */
  async refresh(
    place: ConnectionPlace,
    server: OAuthServer,
    tokens: RefreshableTokens,
    context: CommandContext,
  ): Promise<Connection> {
    const running = this.running.get(place.connectionId);
    if (running) return running;
    const run = this.run(place, server, tokens, context);
    this.running.set(place.connectionId, run);
    try {
      return await run;
    } finally {
      this.running.delete(place.connectionId);
    }
  }

  private async run(
    place: ConnectionPlace,
    server: OAuthServer,
    tokens: RefreshableTokens,
    context: CommandContext,
  ): Promise<Connection> {
    const claim = newId();
    const begin = { kind: 'begin-refresh' as const, claim, sealed: tokens.sealed, at: this.now() };
    const { state } = await this.process.execute(place, begin, context);
    const { connection, subject_key } = connectionIn(state, place);
    if (connection.refresh?.claim !== claim) return this.elsewhere(place, tokens.sealed, connection);
    const fresh = await this.ask(place, server, { ...tokens, claim }, context);
    try {
      const stored = await this.vault.seal(place, subject_key, fresh, { ...tokens, ...connection });
      const store = { kind: 'store-tokens' as const, claim, ...stored };
      return connectionIn((await this.process.execute(place, store, context)).state, place).connection;
    } catch (error) {
      // The connection went while the provider was asked, and nobody else has these tokens.
      await this.revocations.discard(server, { refresh_token: tokens.refresh_token, ...told(fresh) });
      throw error;
    }
  }

  private async ask(
    place: ConnectionPlace,
    server: OAuthServer,
    { claim, refresh_token, sealed }: RefreshableTokens & { claim: string },
    context: CommandContext,
  ): Promise<Tokens> {
    try {
      return await this.oauth.refresh(server, refresh_token);
    } catch (error) {
      const reason = failureIn(error)?.reason;
      if (reason === undefined) throw error;
      const command =
        reason === 'invalid_grant'
          ? { kind: 'need-reconnect' as const, reason, sealed }
          : { kind: 'fail-refresh' as const, claim, reason, at: this.now() };
      await this.process.execute(place, command, context);
      throw illegalState(`the tokens cannot be refreshed: ${reason}`);
    }
  }

  /** Another process has the claim or has used it. */
  private async elsewhere(place: ConnectionPlace, sealed: string, known: Connection): Promise<Connection> {
    let connection = known;
    const isOpen = () => connection.sealed === sealed && connection.refresh !== null;
    for (let waitedMs = 0; isOpen() && waitedMs < CLAIM_MS; waitedMs += POLL_MS) {
      await sleep(POLL_MS);
      const { state } = await this.aggregates.load(connections, place.userId);
      connection = connectionIn(state, place).connection;
    }
    if (connection.sealed === sealed) {
      throw illegalState(`the tokens cannot be refreshed: ${connection.reason ?? 'another refresh is open'}`);
    }
    return connection;
  }

  private now(): string {
    return this.clock.now().toISOString();
  }
}

/** The refresh token only where it is a new one. */
const told = ({ access_token, refresh_token }: Tokens) => ({
  access_token,
  ...(refresh_token !== null && { refresh_token }),
});

function connectionIn(
  state: ConnectionsState,
  { connectionId }: ConnectionPlace,
): { connection: Connection; subject_key: OpenConnections['subject_key'] } {
  const connection = state.lifecycle === 'open' ? state.connections.get(connectionId) : undefined;
  if (state.lifecycle !== 'open' || !connection) throw notFound('connection');
  return { connection, subject_key: state.subject_key };
}
