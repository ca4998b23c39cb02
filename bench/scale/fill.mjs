// The tenants that everything else is measured in, and what their users take on disk.
import { fill } from '../prepare.mjs';

const MIDDLE_TENANT = 100_000;

export async function fillTenants(installation, { users }) {
  await installation.restart();
  if (!installation.state.middle) {
    const { id } = await installation.client.post('/v1/tenants', { name: 'middle' });
    installation.remember({ middle: id });
  }
  const middle = {
    tenantId: installation.state.middle,
    wanted: Math.min(MIDDLE_TENANT, Math.ceil(users / 10)),
  };
  const isFilled = [
    await fillTenant(installation, { tenant: 'large', wanted: users }),
    await fillTenant(installation, { tenant: 'middle', ...middle }),
  ].some(Boolean);
  await installation.stop();
  if (isFilled) installation.remember({ disk: diskUse(installation) });
  return Object.values(installation.state.fills);
}

/** Makes the users that are missing; false where none are. */
async function fillTenant(installation, { tenant, tenantId, wanted }) {
  const client = installation.clientOf(tenantId);
  const { total } = await client.get('/v1/users?limit=1');
  client.close();
  // Each tenant's default user is one of the total.
  const there = total - 1;
  if (there >= wanted) return false;
  const task = { count: wanted - there, firstNumber: there, tenantId, title: `the ${tenant} tenant` };
  const { requests, seconds, p99_ms, event_loop_p99_ms } = await fill(installation.service, task);
  const figures = { made: requests, seconds, users_per_second: requests / seconds };
  const row = { tenant, users: wanted, ...figures, create_p99_ms: p99_ms, event_loop_p99_ms };
  installation.remember({ fills: { ...installation.state.fills, [tenant]: row } });
  return true;
}

/** What the files of the data dir take after the service has stopped, when its write-ahead logs are in them. */
function diskUse(installation) {
  const users = Object.values(installation.state.fills).reduce((sum, row) => sum + row.users, 0);
  const files = installation.files();
  const all = files.reduce((sum, { bytes }) => sum + bytes, 0);
  return [...files, { name: 'all', bytes: all }]
    .map(({ name, bytes }) => ({ file: name, mib: bytes / 2 ** 20, bytes_per_user: bytes / users }))
    .filter(({ bytes_per_user }) => bytes_per_user >= 1);
}
