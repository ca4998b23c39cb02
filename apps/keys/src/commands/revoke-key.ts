import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type Clock, isTenantryError } from '#kernel';
import { CLOCK, ContextCommand } from '#platform';
import { keyring } from '../domain/keyring.decide.js';
import { Keys } from '../read-models/keys.js';

export interface KeyRevocation {
  tenantId: string;
  userId: string;
  keyId: string;
}

/** Answers the position of the keyring's latest event. */
export class RevokeKey extends ContextCommand<KeyRevocation> {}

@CommandHandler(RevokeKey)
export class RevokeKeyHandler implements ICommandHandler<RevokeKey> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly keys: Keys,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Revoking a key that was revoked or has expired changes nothing. Throws `not_found` for any other. */
  async execute({ given: revocation, context }: RevokeKey): Promise<bigint> {
    const { tenantId, userId, keyId } = revocation;
    const at = this.clock.now().toISOString();
    try {
      const command = { kind: 'revoke' as const, tenant_id: tenantId, key_id: keyId, at };
      const { position } = await this.aggregates.execute(keyring, userId, command, { context });
      return position;
    } catch (error) {
      if (!isTenantryError(error) || error.kind !== 'not_found') throw error;
      if (!(await this.keys.hasEnded(revocation, at))) throw error;
      return (await this.aggregates.peek(keyring, userId)).position;
    }
  }
}
