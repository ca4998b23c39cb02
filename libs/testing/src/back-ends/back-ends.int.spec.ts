import { expect, it } from '@jest/globals';
import { Kafka, logLevel } from 'kafkajs';
import { Client } from 'pg';
import { onOwnKafka, onOwnPostgres } from './on-back-end.js';

await onOwnKafka({ secured: true }, ({ brokers, kill, restart, security, version }) => {
  const kafka = (user: { username: string; password: string }): Kafka =>
    new Kafka({
      brokers,
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
      ssl: { ca: [security?.ca ?? ''] },
      sasl: { mechanism: 'plain', ...user },
    });

  it(`given Kafka ${version} of our own, when its broker is killed and restarted, then its topics are still there`, async () => {
    if (!security) throw new Error('asked for');
    const [before, after] = [kafka(security.admin).admin(), kafka(security.admin).admin()];
    await before.connect();
    await before.createTopics({ topics: [{ topic: 'kept' }] });
    await before.disconnect();
    await kill(0);
    await expect(after.connect()).rejects.toThrow(/ECONNREFUSED/);
    await restart(0);
    await after.connect();
    expect(await after.listTopics()).toContain('kept');
    await after.disconnect();
  });

  it('given a user without rights or a wrong password, then the broker refuses', async () => {
    if (!security) throw new Error('asked for');
    const guest = kafka(security.guest).admin();
    await guest.connect();
    await expect(guest.createTopics({ topics: [{ topic: 'refused' }] })).rejects.toMatchObject({
      errors: [{ type: 'TOPIC_AUTHORIZATION_FAILED' }],
    });
    await guest.disconnect();
    const wrong = kafka({ ...security.guest, password: 'wrong' }).admin();
    await expect(wrong.connect()).rejects.toThrow(/Authentication failed/i);
  });
});

await onOwnPostgres(({ url, kill, restart, version }) => {
  it(`given PostgreSQL ${version} of our own, when it is killed and restarted, then its rows are still there`, async () => {
    const run = async (sql: string): Promise<unknown[]> => {
      const client = new Client(url);
      await client.connect();
      try {
        return (await client.query(sql)).rows;
      } finally {
        await client.end();
      }
    };
    await run('create table kept as select 1 as one');
    await kill();
    await expect(run('select 1')).rejects.toThrow(/ECONNREFUSED/);
    await restart();
    expect(await run('select * from kept')).toEqual([{ one: 1 }]);
  });
});
