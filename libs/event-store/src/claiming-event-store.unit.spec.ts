import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Identifier, invalidInput, type NewEvent, newId, unavailable } from '#kernel';
import { InMemoryEventStore } from '#testing';
import { ClaimingEventStore, type ClaimRegistry, type Holders } from './claiming-event-store.js';
import { type EventStore, IdentifierTaken, RevisionConflict } from './event-store.js';

const named = (value: string): Identifier => ({ kind: 'user.username', scope: 'tenant', value });
const giving = (username: string | null): NewEvent => ({
  id: newId(),
  type: 'named',
  at: '2030-01-01T00:00:00.000Z',
  data: { username },
  metadata: {
    platformId: null,
    tenantId: null,
    actor: { type: 'system', id: 'test' },
    correlationId: 'c',
    causationId: 'c',
  },
});
const ended: NewEvent = { ...giving(null), type: 'ended' };

/** Rows by value. */
class Rows implements ClaimRegistry {
  readonly rows = new Map<string, { holder: string; revision: number }>();

  claim: ClaimRegistry['claim'] = async (identifiers, claim) => {
    for (const identifier of identifiers) {
      const row = this.rows.get(identifier.value);
      if (row && row.holder !== claim.holder) return { ...row, identifier };
    }
    for (const { value } of identifiers) this.rows.set(value, claim);
    return undefined;
  };

  keysOf: ClaimRegistry['keysOf'] = async () => {
    throw new Error('the log in memory takes no claims');
  };

  release: ClaimRegistry['release'] = async (identifiers, { holder, revision }) => {
    for (const { value } of identifiers) {
      const row = this.rows.get(value);
      if (row?.holder === holder && row.revision <= revision) this.rows.delete(value);
    }
  };

  releaseHolder: ClaimRegistry['releaseHolder'] = async (holder) => {
    for (const [value, row] of this.rows) if (row.holder === holder) this.rows.delete(value);
  };
}

