import { type CipherKey, createCipheriv, createDecipheriv } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const OPTIONS = { authTagLength: 16 };
const TAG_BYTES = 16;

/** The only length of initialization vector in use: 96 bits (NIST SP 800-38D, section 8.2). */
export const IV_BYTES = 12;

/** AES-256-GCM. Answers `iv | ciphertext | tag`, 28 bytes more than the plaintext. */
export function encrypt(key: CipherKey, iv: Uint8Array, context: string, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, iv, OPTIONS).setAAD(Buffer.from(context));
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([iv, ciphertext, cipher.getAuthTag()]);
}

/** Undoes `encrypt`. Throws when the bytes, the key or the context are not those of the encryption. */
export function decrypt(key: CipherKey, context: string, bytes: Uint8Array): Buffer {
  try {
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), OPTIONS)
      .setAAD(Buffer.from(context))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    const plaintext = decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES));
    decipher.final();
    return plaintext;
  } catch (cause) {
    throw new Error('encrypted bytes failed their integrity check', { cause });
  }
}
