import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { derivedId } from '#kernel';
import { KEY_STORE } from '#platform';
import { blindIndex, type SubjectKeyStore } from '#privacy';

/**
 * Ids that follow from external_ids, so that creating a user or a tenant is one append to a stream that must not exist and
 * no two creates can both win.
 */
@Injectable()
export class UserIds implements OnModuleInit {
  private uniquenessKey: Uint8Array = new Uint8Array();

  constructor(@Inject(KEY_STORE) private readonly keys: SubjectKeyStore) {}

  async onModuleInit(): Promise<void> {
    this.uniquenessKey = await this.keys.secret('uniqueness');
  }

  /** The id of the tenant's user of this external_id; a deleted user's successor has the next generation. */
  derive(tenantId: string, externalId: string, generation: number): string {
    return derivedId(blindIndex(this.uniquenessKey, 'user-id', tenantId, externalId, String(generation)));
  }

  /** The id of the platform's tenant of this external_id. */
  deriveTenant(platformId: string, externalId: string, generation: number): string {
    return derivedId(blindIndex(this.uniquenessKey, 'tenant-id', platformId, externalId, String(generation)));
  }

  /** Names a username without holding it, the same for every spelling in upper and lower case. */
  usernameIndex(tenantId: string, username: string): string {
    const index = blindIndex(
      this.uniquenessKey,
      'username',
      tenantId,
      username.normalize('NFC').toLowerCase(),
    );
    return index.toString('hex', 0, 16);
  }

  /** Names an external_id without holding it, the same for every generation. */
  externalIdIndex(tenantId: string, externalId: string): string {
    return this.derive(tenantId, externalId, 0);
  }
}
