import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type Clock, illegalState, isTenantryError, newId } from '#kernel';
import { apiKeyPrefix, CLOCK, ContextCommand, createApiKey, hashApiKey } from '#platform';
import { keyring } from '../domain/keyring.decide.js';
import { Keys } from '../read-models/keys.js';
import { type IssuedKey, issuedBy } from './issue-key.js';

export interface KeyRotation {
  tenantId: string;
  userId: string;
  /** The old key. */
  keyId: string;
  graceSeconds: number;
}

/** Answers the new key. */
export class RotateKey extends ContextCommand<KeyRotation, IssuedKey> {}

@CommandHandler(RotateKey)
export class RotateKeyHandler implements ICommandHandler<RotateKey> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly keys: Keys,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `illegal_state` for a key that has ended or was rotated before, and `not_found` for any other. */
  async execute({ given: rotation, context }: RotateKey): Promise<IssuedKey> {
    const { tenantId, userId, keyId, graceSeconds } = rotation;
    const at = this.clock.now().toISOString();
    const rawKey = createApiKey('user');
    const replacement = { key_id: newId(), key_hash: hashApiKey(rawKey), key_prefix: apiKeyPrefix(rawKey) };
    const scope = { tenant_id: tenantId, key_id: keyId };
    const command = { kind: 'rotate' as const, ...scope, at, grace_seconds: graceSeconds, replacement };
    const { events, position } = await this.aggregates
      .execute(keyring, userId, command, { context })
      .catch((error) => this.explain(error, rotation, at));
    return issuedBy(events, rawKey, position);
  }

  /** The keyring no longer knows of keys that have ended; the registry does. */
  private async explain(error: unknown, rotation: KeyRotation, at: string): Promise<never> {
    const missing = isTenantryError(error) && error.kind === 'not_found';
    if (missing && (await this.keys.hasEnded(rotation, at))) {
      throw illegalState('the key was revoked or has expired');
    }
    throw error;
  }
}
