import { Kafka, logLevel } from 'kafkajs';
import { newId } from '#kernel';
import {
  describeMessageBus,
  kafkaTestOptions,
  type MessageBusHarness,
  onKafka,
  SeverableNetwork,
} from '#testing';
import { KafkaBus } from './kafka-bus.js';

await onKafka(({ setting, origin }) => {
  async function kafka(): Promise<MessageBusHarness> {
    const opened: KafkaBus[] = [];
    const options = kafkaTestOptions(setting);
    let network = new SeverableNetwork();
    const open = async (groupPrefix: string): Promise<KafkaBus> => {
      const bus = await KafkaBus.open({ ...options, groupPrefix, socketFactory: network.open });
      opened.push(bus);
      return bus;
    };
    let groupPrefix = options.prefix;
    return {
      bus: await open(groupPrefix),
      topic: `topic-${newId()}`,
      maxAttempts: options.retry.maxAttempts,
      reopen: async () => {
        await opened.at(-1)?.close();
        return open(groupPrefix);
      },
      // The one that was open stays in its groups until the brokers miss it; copies of these, with the offsets
      // saved so far, go on.
      crash: async () => {
        network.sever();
        network = new SeverableNetwork();
        const [before, after] = [groupPrefix, `${newId()}.`];
        groupPrefix = after;
        await copyGroups(setting, before, after);
        return open(after);
      },
      dispose: async () => {
        await Promise.all(opened.map((bus) => bus.close()));
      },
    };
  }

  // Each history joins and leaves groups many times, which takes seconds.
  describeMessageBus(origin, kafka, { histories: 3 });
});

async function copyGroups(brokers: string, before: string, after: string): Promise<void> {
  const admin = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const { groups } = await admin.listGroups();
  for (const { groupId } of groups.filter((group) => group.groupId.startsWith(before))) {
    for (const { topic, partitions } of await admin.fetchOffsets({ groupId })) {
      const saved = partitions.filter(({ offset }) => offset !== '-1');
      const copy = groupId.replace(before, after);
      if (saved.length > 0) await admin.setOffsets({ groupId: copy, topic, partitions: saved });
    }
  }
  await admin.disconnect();
}
