import type { DomainEvent } from '#kernel';

export const PROVIDER_KINDS = ['oauth2', 'mcp'] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

/** How a client shows who it is at the token endpoint (RFC 7591, section 2). */
export const CLIENT_AUTHENTICATIONS = ['client_secret_basic', 'client_secret_post', 'none'] as const;
export type ClientAuthentication = (typeof CLIENT_AUTHENTICATIONS)[number];

export type OAuthSettings = {
  authorize_url: string;
  token_url: string;
  /** RFC 7009; null where tokens cannot be revoked. */
  revoke_url: string | null;
  /** What `iss` of the callback must be (RFC 9207); null where it is not known. */
  issuer: string | null;
  client_id: string;
  client_authentication: ClientAuthentication;
};

export type ProviderSettings = {
  kind: ProviderKind;
  /** Of MCP servers alone. */
  server_url: string | null;
  /** Null where a header is sent instead. */
  oauth: OAuthSettings | null;
  /** Of MCP servers that take a static header; its value is the secret. */
  header_name: string | null;
  scopes: string[];
};

interface Owner {
  platform_id: string;
  name: string;
}

export type ProviderConfigured = DomainEvent<
  'provider.configured.v1',
  Owner &
    ProviderSettings & {
      subject_key: string;
      /** The client's secret or the header's value, sealed for this stream; null for a public client. */
      sealed: string | null;
    }
>;

export type ProviderRemoved = DomainEvent<
  'provider.removed.v1',
  Owner & {
    /** To be destroyed. */
    subject_key: string;
  }
>;

export type ProviderEvent = ProviderConfigured | ProviderRemoved;

/** Holds the secret sealed, since states stay in memory. */
export type ConfiguredProvider = { lifecycle: 'configured' } & ProviderConfigured['data'];

export type ProviderState =
  | { lifecycle: 'absent' }
  | ConfiguredProvider
  | { lifecycle: 'removed'; subject_key: string };

export type ProviderCommand =
  | ({ kind: 'configure' } & { data: ProviderConfigured['data'] })
  | { kind: 'remove' };
