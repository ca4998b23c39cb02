// Takes the place of a service's projections in the thread that runs them: each waits while a file of its name is there.
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const { searchParams } = new URL(import.meta.url);
const { url, relayed, projections: made } = await import(searchParams.get('of'));

export { relayed, url };

export async function projections(deps) {
  const all = await made(deps);
  for (const projection of all) {
    const prepare = projection.prepare?.bind(projection);
    projection.prepare = async (events) => {
      while (existsSync(`${searchParams.get('folder')}/${projection.name}`)) await delay(5);
      return prepare?.(events);
    };
  }
  return all;
}
