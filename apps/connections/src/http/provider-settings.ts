import { illegalState, invalidInput } from '#kernel';
import type { OAuthSettings, ProviderSettings } from '../domain/provider.js';
import type { McpDiscovery } from '../outbound/mcp-discovery.js';
import { failureIn } from '../outbound/provider-failure.js';
import type { PutProviderBody } from './provider.dto.js';
import { isSafeUrl } from './url-field.js';

const OAUTH_FIELDS = [
  'authorize_url',
  'token_url',
  'revoke_url',
  'issuer',
  'client_id',
  'client_secret',
  'client_authentication',
] as const;

/** What the transport itself sends. */
const RESERVED_HEADERS = new Set([
  'accept',
  'connection',
  'content-length',
  'content-type',
  'host',
  'last-event-id',
  'mcp-protocol-version',
  'mcp-session-id',
  'transfer-encoding',
]);

/** What holds between the fields of a provider. Throws `invalid_input` with the field. */
export function providerSettings(body: PutProviderBody): {
  settings: ProviderSettings;
  secret: string | null;
} {
  const { kind, server_url = null, header, scopes = [] } = body;
  if (kind === 'oauth2') {
    if (server_url !== null) throw invalidInput('server_url', 'is of MCP servers alone');
    if (header) throw invalidInput('header', 'is of MCP servers alone');
  } else if (server_url === null) {
    throw invalidInput('server_url', 'is required for an MCP server');
  }
  if (!header) {
    const oauth = oauthSettings(body);
    const settings = { kind, server_url, oauth, header_name: null, scopes };
    return { settings, secret: body.client_secret ?? null };
  }
  const extra = [...OAUTH_FIELDS, 'scopes' as const].find((field) => body[field] !== undefined);
  if (extra) throw invalidInput(extra, 'has no meaning beside a header');
  if (RESERVED_HEADERS.has(header.name.toLowerCase())) {
    throw invalidInput('header.name', 'is a header that the transport sends itself');
  }
  const settings = { kind, server_url, oauth: null, header_name: header.name, scopes };
  return { settings, secret: header.value };
}

/** An MCP server that nothing but its address is told of says the rest itself. */
export const isToBeDiscovered = (body: PutProviderBody): boolean =>
  body.kind === 'mcp' &&
  body.server_url !== undefined &&
  body.header === undefined &&
  OAUTH_FIELDS.every((field) => body[field] === undefined);

/** Throws `illegal_state` with the reason where the server does not say enough. */
export async function discoveredSettings(
  { server_url = '', scopes = [] }: PutProviderBody,
  discovery: McpDiscovery,
  callbackUrl: string,
): Promise<{ settings: ProviderSettings; secret: string | null }> {
  try {
    const { oauth, secret } = await discovery.discover(server_url, callbackUrl, scopes, isSafeUrl);
    return { settings: { kind: 'mcp', server_url, oauth, header_name: null, scopes }, secret };
  } catch (error) {
    const reason = failureIn(error)?.reason;
    if (reason === undefined) throw error;
    const message = `does not lead to an authorization server that takes this client: ${reason}`;
    throw illegalState(`server_url: ${message}`, { errors: [{ field: 'server_url', message }] });
  }
}

function oauthSettings(body: PutProviderBody): OAuthSettings {
  const { authorize_url, token_url, revoke_url = null, issuer = null, client_id, client_secret } = body;
  if (authorize_url === undefined) throw invalidInput('authorize_url', 'is required');
  if (token_url === undefined) throw invalidInput('token_url', 'is required');
  if (client_id === undefined) throw invalidInput('client_id', 'is required');
  const standard = client_secret === undefined ? ('none' as const) : ('client_secret_basic' as const);
  const { client_authentication = standard } = body;
  if ((client_authentication === 'none') !== (client_secret === undefined)) {
    throw invalidInput('client_secret', 'does not go with this client_authentication');
  }
  return { authorize_url, token_url, revoke_url, issuer, client_id, client_authentication };
}
