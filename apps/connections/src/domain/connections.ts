import type { DomainEvent } from '#kernel';
import type { ProviderKind } from './provider.js';

interface Scope {
  platform_id: string;
  tenant_id: string;
}

type ConnectionEvent<Type extends string, Data = object> = DomainEvent<
  Type,
  Scope & { connection_id: string } & Data
>;

/** Tokens as the log holds them. */
export type StoredTokens = {
  /** Sealed for this stream under the user's key; null for a connection that has no tokens of its own. */
  sealed: string | null;
  /** RFC 3339 UTC; null where the provider does not say. */
  tokens_expire_at: string | null;
  scopes: string[];
};

/** What an MCP server said of itself when it was initialized. */
export type McpServer = { name: string; version: string; protocol_version: string };

export type ConnectionRequested = ConnectionEvent<
  'connections.connection-requested.v1',
  {
    provider: string;
    provider_kind: ProviderKind;
    scopes: string[];
    /** Consent that comes later counts for nothing. */
    expires_at: string;
    /** Of all that is sealed for this user's connections: the same in all events. */
    subject_key: string;
    /** `null` once the subject key is destroyed. */
    personal: { redirect_uri: string | null } | null;
  }
>;
/** The browser came back: its `state` is used, whatever comes of it. */
export type AuthorizationReceived = ConnectionEvent<'connections.authorization-received.v1'>;
export type ConnectionActivated = ConnectionEvent<
  'connections.connection-activated.v1',
  StoredTokens & { mcp: McpServer | null }
>;
export type ConnectionFailed = ConnectionEvent<'connections.connection-failed.v1', { reason: string }>;
/** From here on the refresh token belongs to whoever has the claim, for a short while. */
export type RefreshStarted = ConnectionEvent<
  'connections.refresh-started.v1',
  { claim: string; started_at: string }
>;
export type TokensRefreshed = ConnectionEvent<'connections.tokens-refreshed.v1', StoredTokens>;
/** The provider could not be asked; the tokens stay as they are. */
export type RefreshFailed = ConnectionEvent<
  'connections.refresh-failed.v1',
  { reason: string; failed_at: string }
>;
/** Only new consent helps. */
export type ReconnectNeeded = ConnectionEvent<'connections.reconnect-needed.v1', { reason: string }>;
export type ConnectionRemoved = ConnectionEvent<'connections.connection-removed.v1'>;

export type RevocationOutcome = 'revoked' | 'not_revoked';
/** What came of asking the provider to revoke the tokens of a connection that is gone. */
export type RevocationRecorded = ConnectionEvent<
  'connections.revocation-recorded.v1',
  { outcome: RevocationOutcome; reason: string | null }
>;

export type ConnectionsClosed = DomainEvent<
  'connections.closed.v1',
  Scope & {
    /** The key that tokens are sealed under, to be destroyed after the closing; null where there is none. */
    subject_key: string | null;
    removed: { connections: number };
  }
>;

export type ConnectionsEvent =
  | ConnectionRequested
  | AuthorizationReceived
  | ConnectionActivated
  | ConnectionFailed
  | RefreshStarted
  | TokensRefreshed
  | RefreshFailed
  | ReconnectNeeded
  | ConnectionRemoved
  | RevocationRecorded
  | ConnectionsClosed;

export interface Connection extends StoredTokens {
  provider: string;
  provider_kind: ProviderKind;
  status: 'pending' | 'active' | 'needs_reconnect' | 'failed';
  reason: string | null;
  expires_at: string;
  /** Where the browser goes in the end; kept only while it is awaited. */
  redirect_uri: string | null;
  authorization_received: boolean;
  refresh: { claim: string; started_at: string } | null;
  refresh_failed_at: string | null;
}

/** Tokens of a connection that is gone, which the provider is still to be told of. */
export interface LeftOver {
  provider: string;
  sealed: string;
}

export interface OpenConnections extends Scope {
  lifecycle: 'open';
  subject_key: string;
  connections: ReadonlyMap<string, Connection>;
  left_over: ReadonlyMap<string, LeftOver>;
}

export interface ClosedConnections extends Scope {
  lifecycle: 'closed';
  subject_key: string | null;
  removed: { connections: number; tokens_revoked?: number; tokens_not_revoked?: number };
  left_over: ReadonlyMap<string, LeftOver>;
}

/** Holds tokens sealed only, since states stay in memory. */
export type ConnectionsState = { lifecycle: 'absent' } | OpenConnections | ClosedConnections;

type OfConnection<Kind extends string, Data = object> = {
  kind: Kind;
  tenant_id: string;
  connection_id: string;
} & Data;

export type RequestConnection = { kind: 'request'; at: string } & Omit<
  ConnectionRequested['data'],
  'personal'
> & { personal: { redirect_uri: string | null } };

export type ConnectionCommand =
  | OfConnection<'receive-authorization', { at: string }>
  | OfConnection<'activate', StoredTokens & { mcp: McpServer | null }>
  | OfConnection<'fail', { reason: string }>
  /** `sealed` are the tokens that the caller finds too old. */
  | OfConnection<'begin-refresh', { claim: string; sealed: string; at: string }>
  | OfConnection<'store-tokens', StoredTokens & { claim: string }>
  | OfConnection<'fail-refresh', { claim: string; reason: string; at: string }>
  | OfConnection<'need-reconnect', { reason: string; sealed: string }>
  | OfConnection<'remove'>
  | OfConnection<'record-revocation', { outcome: RevocationOutcome; reason: string | null }>;

export type ConnectionsCommand = RequestConnection | ConnectionCommand | ({ kind: 'close' } & Scope);
