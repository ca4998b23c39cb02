import { newId } from '#kernel';
import type { KafkaBusOptions } from '#message-bus';

/** Options with names that nobody else has, and short waits. */
export function kafkaTestOptions(brokers: string) {
  return {
    brokers: brokers.split(','),
    clientId: 'tenantry-test',
    prefix: `${newId()}.`,
    partitions: 3,
    retentionMs: 60 * 60 * 1_000,
    logger: { warn: () => undefined, error: () => undefined },
    retry: { maxAttempts: 4, firstDelayMs: 1, maxDelayMs: 4 },
    sessionTimeoutMs: 6_000,
    maxWaitMs: 100,
  } satisfies KafkaBusOptions;
}
