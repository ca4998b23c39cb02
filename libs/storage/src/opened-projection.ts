import { constants, setPriority } from 'node:os';
import type { JsonObject } from '#kernel';
import { LogReader } from '#worker/event-store';
import { KeyReader, Sealer, SubjectKeyReader } from '#worker/privacy';
import type { AnyProjection, ProjectionDeps, ProjectionModule } from '#worker/projections';
import type { BuildOptions } from './build-protocol.js';

/** What projections are made with where the keys are in files. `opened` has texts that need not be opened, as JSON. */
export function fileDeps(
  keys: SubjectKeyReader,
  opened: ReadonlyMap<string, string> = new Map(),
): ProjectionDeps {
  const sealer = new Sealer(keys);
  return {
    dialect: 'sqlite',
    open: (sealed, stream) => {
      const clear = opened.get(sealed);
      if (clear !== undefined) return Promise.resolve(JSON.parse(clear) as JsonObject);
      return sealer.openOrNull(sealed, stream, { remember: false });
    },
    secret: (name) => keys.secret(name),
  };
}

/** A projection in a thread that makes its tables, with the log to make them from. Everything else goes first. */
export async function openProjection(
  options: BuildOptions,
): Promise<{ projection: AnyProjection; reader: LogReader }> {
  // On Linux it is the thread's own.
  if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  // Destroyed keys are not told of here, so none is kept.
  const keys = new SubjectKeyReader(new KeyReader(options.keys, { together: true }), options.masterKey, {
    keysInMemory: 0,
  });
  for (const url of options.modules) {
    const module = (await import(url)) as ProjectionModule;
    const projections = await module.projections(fileDeps(keys));
    const projection = projections.find(({ name }) => name === options.projection);
    if (projection) return { projection, reader: new LogReader(options.log) };
  }
  throw new Error(`no module has the projection ${options.projection}`);
}
