import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { newId } from '#kernel';
import { describeMessageBus, type MessageBusHarness, openEmbeddedBus } from '#testing';
import type { EmbeddedBus } from './embedded-bus.js';

const silent = { warn: () => undefined, error: () => undefined };
const retry = { maxAttempts: 4, firstDelayMs: 1, maxDelayMs: 4 };

async function embedded(): Promise<MessageBusHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-bus-'));
  const opened: EmbeddedBus[] = [];
  let file = join(folder, 'bus.sqlite');
  const open = async (): Promise<EmbeddedBus> => {
    const bus = await openEmbeddedBus(file, { logger: silent, retry });
    opened.push(bus);
    return bus;
  };
  return {
    bus: await open(),
    topic: `topic-${newId()}`,
    maxAttempts: retry.maxAttempts,
    reopen: async () => {
      await opened.at(-1)?.close();
      return open();
    },
    crash: async () => {
      const left = new DatabaseSync(file);
      file = join(folder, `${newId()}.sqlite`);
      left.exec(`vacuum into '${file}'`);
      left.close();
      return open();
    },
    dispose: async () => {
      await Promise.all(opened.map((bus) => bus.close()));
      await rm(folder, { recursive: true });
    },
  };
}

describeMessageBus('embedded', embedded);
