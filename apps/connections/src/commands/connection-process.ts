import { Inject, Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { type Clock, type CommandContext, notFound } from '#kernel';
import { CLOCK, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { connections } from '../domain/connections.decide.js';
import type { ConnectionCommand, McpServer, StoredTokens } from '../domain/connections.js';
import { McpClient } from '../outbound/mcp-client.js';
import type { Tokens } from '../outbound/oauth-client.js';
import { failureIn } from '../outbound/provider-failure.js';
import type { OpenedProvider } from './provider-access.js';
import { Revocations } from './revocations.js';
import { TokenVault } from './token-vault.js';

/** Which connection. */
export interface ConnectionPlace {
  tenantId: string;
  userId: string;
  connectionId: string;
}

export interface Outcome {
  status: 'active' | 'failed';
  reason: string | null;
  position: bigint;
}

type Unplaced<Command> = Command extends unknown ? Omit<Command, 'tenant_id' | 'connection_id'> : never;

const CONSENT_MS = 600_000;

const NO_TOKENS: StoredTokens = { sealed: null, tokens_expire_at: null, scopes: [] };

/** How a connection comes to be, whichever way it is made. */
@Injectable()
export class ConnectionProcess {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly vault: TokenVault,
    private readonly mcp: McpClient,
    private readonly revocations: Revocations,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Does nothing for a connection that is there already. */
  async request(
    { tenantId, userId, connectionId }: ConnectionPlace,
    wanted: { provider: OpenedProvider; redirectUri: string | null; scopes: readonly string[] },
    context: CommandContext,
  ): Promise<{ position: bigint; isPending: boolean }> {
    const now = this.clock.now();
    const { provider, redirectUri, scopes } = wanted;
    const { state } = await this.aggregates.peek(connections, userId);
    const made = await this.aggregates.execute(
      connections,
      userId,
      {
        kind: 'request',
        at: now.toISOString(),
        platform_id: provider.platform_id,
        tenant_id: tenantId,
        connection_id: connectionId,
        provider: provider.name,
        provider_kind: provider.kind,
        scopes: [...scopes],
        expires_at: new Date(now.getTime() + CONSENT_MS).toISOString(),
        subject_key: state.lifecycle === 'open' ? state.subject_key : await this.subjectKeys.assign(),
        personal: { redirect_uri: redirectUri },
      },
      { context },
    );
    const { state: after, position } = made;
    const connection = after.lifecycle === 'open' ? after.connections.get(connectionId) : undefined;
    return { position, isPending: connection?.status === 'pending' };
  }

  async execute(
    { tenantId, userId, connectionId }: ConnectionPlace,
    command: Unplaced<ConnectionCommand>,
    context: CommandContext,
  ) {
    const placed = { ...command, tenant_id: tenantId, connection_id: connectionId } as ConnectionCommand;
    return this.aggregates.execute(connections, userId, placed, { context });
  }

  async fail(place: ConnectionPlace, reason: string, context: CommandContext): Promise<Outcome> {
    const { position } = await this.execute(place, { kind: 'fail', reason }, context);
    return { status: 'failed', reason, position };
  }

  /**
   * Makes the connection active if the provider, asked once more where it is an MCP server, agrees. Tokens whose
   * connection is gone by then are revoked.
   */
  async activate(
    place: ConnectionPlace,
    provider: OpenedProvider,
    tokens: Tokens | null,
    context: CommandContext,
  ): Promise<Outcome> {
    try {
      return await this.tryToActivate(place, provider, tokens, context);
    } catch (error) {
      if (tokens && provider.server) await this.revocations.discard(provider.server, tokens);
      const failure = failureIn(error);
      if (!failure) throw error;
      return this.fail(place, failure.reason, context);
    }
  }

  private async tryToActivate(
    place: ConnectionPlace,
    provider: OpenedProvider,
    tokens: Tokens | null,
    context: CommandContext,
  ): Promise<Outcome> {
    const mcp = await this.checkMcp(provider, tokens);
    const { state } = await this.aggregates.load(connections, place.userId);
    const requested = state.lifecycle === 'open' && state.connections.get(place.connectionId);
    if (!requested) throw notFound('connection');
    const before = { refresh_token: null, scopes: requested.scopes };
    const stored = tokens ? await this.vault.seal(place, state.subject_key, tokens, before) : NO_TOKENS;
    const { position } = await this.execute(place, { kind: 'activate', ...stored, mcp }, context);
    return { status: 'active', reason: null, position };
  }

  private async checkMcp(provider: OpenedProvider, tokens: Tokens | null): Promise<McpServer | null> {
    if (provider.server_url === null) return null;
    const header = tokens
      ? { name: 'Authorization', value: `Bearer ${tokens.access_token}` }
      : provider.header;
    if (!header) throw new Error('an MCP server with neither tokens nor a header');
    return this.mcp.check(provider.server_url, header);
  }
}
