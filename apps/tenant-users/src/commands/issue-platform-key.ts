import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type Clock, newId } from '#kernel';
import { apiKeyPrefix, CLOCK, ContextCommand, createApiKey, hashApiKey, type Scope } from '#platform';
import { platformKey } from '../domain/platform-key.js';

export interface NewPlatformKey {
  platformId: string;
  name: string;
  scopes: Scope[];
  /** The only tenant it may act in; null for all of the platform's. */
  tenantId: string | null;
  /** RFC 3339 UTC; null for never. */
  expiresAt: string | null;
  /** Given only at the first start, where they must stay the same if it is interrupted. */
  fixed?: { keyId: string; rawKey: string };
}

export interface IssuedPlatformKey {
  id: string;
  /** Known here and to the caller only. */
  rawKey: string;
  position: bigint;
}

export class IssuePlatformKey extends ContextCommand<NewPlatformKey, IssuedPlatformKey> {}

@CommandHandler(IssuePlatformKey)
export class IssuePlatformKeyHandler implements ICommandHandler<IssuePlatformKey> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `invalid_input` for an expiry in the past. */
  async execute({ given: key, context }: IssuePlatformKey): Promise<IssuedPlatformKey> {
    const { keyId: id, rawKey } = key.fixed ?? { keyId: newId(), rawKey: createApiKey('plat') };
    const { position } = await this.aggregates.execute(
      platformKey,
      id,
      {
        kind: 'issue',
        at: this.clock.now().toISOString(),
        platform_id: key.platformId,
        name: key.name,
        scopes: key.scopes,
        tenant_id: key.tenantId,
        expires_at: key.expiresAt === null ? null : new Date(key.expiresAt).toISOString(),
        key_hash: hashApiKey(rawKey),
        key_prefix: apiKeyPrefix(rawKey),
      },
      { context, expectNew: true },
    );
    return { id, rawKey, position };
  }
}
