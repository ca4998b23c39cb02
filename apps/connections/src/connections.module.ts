import { Module } from '@nestjs/common';
import { TOPICS } from '#contracts';
import type { ConsumerOptions } from '#message-bus';
import { ReadModels } from '#platform';
import { DeleteSecretHandler } from './commands/delete-secret.js';
import { PutSecretHandler } from './commands/put-secret.js';
import { SecretNames } from './commands/secret-names.js';
import { VaultController } from './http/vault.controller.js';
import { CascadeController } from './policies/cascade.controller.js';
import { ConnectionHoldings } from './policies/holdings.js';
import { CONNECTIONS, CONSUMER_GROUP } from './policies/participants.js';
import { Secrets } from './read-models/secrets.js';
import { SecretsProjection } from './read-models/secrets.projection.js';

export const connectionsConsumer: ConsumerOptions = {
  group: CONSUMER_GROUP,
  topics: [TOPICS.lifecycle],
  transportId: CONNECTIONS,
};

/** The connections of users to other services, and the vault of their secrets. */
@Module({
  controllers: [VaultController, CascadeController],
  providers: [
    PutSecretHandler,
    DeleteSecretHandler,
    SecretNames,
    Secrets,
    SecretsProjection,
    ConnectionHoldings,
  ],
})
export class ConnectionsModule {
  constructor(readModels: ReadModels, secrets: SecretsProjection) {
    readModels.project(secrets);
  }
}
