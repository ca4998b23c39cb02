import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BackEndMissing, hasProgram, runProgram } from './child.js';

const POM = 'scripts/kafka/pom.xml';
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;

export interface KafkaJars {
  version: string;
  folder: string;
}

/**
 * Apache Kafka's jars with what they need, from Maven's repositories the first time and from `.cache/` after that.
 * The working directory is the repository's root.
 */
export async function kafkaJars(): Promise<KafkaJars> {
  const version = /<kafka\.version>(.+?)</.exec(readFileSync(POM, 'utf8'))?.[1];
  if (!version) throw new Error(`${POM} names no kafka.version`);
  for (const program of ['java', 'mvn']) {
    if (!(await hasProgram(program))) throw new BackEndMissing(`no ${program} on this machine`);
  }
  const folder = resolve('.cache', `kafka-${version}`);
  if (!existsSync(folder)) await download(folder);
  return { version, folder };
}

/** Whole or not at all, also when several processes download at once. */
async function download(folder: string): Promise<void> {
  const draft = `${folder}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${draft}`];
  try {
    await runProgram(['mvn', '-B', '-q', '-f', join('.', POM), ...goal], { timeout: DOWNLOAD_TIMEOUT_MS });
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (existsSync(folder)) return;
    throw new BackEndMissing("Apache Kafka's jars could not be resolved with Maven", { cause: error });
  }
}
