import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { ReadDatabase } from '#projections';
import { describeOnReadDatabases } from '#testing';
import { CopyTable } from './copy-table.js';

await describeOnReadDatabases('the table of copies', ({ open }) => {
  let database: ReadDatabase;

  beforeEach(async () => {
    database = await open();
  });
  afterEach(() => database.close());

  it('given many changes of one thing at once, by two who share it, then each is made of the one before', async () => {
    const tables = [new CopyTable(database), new CopyTable(database)];
    await tables[0]?.create();
    const changes = Array.from({ length: 40 }, (_, number) =>
      tables[number % 2]?.update('user', 'one', (known) => {
        const { numbers = [] } = (known?.data ?? {}) as { numbers?: number[] };
        if (numbers.includes(number)) return undefined;
        const revision = (known?.revision ?? -1) + 1;
        return { kind: 'user', id: 'one', revision, data: { numbers: [...numbers, number] } };
      }),
    );
    await Promise.all(changes);
    const copy = await tables[0]?.find('user', 'one');
    const { numbers } = (copy?.data ?? { numbers: [] }) as { numbers: number[] };
    expect(copy?.revision).toBe(39);
    expect(numbers.sort((one, other) => one - other)).toEqual(changes.map((_, number) => number));
  });

  it('given that nothing is to be changed, then nothing is', async () => {
    const table = new CopyTable(database);
    await table.create();
    const copy = { kind: 'tenant' as const, id: 'one', revision: 3, data: null };
    await table.update('tenant', 'one', () => copy);
    await table.update('tenant', 'one', () => undefined);
    await table.update('tenant', 'one', () => copy);
    expect(await table.find('tenant', 'one')).toEqual(copy);
    expect(await table.find('tenant', 'two')).toBeUndefined();
  });
});
