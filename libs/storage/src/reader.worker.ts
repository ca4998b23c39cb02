// Runs in a worker thread: it answers what takes long to read, so that the event loop never waits for it.
import { parentPort, workerData } from 'node:worker_threads';
import { LogReader, pageRange } from '#worker/event-store';
import { KeyReader, PersonalDataCodec, Sealer, SubjectKeyReader } from '#worker/privacy';
import { LocalQueries, type ProjectionModule, RemoteReadFolder } from '#worker/projections';
import { fileDeps } from './opened-projection.js';
import { plainError } from './plain-error.js';
import type { Question, ReaderOptions, ReaderReport } from './reader-protocol.js';

const port = parentPort;
if (!port) throw new Error('reader.worker runs as a worker thread');
/** Bytes are moved to the other thread, not copied. */
const tell = (report: ReaderReport): void => {
  const isBytes = report.kind === 'answer' && report.given instanceof Uint8Array;
  port.postMessage(report, isBytes ? [(report.given as Uint8Array<ArrayBuffer>).buffer] : []);
};

const { folder, keys, log, masterKey, modules } = workerData as ReaderOptions;
const database = new RemoteReadFolder(folder, {
  run: () => Promise.reject(new Error('this thread only reads')),
});
const keyFile = new KeyReader(keys, { together: true });
const logFile = new LogReader(log);
// Destroyed keys are not told of here, so none is kept.
const subjectKeys = new SubjectKeyReader(keyFile, masterKey, { keysInMemory: 0 });

const queries = await LocalQueries.make(
  await Promise.all(modules.map((url) => import(url) as Promise<ProjectionModule>)),
  {
    ...fileDeps(subjectKeys),
    database,
    log: { read: async (stream, range = {}) => logFile.readStream(stream, pageRange(range)) },
    codec: new PersonalDataCodec(new Sealer(subjectKeys)),
    failed: (error) => tell({ kind: 'failed', error: plainError(error) }),
  },
);

async function take(question: Question): Promise<void> {
  if (question.kind === 'close') {
    await queries.close();
    await database.close();
    keyFile.close();
    logFile.close();
    port?.close();
  } else if (question.kind === 'replaced') {
    database.replaced(question.projection);
    queries.replaced(question.projection);
  } else {
    const { number, name, asked } = question;
    await queries.ask('', name, asked).then(
      (given) => tell({ kind: 'answer', number, given }),
      (error) => tell({ kind: 'refusal', number, error: plainError(error) }),
    );
  }
}

port.on('message', (questions: Question[]) => {
  for (const question of questions) {
    take(question).catch((error) => tell({ kind: 'failed', error: plainError(error) }));
  }
});
