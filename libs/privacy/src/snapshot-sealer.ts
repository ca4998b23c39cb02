import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { JsonObject } from '#kernel';
import { decrypt, encrypt, IV_BYTES } from './aes-gcm.js';
import type { Sealer } from './sealer.js';
import type { SubjectKeyStore } from './subject-keys.js';

/** In place of a subject key's id, which is never this. */
const SERVICE_KEY = 'service';

interface SealedSnapshot {
  keyId: string;
  sealed: string;
}

/** Seals snapshots under the key of the person whose data they hold, and so that key ends them too; else under the service's. */
export class SnapshotSealer {
  private serviceKey: Promise<KeyObject> | undefined;

  constructor(
    private readonly sealer: Sealer,
    private readonly keys: SubjectKeyStore,
  ) {}

  /** Throws TenantryError `illegal_state` when the subject key is destroyed. */
  async seal(subjectKey: string | null, context: string, content: JsonObject): Promise<SealedSnapshot> {
    if (subjectKey !== null) {
      return { keyId: subjectKey, sealed: await this.sealer.seal(subjectKey, context, content) };
    }
    const bytes = Buffer.from(JSON.stringify(content));
    const sealed = encrypt(await this.key(), randomBytes(IV_BYTES), context, bytes);
    return { keyId: SERVICE_KEY, sealed: sealed.toString('base64url') };
  }

  /** Null once the subject key is destroyed. Throws when it was altered or belongs to another context. */
  async open({ keyId, sealed }: SealedSnapshot, context: string): Promise<JsonObject | null> {
    if (keyId !== SERVICE_KEY) return this.sealer.open(sealed, context, { remember: false });
    const bytes = decrypt(await this.key(), context, Buffer.from(sealed, 'base64url'));
    return JSON.parse(bytes.toString()) as JsonObject;
  }

  private key(): Promise<KeyObject> {
    this.serviceKey ??= this.keys.secret('snapshots').then((secret) => createSecretKey(Buffer.from(secret)));
    this.serviceKey.catch(() => {
      this.serviceKey = undefined;
    });
    return this.serviceKey;
  }
}