describe('ClaimingEventStore', () => {
  let log: InMemoryEventStore;
  let registry: Rows;
  let store: ClaimingEventStore;

  const holders: Holders = {
    async standing({ value }, holder) {
      const last = (await log.read(`user-${holder}`)).at(-1);
      if (last?.type === 'ended') return 'ended';
      return last?.data.username === value ? 'holds' : 'open';
    },
    async fence(_, holder) {
      const revision = (await log.read(`user-${holder}`)).length;
      await log.append(`user-${holder}`, revision === 0 ? 'no_stream' : revision - 1, [giving(null)]);
      return revision;
    },
  };
  const open = (exclusive = true, inner: EventStore = log): ClaimingEventStore => {
    const opened = new ClaimingEventStore(Object.assign(inner, { exclusive }), registry);
    opened.answerFor(['user.username'], holders);
    return opened;
  };
  const create = (holder: string, value: string, by = store) =>
    by.append(`user-${holder}`, 'no_stream', [giving(value)], { claims: [named(value)] });
  const rename = (holder: string, revision: number, value: string, by = store) =>
    by.append(`user-${holder}`, revision, [giving(value)], { claims: [named(value)] });
  const failing = (error: Error) => jest.spyOn(log, 'append').mockRejectedValueOnce(error);
  const holderOf = (value: string) => registry.rows.get(value)?.holder;

  beforeEach(() => {
    log = new InMemoryEventStore();
    registry = new Rows();
    store = open();
  });

  it('given a free value, then its holder has it with the event; and without claims nothing is asked', async () => {
    expect(await create('one', 'ann')).toMatchObject({ revision: 0 });
    expect(registry.rows.get('ann')).toEqual({ holder: 'one', revision: 0 });
    await rename('one', 0, 'bob');
    expect(registry.rows.get('bob')).toEqual({ holder: 'one', revision: 1 });
    registry.claim = () => Promise.reject(new Error('asked'));
    expect(await store.append('user-two', 'no_stream', [giving(null)])).toMatchObject({ revision: 0 });
  });

  it('given a value that another holds, then nothing is appended, and the error tells who, not what', async () => {
    await create('one', 'ann');
    const taken = create('two', 'ann');
    await expect(taken).rejects.toThrow(new IdentifierTaken('user.username', 'one'));
    await expect(taken).rejects.not.toThrow('ann');
    expect(await log.read('user-two')).toEqual([]);
  });

  it('given what a failed append claimed, then it is free, unless the log gave it to the holder', async () => {
    await create('one', 'ann');
    await expect(rename('one', 7, 'bob')).rejects.toThrow(RevisionConflict);
    expect(holderOf('bob')).toBeUndefined();
    await expect(create('one', 'ann')).rejects.toThrow(RevisionConflict);
    expect(holderOf('ann')).toBe('one');
    failing(invalidInput('events', 'are too large'));
    await expect(create('two', 'cat')).rejects.toMatchObject({ kind: 'invalid_input' });
    expect(holderOf('cat')).toBeUndefined();
  });

  it('given an append whose outcome is not known, then it keeps its claim until the next one takes that over', async () => {
    failing(unavailable('away'));
    await expect(create('one', 'ann')).rejects.toMatchObject({ kind: 'unavailable' });
    expect(holderOf('ann')).toBe('one');
    await create('two', 'ann');
    expect(holderOf('ann')).toBe('two');
    await expect(create('one', 'ann')).rejects.toThrow(IdentifierTaken);
  });

  it('given an append under way here, then the next one waits for what becomes of it', async () => {
    const outcomes = await Promise.allSettled(['one', 'two', 'three'].map((holder) => create(holder, 'ann')));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await log.head()).toBe(1n);
  });

  it('given a holder that has ended, then all that it claimed is free at once', async () => {
    await create('one', 'ann');
    registry.rows.set('left', { holder: 'one', revision: 9 });
    await log.append('user-one', 0, [ended]);
    const fence = jest.spyOn(holders, 'fence');
    await create('two', 'ann', open(false));
    expect([...registry.rows]).toEqual([['ann', { holder: 'two', revision: 0 }]]);
    expect(fence).not.toHaveBeenCalled();
    fence.mockRestore();
  });

  it('given two that each left a claim which the other wants, then neither waits for the other for ever', async () => {
    registry.rows.set('ann', { holder: 'two', revision: 0 }).set('bob', { holder: 'one', revision: 0 });
    const both = [create('one', 'ann'), create('two', 'bob')];
    expect(await Promise.all(both)).toMatchObject([{ revision: 0 }, { revision: 0 }]);
    expect([holderOf('ann'), holderOf('bob')]).toEqual(['one', 'two']);
  });

  describe('where other processes write to the log', () => {
    /** Claims as another process does, and appends when it is told to. */
    const slowly = (append: (by: ClaimingEventStore) => Promise<unknown>) => {
      const go = Promise.withResolvers<void>();
      const claimed = Promise.withResolvers<void>();
      const slow: Pick<EventStore, 'append'> = {
        append: async (stream, expected, events) => {
          claimed.resolve();
          await go.promise;
          return log.append(stream, expected, events);
        },
      };
      const end = append(open(false, slow as EventStore));
      end.catch(() => undefined);
      return { claimed: claimed.promise, go: go.resolve, end };
    };

    it.each([
      ['create', (by: ClaimingEventStore) => create('new', 'bob', by)],
      ['rename', (by: ClaimingEventStore) => rename('one', 0, 'bob', by)],
    ])('given a %s that is slow elsewhere, then its value is taken, and it is refused', async (_, append) => {
      await create('one', 'ann');
      const slow = slowly(append);
      await slow.claimed;
      await create('two', 'bob', open(false));
      slow.go();
      await expect(slow.end).rejects.toThrow(RevisionConflict);
      expect(holderOf('bob')).toBe('two');
      expect((await log.read('user-one')).at(-1)?.data.username).not.toBe('bob');
    });

    it('given one that comes to its end before it is fenced, then it keeps its value', async () => {
      await create('one', 'ann');
      const slow = slowly((by) => rename('one', 0, 'bob', by));
      await slow.claimed;
      const fence = jest.spyOn(holders, 'fence').mockImplementationOnce(async () => {
        slow.go();
        await slow.end;
        return 1;
      });
      await expect(create('two', 'bob', open(false))).rejects.toThrow(IdentifierTaken);
      expect(holderOf('bob')).toBe('one');
      fence.mockRestore();
    });
  });
});
