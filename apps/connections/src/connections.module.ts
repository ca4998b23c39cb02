import { Module, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { TOPICS } from '#contracts';
import type { ConsumerOptions } from '#message-bus';
import { KEY_STORE, ReadModels } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { AuthorizationState } from './commands/authorization-state.js';
import { CompleteConnectionHandler } from './commands/complete-connection.js';
import { ConfigureProviderHandler } from './commands/configure-provider.js';
import { ConnectionProcess } from './commands/connection-process.js';
import { Consent } from './commands/consent.js';
import { DeleteSecretHandler } from './commands/delete-secret.js';
import { IssueTokenHandler } from './commands/issue-token.js';
import { ProviderAccess } from './commands/provider-access.js';
import { PutSecretHandler } from './commands/put-secret.js';
import { ReadSecretHandler } from './commands/read-secret.js';
import { RemoveConnectionHandler } from './commands/remove-connection.js';
import { RemoveProviderHandler } from './commands/remove-provider.js';
import { RequestConnectionHandler } from './commands/request-connection.js';
import { Revocations } from './commands/revocations.js';
import { TokenRefresh } from './commands/token-refresh.js';
import { TokenVault } from './commands/token-vault.js';
import { UserStanding } from './commands/user-standing.js';
import { CallbackController } from './http/callback.controller.js';
import { ConnectionsController } from './http/connections.controller.js';
import { ProvidersController } from './http/providers.controller.js';
import { PublicUrl } from './http/public-url.js';
import { VaultController } from './http/vault.controller.js';
import { McpClient } from './outbound/mcp-client.js';
import { McpDiscovery } from './outbound/mcp-discovery.js';
import { OAuthClient } from './outbound/oauth-client.js';
import { CascadeController } from './policies/cascade.controller.js';
import { ConnectionCleanup } from './policies/connection-cleanup.js';
import { ConnectionHoldings } from './policies/holdings.js';
import { CONNECTIONS, CONSUMER_GROUP } from './policies/participants.js';
import * as projectionModule from './projections.js';
import { Connections } from './read-models/connections.js';
import { ProviderList } from './read-models/providers.js';
import { Secrets } from './read-models/secrets.js';

export const connectionsConsumer: ConsumerOptions = {
  group: CONSUMER_GROUP,
  topics: [TOPICS.lifecycle],
  transportId: CONNECTIONS,
};

const VAULT = [PutSecretHandler, ReadSecretHandler, DeleteSecretHandler, Secrets];

/** Older events hold hashes of secrets' names that were made with it. Without it nobody can test a guess against them. */
const SECRET_OF_OLD_NAMES = 'vault-name';

const PROVIDERS = [
  ConfigureProviderHandler,
  RemoveProviderHandler,
  ProviderAccess,
  ProviderList,
  OAuthClient,
  McpClient,
  McpDiscovery,
];

const CONNECTING = [
  RequestConnectionHandler,
  CompleteConnectionHandler,
  IssueTokenHandler,
  RemoveConnectionHandler,
  AuthorizationState,
  ConnectionProcess,
  Consent,
  UserStanding,
  TokenVault,
  TokenRefresh,
  Revocations,
  ConnectionCleanup,
  Connections,
  PublicUrl,
];

/** The connections of users to other services, and the vault of their secrets. */
@Module({
  controllers: [
    VaultController,
    ProvidersController,
    CallbackController,
    ConnectionsController,
    CascadeController,
  ],
  providers: [...VAULT, ...PROVIDERS, ...CONNECTING, ConnectionHoldings],
})
export class ConnectionsModule implements OnModuleInit {
  constructor(
    private readonly modules: ModuleRef,
    private readonly readModels: ReadModels,
  ) {}

  async onModuleInit(): Promise<void> {
    const { modules, readModels } = this;
    await modules.get<SubjectKeyStore>(KEY_STORE, { strict: false }).destroySecret(SECRET_OF_OLD_NAMES);
    readModels.add(projectionModule);
    readModels.follow(modules.get(ConnectionCleanup));
  }
}
