import { describe, expect, it } from '@jest/globals';
import { isTenantryError } from '#kernel';
import { SecretNamePipe } from './secret-name.js';

const pipe = new SecretNamePipe();

describe('the name of a secret', () => {
  it.each(['a', 'A-z_0.9', '...', '.a', '..a', '-', '__proto__', 'x'.repeat(128)])(
    'given %s, then it is taken as it is',
    (name) => {
      expect(pipe.transform(name)).toBe(name);
    },
  );

  it.each(['', '.', '..', 'x'.repeat(129), 'a b', 'a/b', 'a\n', 'é', 'a%', 'a:b', '\0'])(
    'given %j, then it is refused by its field',
    (name) => {
      let refusal: unknown;
      try {
        pipe.transform(name);
      } catch (error) {
        refusal = error;
      }
      expect(isTenantryError(refusal) && [refusal.code, refusal.details.errors?.[0]?.field]).toEqual([
        'invalid_input',
        'name',
      ]);
    },
  );
});
