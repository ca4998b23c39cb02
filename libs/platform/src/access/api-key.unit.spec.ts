import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { apiKeyPrefix, createApiKey, hashApiKey, parseApiKey } from './api-key.js';

describe('API keys', () => {
  it.each(['root', 'plat', 'user'] as const)('a new %s key is well-formed and tells its kind', (kind) => {
    const key = createApiKey(kind);
    expect(key).toMatch(new RegExp(`^tnt_${kind}_[0-9A-Za-z]{33}$`));
    expect(parseApiKey(key)).toEqual({ kind });
  });

  it('no two keys are the same', () => {
    const keys = Array.from({ length: 1_000 }, () => createApiKey('user'));
    expect(new Set(keys).size).toBe(1_000);
  });

  it('a key with any one character changed is refused by its checksum', () => {
    const key = createApiKey('user');
    fc.assert(
      fc.property(fc.nat({ max: 32 }), fc.constantFrom(...'0123456789ABCXYZabcxyz'), (place, character) => {
        const at = 'tnt_user_'.length + place;
        fc.pre(key[at] !== character);
        expect(parseApiKey(key.slice(0, at) + character + key.slice(at + 1))).toBeUndefined();
      }),
    );
  });

  it('a key cannot pass as one of another kind', () => {
    expect(parseApiKey(createApiKey('user').replace('_user_', '_plat_'))).toBeUndefined();
  });

  it.each(['', 'tnt_user_', 'sk-123', 'tnt_user_éééééééééééééééééééééééééééééééée'])('refuses %p', (text) => {
    expect(parseApiKey(text)).toBeUndefined();
  });

  it('shows a prefix that does not give the key away, and hashes to SHA-256', () => {
    const key = createApiKey('user');
    expect(apiKeyPrefix(key)).toBe(key.slice(0, 13));
    expect(hashApiKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
