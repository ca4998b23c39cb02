import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type Clock, type CommandContext, illegalState, isTenantryError, notFound } from '#kernel';
import { CLOCK, ContextCommand } from '#platform';
import { connections, isExpired } from '../domain/connections.decide.js';
import type { Connection } from '../domain/connections.js';
import type { AccessToken } from '../http/connection.dto.js';
import type { ConnectionPlace } from './connection-process.js';
import { type OpenedProvider, ProviderAccess } from './provider-access.js';
import { TokenRefresh } from './token-refresh.js';
import { type OpenedTokens, TokenVault } from './token-vault.js';
import { UserStanding } from './user-standing.js';

/** Answers what opens the provider's door, refreshed where it is about to expire. */
export class IssueToken extends ContextCommand<ConnectionPlace & { platformId: string }, AccessToken> {}

/** A token that is younger than that lasts for the request that it is asked for. */
const LEEWAY_MS = 30_000;

@CommandHandler(IssueToken)
export class IssueTokenHandler implements ICommandHandler<IssueToken> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly standing: UserStanding,
    private readonly providers: ProviderAccess,
    private readonly vault: TokenVault,
    private readonly tokenRefresh: TokenRefresh,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `illegal_state` with the reason where there is no token that works. */
  async execute({ given: wanted, context }: IssueToken): Promise<AccessToken> {
    const { platformId, ...place } = wanted;
    await this.standing.requireActive(place.tenantId, place.userId);
    const connection = await this.connection(place);
    const provider = await this.providers.find(platformId, connection.provider);
    if (connection.sealed === null) return headerOf(provider);
    const tokens = await this.open(place, connection.sealed);
    const leewayMs = tokens.refresh_token === null ? 0 : LEEWAY_MS;
    if (this.lasts(connection, leewayMs)) return answer(connection, tokens);
    try {
      let fresh = await this.refresh(place, connection, { provider, tokens }, context);
      if (!this.lasts(fresh, 0) && fresh.sealed !== null) {
        // Another process had refreshed them before, too long ago.
        const later = await this.open(place, fresh.sealed);
        fresh = await this.refresh(place, fresh, { provider, tokens: later }, context);
      }
      return answer(fresh, await this.open(place, fresh.sealed ?? ''));
    } catch (error) {
      const isRefusal = isTenantryError(error) && error.code === 'illegal_state';
      // The provider can't be asked for a new one, and the old one is still good.
      if (isRefusal && this.lasts(connection, 0)) return answer(connection, tokens);
      throw error;
    }
  }

  private async refresh(
    place: ConnectionPlace,
    { sealed }: Connection,
    { provider, tokens }: { provider: OpenedProvider | undefined; tokens: OpenedTokens },
    context: CommandContext,
  ): Promise<Connection> {
    const { refresh_token } = tokens;
    if (!provider?.server) throw illegalState('the tokens cannot be refreshed: provider_removed');
    if (sealed === null) throw new Error('a connection without tokens has nothing to refresh');
    if (refresh_token === null) {
      const reason = 'token_expired';
      const { tenantId: tenant_id, userId, connectionId: connection_id } = place;
      const command = { kind: 'need-reconnect' as const, tenant_id, connection_id, reason, sealed };
      await this.aggregates.execute(connections, userId, command, { context });
      throw illegalState(`the connection must be made again: ${reason}`);
    }
    return this.tokenRefresh.refresh(place, provider.server, { ...tokens, refresh_token, sealed }, context);
  }

  private async connection({ tenantId, userId, connectionId }: ConnectionPlace): Promise<Connection> {
    const { state } = await this.aggregates.load(connections, userId);
    const mine = state.lifecycle === 'open' && state.tenant_id === tenantId;
    const connection = mine ? state.connections.get(connectionId) : undefined;
    if (!connection) throw notFound('connection');
    if (connection.status !== 'active') {
      const expired = isExpired(connection, this.clock.now().toISOString());
      const status = expired ? 'failed' : connection.status;
      const reason = expired ? 'expired' : connection.reason;
      throw illegalState(`the connection is ${status}${reason === null ? '' : `: ${reason}`}`);
    }
    return connection;
  }

  private async open(place: ConnectionPlace, sealed: string): Promise<OpenedTokens> {
    const tokens = await this.vault.open(place, sealed);
    // The key of connections is destroyed only after their user was deleted.
    if (!tokens) throw notFound('user');
    return tokens;
  }

  private lasts({ tokens_expire_at }: Connection, leewayMs: number): boolean {
    if (tokens_expire_at === null) return true;
    return Date.parse(tokens_expire_at) - leewayMs > this.clock.now().getTime();
  }
}

function answer({ tokens_expire_at, scopes }: Connection, { access_token }: OpenedTokens): AccessToken {
  const header = { name: 'Authorization', value: `Bearer ${access_token}` };
  return { access_token, token_type: 'Bearer', expires_at: tokens_expire_at, scopes, header };
}

function headerOf(provider: OpenedProvider | undefined): AccessToken {
  if (!provider?.header) throw illegalState('the connection has no header any more: provider_removed');
  return {
    access_token: null,
    token_type: 'header',
    expires_at: null,
    scopes: [],
    header: provider.header,
  };
}
