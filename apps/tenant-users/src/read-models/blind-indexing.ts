import type { JsonObject } from '#kernel';
import { blindIndex } from '#worker/privacy';
import type { PersonalData, UserIndexes } from '../domain/tenant-user.js';

/** Enough that no two values of a tenant ever meet, and half as long to store as the whole digest. */
const INDEX_BYTES = 16;

/** The keyed hashes that users are found by where the values are sealed. Each tenant has its own. */
export class BlindIndexing {
  constructor(protected secret: Uint8Array) {}

  /** The same for every spelling in upper and lower case. */
  email(tenantId: string, email: string): string {
    return this.index('email', tenantId, email.toLowerCase());
  }

  /** `value` is the string form of a text, a number or a boolean. */
  metadataEntry(tenantId: string, key: string, value: string): string {
    return this.index('metadata', tenantId, key, value);
  }

  /** The indexes of those fields that are given. */
  of(tenantId: string, { email, metadata }: Partial<PersonalData>): Partial<UserIndexes> {
    return {
      ...(email !== undefined && { email_index: email === null ? null : this.email(tenantId, email) }),
      ...(metadata && { metadata_index: this.metadata(tenantId, metadata) }),
    };
  }

  ofAll(tenantId: string, { email, metadata }: PersonalData): UserIndexes {
    return {
      email_index: email === null ? null : this.email(tenantId, email),
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
