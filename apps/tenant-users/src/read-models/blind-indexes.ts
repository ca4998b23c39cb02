import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { JsonObject } from '#kernel';
import { KEY_STORE } from '#platform';
import { blindIndex, type SubjectKeyStore } from '#privacy';
import type { PersonalData } from '../domain/tenant-user.js';
import type { UserRow } from './tables.js';

/** What users are found by where the values are sealed. */
export type UserIndexes = Pick<UserRow, 'external_id_index' | 'email_index'> & { metadata_index: string[] };

/** Enough that no two values of a tenant ever meet, and half as long to store as the whole digest. */
const INDEX_BYTES = 16;

/** The keyed hashes that users are found by where the values are sealed. Each tenant has its own. */
@Injectable()
export class BlindIndexes implements OnModuleInit {
  private secret: Uint8Array = new Uint8Array();

  constructor(@Inject(KEY_STORE) private readonly keys: SubjectKeyStore) {}

  async onModuleInit(): Promise<void> {
    this.secret = await this.keys.secret('blind-index');
  }

  /** The same for every spelling in upper and lower case. */
  email(tenantId: string, email: string): string {
    return this.index('email', tenantId, email.toLowerCase());
  }

  /** `value` is the string form of a text, a number or a boolean. */
  metadataEntry(tenantId: string, key: string, value: string): string {
    return this.index('metadata', tenantId, key, value);
  }

  externalId(tenantId: string, externalId: string): string {
    return this.index('external_id', tenantId, externalId);
  }

  of(tenantId: string, { external_id, email, metadata }: PersonalData): UserIndexes {
    return {
      external_id_index: external_id == null ? null : this.externalId(tenantId, external_id),
      email_index: email == null ? null : this.email(tenantId, email),
      metadata_index: this.metadata(tenantId, metadata),
    };
  }

  private metadata(tenantId: string, metadata: JsonObject): string[] {
    return Object.entries(metadata)
      .filter(([, value]) => typeof value !== 'object')
      .map(([key, value]) => this.metadataEntry(tenantId, key, String(value)));
  }

  private index(...parts: string[]): string {
    return blindIndex(this.secret, ...parts).toString('base64url', 0, INDEX_BYTES);
  }
}
