import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Move } from './protocol.js';
import { RemoteProjections } from './remote-projections.js';
import type { Storage } from './storage.js';

type Round = Parameters<Parameters<Storage['onRound']>[0]>[0];

/** Tells of rounds as the storage's thread does. The log was at position 10 when it was opened. */
class Rounds {
  readonly head = 10;
  private listener: (round: Round) => void = () => undefined;

  onRound(listener: (round: Round) => void): void {
    this.listener = listener;
  }

  move(position: bigint, state: Move['state'], told: Partial<Move> = {}): void {
    const move = { name: 'accounts', position, state, changed: false, replaced: false, ...told };
    this.listener({ kind: 'round', answers: [], refusals: [], moves: [move], rebuilds: [], heads: [] });
  }
}

describe('projections that the storage runs', () => {
  let rounds: Rounds;
  let projections: RemoteProjections;
  let told: string[];

  beforeEach(() => {
    rounds = new Rounds();
    told = [];
    projections = new RemoteProjections(
      rounds as unknown as Storage,
      (_, replaced) => void told.push(replaced ? 'replaced' : 'changed'),
      () => void told.push('reopened'),
    );
  });

  const refusal = () => {
    try {
      return void projections.requireReadable('accounts');
    } catch (error) {
      return (error as Error).message;
    }
  };

  it('given one that nobody has told of, then it is not found', () => {
    expect(() => projections.requireReadable('accounts')).toThrow('projection not found');
    expect(() => projections.areCurrent(['accounts'])).toThrow('projection not found');
  });

  it('given one that is behind where the log was, then it is refused with how far it is until it has come there', async () => {
    rounds.move(4n, 'starting');
    expect(refusal()).toBe('accounts is being built: 40 % of the log is read');
    expect(await projections.settle('accounts', 3n, 60_000)).toBe(false);
    expect(await projections.waitForAll(12n, 60_000, { served: true })).toBe(true);
    rounds.move(10n, 'running');
    expect([refusal(), projections.areCurrent(['accounts'])]).toEqual([undefined, true]);
  });

  it('given a write that it was not waited for, then it is refused until it has passed that', async () => {
    rounds.move(10n, 'running');
    expect(await projections.settle('accounts', 12n, 0)).toBe(false);
    expect(refusal()).toBe('accounts has not come to what was answered before');
    expect(projections.areCurrent(['accounts'])).toBe(false);
    const waiting = projections.waitFor('accounts', 12n, 60_000);
    rounds.move(12n, 'running');
    expect([await waiting, refusal()]).toEqual([true, undefined]);
  });

  it('given that it fails, then whoever waits is told at once, and it is refused until its tables are others', async () => {
    rounds.move(10n, 'running');
    const waiting = projections.settle('accounts', 12n, 60_000);
    rounds.move(11n, 'failed');
    expect([await waiting, refusal()]).toEqual([
      false,
      'accounts has stopped at an event that it cannot apply',
    ]);
    rounds.move(11n, 'starting', { replaced: true });
    expect(refusal()).toBe('accounts has not come to what was answered before');
    rounds.move(12n, 'running');
    expect([refusal(), await projections.waitFor('accounts', 12n, 0)]).toEqual([undefined, true]);
    expect(told).toEqual(['reopened', 'replaced']);
  });

  it('given tables that have lost what they had, then they are being built', () => {
    rounds.move(12n, 'running', { changed: true });
    rounds.move(5n, 'running');
    expect(refusal()).toBe('accounts is being built: 50 % of the log is read');
    expect(told).toEqual(['changed']);
  });
});
