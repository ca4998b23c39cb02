// The first search after a start, in a tenant of each size, and those after it.
import { any, prefix, ROLES } from '../people.mjs';
import { searchWhenReady } from '../prepare.mjs';
import { measureReads } from './steady.mjs';

export async function search(installation, options) {
  const rows = [];
  for (const tenant of ['middle', 'large']) {
    process.stderr.write(`the first search in the ${tenant} tenant … `);
    await installation.restart();
    const client = installation.clientOf(tenant === 'middle' ? installation.state.middle : undefined);
    const first = await searchWhenReady(client);
    const { total } = await client.get('/v1/users?limit=1');
    const of = { tenant, users: total, first_ms: first.ms, refused: first.refused, told: first.told };
    for (const [later, filter] of [
      ['later ones', () => ''],
      ['later ones with a role', () => `&role=${any(ROLES)}`],
    ]) {
      const read = () => client.get(`/v1/users?limit=20&q=${prefix()}${filter()}`);
      const { service } = installation;
      rows.push({ ...of, search: later, ...(await measureReads({ service, client }, options, read)) });
    }
    client.close();
  }
  process.stderr.write('\n');
  return rows;
}
