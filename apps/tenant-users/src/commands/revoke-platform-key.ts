import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { platformKey } from '../domain/platform-key.js';

export interface PlatformKeyRevocation {
  platformId: string;
  /** Keys of this tenant alone are known to the caller; null for all of the platform's. */
  onlyTenantId: string | null;
  keyId: string;
}

/** Answers the position of the key's latest event. */
export class RevokePlatformKey extends ContextCommand<PlatformKeyRevocation> {}

@CommandHandler(RevokePlatformKey)
export class RevokePlatformKeyHandler implements ICommandHandler<RevokePlatformKey> {
  constructor(private readonly aggregates: Aggregates) {}

  async execute({ given: revocation, context }: RevokePlatformKey): Promise<bigint> {
    const { platformId, onlyTenantId, keyId } = revocation;
    const command = {
      kind: 'revoke' as const,
      platform_id: platformId,
      only_tenant_id: onlyTenantId,
    };
    const { position } = await this.aggregates.execute(platformKey, keyId, command, { context });
    return position;
  }
}
