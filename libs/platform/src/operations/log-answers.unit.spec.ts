import { describe, expect, it } from '@jest/globals';
import type { EventStore } from '#event-store';
import { illegalState, unavailable } from '#kernel';
import { LogAnswers } from './log-answers.js';

const answers = () => new LogAnswers({} as EventStore);
const inLog = async () => 'from the log';

describe('LogAnswers', () => {
  it('given what the read models know, then the log is not asked', async () => {
    const refused = () => Promise.reject(new Error('the log was asked'));
    expect(await answers().lookUp(async () => 'known', refused)).toBe('known');
  });

  it('given what the read models do not know, then the log tells whether it is there', async () => {
    expect(await answers().lookUp(async () => undefined, inLog)).toBe('from the log');
    expect(
      await answers().lookUp(
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
    for (let index = 0; index < 5; index += 1) expect(await log.lookUp(away, inLog)).toBe('from the log');
    expect(asked).toBe(1);
  });

  it('given another failure of the read models, then it is told', async () => {
    const refused = () => Promise.reject(illegalState('refused'));
    await expect(answers().lookUp(refused, inLog)).rejects.toMatchObject({ code: 'illegal_state' });
  });
});
