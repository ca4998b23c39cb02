import { CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { newId } from '#kernel';
import { ContextCommand, createApiKey } from '#platform';
import { type PlatformSettings, platform } from '../domain/platform.js';
import { Provisioning } from '../policies/provisioning.js';
import { IssuePlatformKey } from './issue-platform-key.js';

export interface NewPlatform {
  name: string;
  settings: PlatformSettings;
  /** Given only at the first start, where they must stay the same if it is interrupted. */
  fixed?: { id: string; keyId: string; rawKey: string };
}

export interface CreatedPlatform {
  id: string;
  keyId: string;
  rawKey: string;
  position: bigint;
}

export class CreatePlatform extends ContextCommand<NewPlatform, CreatedPlatform> {}

/** A platform with its default tenant, kit and user, and its first key, which may do everything. */
@CommandHandler(CreatePlatform)
export class CreatePlatformHandler implements ICommandHandler<CreatePlatform> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly provisioning: Provisioning,
    private readonly commands: CommandBus,
  ) {}

  async execute({ given: wanted, context }: CreatePlatform): Promise<CreatedPlatform> {
    const id = wanted.fixed?.id ?? newId();
    const defaults = {
      default_tenant_id: newId(),
      default_user_id: newId(),
      default_account_kit_id: newId(),
    };
    const fixed = wanted.fixed ?? { keyId: newId(), rawKey: createApiKey('plat') };
    const scope = { ...context, platformId: id };
    const known = await this.aggregates.peek(platform, id);
    const { state } =
      known.state.lifecycle === 'alive'
        ? known
        : await this.aggregates.execute(
            platform,
            id,
            { kind: 'create', name: wanted.name, settings: wanted.settings, ...defaults },
            { context: scope, expectNew: true },
          );
    if (state.lifecycle !== 'alive') throw new Error('a created platform is in another state');
    await this.provisioning.provisionPlatform(id, state, scope);
    const key = {
      platformId: id,
      name: 'First key',
      scopes: ['admin' as const],
      tenantId: null,
      expiresAt: null,
      fixed,
    };
    const { id: keyId, ...issued } = await this.commands.execute(new IssuePlatformKey(key, scope));
    return { id, keyId, ...issued };
  }
}
