// Runs in a worker thread: it makes a projection's tables from the log, so that no other thread does.
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '#kernel';
import { LogFeed } from '#worker/event-store';
import { buildingFile, FileBuild } from '#worker/projections';
import type { BuildOptions, BuildReport, BuildStep } from './build-protocol.js';
import { InstallationRow } from './installation.js';
import { openProjection } from './opened-projection.js';
import { plainError } from './plain-error.js';
import { Preparer } from './preparer.js';

/** A page of the log. */
const EVENTS_PER_TRANSACTION = 1_024;

const port = parentPort;
if (!port) throw new Error('build.worker runs as a worker thread');
const tell = (report: BuildReport): void => port.postMessage(report);
const options = workerData as BuildOptions;
const { live, installation } = options;
const { projection, reader } = await openProjection(options);
const prepareHere = projection.prepare?.bind(projection);
if (prepareHere) {
  const preparer = new Preparer(options, prepareHere);
  projection.prepare = (events) => preparer.prepare(events);
}
const fail = (error: unknown): void => {
  throw error;
};
const build = new FileBuild(
  {
    projection,
    store: (to) => new LogFeed(reader, Number(to), fail),
    eventsPerTransaction: EVENTS_PER_TRANSACTION,
  },
  {
    live: { path: live, replace: () => Promise.reject(new Error('this thread only builds')) },
    clock: systemClock,
  },
);

/** So that another installation never takes it for its own. */
function bind(): void {
  if (installation === undefined) return;
  const database = new DatabaseSync(buildingFile(live));
  new InstallationRow(database, installation);
  database.close();
}

async function take(step: BuildStep): Promise<bigint | number | undefined> {
  switch (step.kind) {
    case 'begin': {
      const position = await build.begin(step.limit);
      bind();
      return position;
    }
    case 'advance':
      await build.advance(step.to, (position, events) => tell({ kind: 'progress', position, events }));
      return undefined;
    case 'compare':
      return build.countDifferences();
    case 'close':
      await build.close(true);
      return undefined;
  }
}

port.on('message', (step: BuildStep) => {
  take(step).then(
    (answer) => tell({ kind: 'done', answer }),
    (error) => tell({ kind: 'failed', error: plainError(error) }),
  );
});
