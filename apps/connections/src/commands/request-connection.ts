import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { invalidInput, newId } from '#kernel';
import { ContextCommand } from '#platform';
import { ConnectionProcess } from './connection-process.js';
import { Consent } from './consent.js';
import { ProviderAccess } from './provider-access.js';
import { UserStanding } from './user-standing.js';

export interface WantedConnection {
  platformId: string;
  tenantId: string;
  userId: string;
  provider: string;
  redirectUri: string | null;
  scopes: readonly string[] | undefined;
  /** Where the provider sends the browser. */
  callbackUrl: string;
}

export interface ConnectionRequest {
  id: string;
  /** Null where no consent is needed. */
  connectUrl: string | null;
  position: bigint;
}

export class RequestConnection extends ContextCommand<WantedConnection, ConnectionRequest> {}

@CommandHandler(RequestConnection)
export class RequestConnectionHandler implements ICommandHandler<RequestConnection> {
  constructor(
    private readonly standing: UserStanding,
    private readonly providers: ProviderAccess,
    private readonly process: ConnectionProcess,
    private readonly consent: Consent,
  ) {}

  /** Throws `illegal_state` for a user who is not active and for a provider that the user's kit leaves out. */
  async execute({ given: wanted, context }: RequestConnection): Promise<ConnectionRequest> {
    const { platformId, tenantId, userId, redirectUri, callbackUrl } = wanted;
    const { accountKitId } = await this.standing.requireActive(tenantId, userId);
    const provider = await this.providers.find(platformId, wanted.provider);
    if (!provider) throw invalidInput('provider', 'is not a provider of this platform');
    await this.standing.requireAllowed(platformId, accountKitId, provider.name);
    const id = newId();
    const place = { tenantId, userId, connectionId: id };
    const { scopes = provider.scopes } = wanted;
    const wish = { provider, redirectUri, scopes };
    const { position, isPending } = await this.process.request(place, wish, context);
    if (!isPending) return { id, connectUrl: null, position };
    if (provider.server) {
      const connectUrl = await this.consent.askingUrl(provider.server, place, callbackUrl, scopes);
      return { id, connectUrl, position };
    }
    const outcome = await this.process.activate(place, provider, null, context);
    return { id, connectUrl: null, position: outcome.position };
  }
}
