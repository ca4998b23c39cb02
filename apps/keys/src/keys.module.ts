import { Module } from '@nestjs/common';
import { TOPICS } from '#contracts';
import type { ConsumerOptions } from '#message-bus';
import { ReadModels } from '#platform';
import { IssueKeyHandler } from './commands/issue-key.js';
import { RevokeKeyHandler } from './commands/revoke-key.js';
import { RotateKeyHandler } from './commands/rotate-key.js';
import { KeyVerificationController } from './http/key-verification.controller.js';
import { KeysController } from './http/keys.controller.js';
import { CascadeController } from './policies/cascade.controller.js';
import { KeyHoldings } from './policies/holdings.js';
import { KEYS, PARTICIPANT } from './policies/participant.js';
import * as projectionModule from './projections.js';
import { KeyUses } from './read-models/key-uses.js';
import { KeyVerification } from './read-models/key-verification.js';
import { Keys } from './read-models/keys.js';
import { KitScopes } from './read-models/kit-scopes.js';
import { KnownKeys } from './read-models/known-keys.js';

export const keysConsumer: ConsumerOptions = {
  group: PARTICIPANT,
  topics: [TOPICS.lifecycle],
  transportId: KEYS,
};

/** The API keys of users. */
@Module({
  controllers: [KeysController, KeyVerificationController, CascadeController],
  providers: [
    IssueKeyHandler,
    RotateKeyHandler,
    RevokeKeyHandler,
    Keys,
    KeyUses,
    KnownKeys,
    KitScopes,
    KeyVerification,
    KeyHoldings,
  ],
})
export class KeysModule {
  constructor(readModels: ReadModels) {
    readModels.add(projectionModule);
  }
}
