import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { derivedId, newId } from '#kernel';
import {
  createApiKey,
  hashApiKey,
  InvalidSetting,
  parseApiKey,
  ReadModels,
  SETTINGS,
  type Settings,
  secretFile,
} from '#platform';
import { CreatePlatform } from '../commands/create-platform.js';
import { platformKey } from '../domain/platform-key.js';
import { Access } from '../read-models/access.js';
import { ACCESS } from '../read-models/access.projection.js';

/** What the first start made, to be shown once. */
export interface FirstStart {
  platformKey: string;
}

/**
 * Makes the first platform. The key's file is written before the platform, and the platform's id follows from
 * the key, so that a start that was interrupted anywhere is finished by the next one.
 */
@Injectable()
export class Bootstrap {
  constructor(
    private readonly access: Access,
    private readonly aggregates: Aggregates,
    private readonly commands: CommandBus,
    private readonly readModels: ReadModels,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** Answers what was made; undefined when the platform was there already. */
  async run(): Promise<FirstStart | undefined> {
    const rawKey = secretFile('TENANTRY_DATA_DIR', join(this.settings.dataDir, 'platform-key'), () =>
      createApiKey('plat'),
    );
    if (parseApiKey(rawKey)?.kind !== 'plat') {
      throw new InvalidSetting('TENANTRY_DATA_DIR', 'its file platform-key does not hold a platform key');
    }
    const keyHash = hashApiKey(rawKey);
    const keyId = idFrom('platform-key', keyHash);
    // The log knows its own, also while the read model is being built.
    const { state } = await this.aggregates.load(platformKey, keyId);
    if (state.lifecycle !== 'absent' || (await this.access.keyId(keyHash)) !== undefined) return undefined;
    const requestId = newId();
    const context = {
      platformId: null,
      tenantId: null,
      actor: { type: 'system' as const, id: 'first-start' },
      correlationId: requestId,
      causationId: requestId,
    };
    const fixed = { id: idFrom('platform', keyHash), keyId, rawKey };
    const settings = { default_budget_micro_usd: null, default_role: 'member' };
    const { position } = await this.commands.execute(
      new CreatePlatform({ name: 'My platform', settings, fixed }, context),
    );
    await this.readModels.settle(ACCESS, position, this.settings.readYourWritesTimeoutMs);
    return { platformKey: rawKey };
  }
}

const idFrom = (what: string, keyHash: string): string =>
  derivedId(createHash('sha256').update(`${what}:${keyHash}`).digest());
