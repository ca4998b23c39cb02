import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type Clock, type CommandContext, invalidInput, notFound } from '#kernel';
import { CLOCK } from '#platform';
import { connections } from '../domain/connections.decide.js';
import { failureIn } from '../outbound/provider-failure.js';
import { type ConnectionPlace, ConnectionProcess, type Outcome } from './connection-process.js';
import { Consent } from './consent.js';
import { ProviderAccess } from './provider-access.js';
import { UserStanding } from './user-standing.js';

export interface Callback {
  /** The query that the browser came with. */
  parameters: URLSearchParams;
  /** The address that it was sent to, as the provider was told. */
  callbackUrl: string;
  requestId: string;
}

export interface CompletedConnection extends Outcome {
  id: string;
  provider: string;
  redirectUri: string | null;
}

/** The browser came back from the provider. */
export class CompleteConnection extends Command<CompletedConnection> {
  constructor(readonly callback: Callback) {
    super();
  }
}

@CommandHandler(CompleteConnection)
export class CompleteConnectionHandler implements ICommandHandler<CompleteConnection> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly process: ConnectionProcess,
    private readonly providers: ProviderAccess,
    private readonly standing: UserStanding,
    private readonly consent: Consent,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Throws `invalid_input` for a `state` that is not ours, and `illegal_state` for one that is used or too old.
   * What the provider says or fails to say becomes the connection's status, not an error.
   */
  async execute({ callback }: CompleteConnection): Promise<CompletedConnection> {
    const consent = this.consent.read(callback.parameters);
    if (!consent) throw invalidInput('state', 'is not one that this service gave out');
    const { userId, connectionId } = consent;
    const { state } = await this.aggregates.load(connections, userId);
    const connection = state.lifecycle === 'open' ? state.connections.get(connectionId) : undefined;
    if (state.lifecycle !== 'open' || !connection) throw notFound('connection');
    const place = { tenantId: state.tenant_id, userId, connectionId };
    const context = contextOf(callback, { platformId: state.platform_id, tenantId: state.tenant_id });
    const at = this.clock.now().toISOString();
    await this.process.execute(place, { kind: 'receive-authorization', at }, context);
    const known = { platformId: state.platform_id, provider: connection.provider };
    const outcome = await this.finish(place, known, callback, context);
    const { provider, redirect_uri } = connection;
    return { id: connectionId, provider, redirectUri: redirect_uri, ...outcome };
  }

  private async finish(
    place: ConnectionPlace,
    known: { platformId: string; provider: string },
    { parameters, callbackUrl }: Callback,
    context: CommandContext,
  ): Promise<Outcome> {
    const provider = await this.providers.find(known.platformId, known.provider);
    if (!provider?.server) return this.process.fail(place, 'provider_removed', context);
    if (!(await this.standing.isActive(place.tenantId, place.userId))) {
      return this.process.fail(place, 'user_not_active', context);
    }
    try {
      const tokens = await this.consent.redeem(provider.server, place, callbackUrl, parameters);
      return await this.process.activate(place, provider, tokens, context);
    } catch (error) {
      const failure = failureIn(error);
      if (!failure) throw error;
      return this.process.fail(place, failure.reason, context);
    }
  }
}

/** The browser shows no key: whoever it belongs to acts by the consent that was asked for. */
const contextOf = (
  { requestId }: Callback,
  scope: { platformId: string; tenantId: string },
): CommandContext => ({
  ...scope,
  actor: { type: 'system', id: 'connections-callback' },
  correlationId: requestId,
  causationId: requestId,
});
