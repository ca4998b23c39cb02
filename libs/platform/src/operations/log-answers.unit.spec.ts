import { describe, expect, it } from '@jest/globals';
import type { EventStore } from '#event-store';
import { illegalState, unavailable } from '#kernel';
import { LogAnswers } from './log-answers.js';
import type { ReadModels } from './read-models.js';

/** All projections but these are up with what was answered. */
const answers = (...behind: string[]) => {
  const areCurrent = (names: readonly string[]) => !names.some((name) => behind.includes(name));
  return new LogAnswers({} as EventStore, { areCurrent } as ReadModels);
};
const OF = ['users', 'access'];
const inLog = async () => 'from the log';

describe('LogAnswers', () => {
  it('given what the read models know, then the log is not asked', async () => {
    const refused = () => Promise.reject(new Error('the log was asked'));
    expect(await answers().lookUp(OF, async () => 'known', refused)).toBe('known');
  });

  it('given what the read models do not know, then the log tells whether it is there', async () => {
    expect(await answers().lookUp(OF, async () => undefined, inLog)).toBe('from the log');
    expect(
      await answers().lookUp(
        OF,
        async () => undefined,
        async () => undefined,
      ),
    ).toBeUndefined();
  });

  it('while the read models are away, then the log answers, and they are not asked by everyone', async () => {
    const log = answers();
    let asked = 0;
    const away = async () => {
      asked += 1;
      throw unavailable('away');
    };
    for (let index = 0; index < 5; index += 1) expect(await log.lookUp(OF, away, inLog)).toBe('from the log');
    expect(asked).toBe(1);
  });

  it('given a projection that is behind what was answered, then the log answers in place of what it knows', async () => {
    expect(await answers('access').lookUp(OF, async () => 'stale', inLog)).toBe('from the log');
    expect(await answers('keys').lookUp(OF, async () => 'known', inLog)).toBe('known');
  });

  it('given another failure of the read models, then it is told', async () => {
    const refused = () => Promise.reject(illegalState('refused'));
    await expect(answers().lookUp(OF, refused, inLog)).rejects.toMatchObject({ code: 'illegal_state' });
  });
});
