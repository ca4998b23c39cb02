import { describe, expect, it } from '@jest/globals';
import { Together } from './together.js';

describe('questions that are answered together', () => {
  it('given 10,000 without an answer, then the next is refused at once, and those are answered', async () => {
    const gate = Promise.withResolvers<void>();
    const together = new Together(async (numbers: number[]) => {
      await gate.promise;
      return numbers.map((number) => number * 2);
    });
    const asked = Array.from({ length: 10_000 }, (_, number) => together.ask(number));
    await expect(together.ask(1)).rejects.toMatchObject({ code: 'unavailable' });
    gate.resolve();
    expect((await Promise.all(asked)).at(-1)).toBe(19_998);
    expect(await together.ask(1)).toBe(2);
  });
});
