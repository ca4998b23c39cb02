import type { ISocketFactory } from 'kafkajs';
import type { Clock } from '#kernel';
import type { BusLogger } from '../bus-logger.js';
import type { RetryPolicy } from '../retry-policy.js';
import type { BusRefusal } from './bus-refusal.js';

export const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** How to reach the brokers and how topics are made there. */
export interface KafkaSettings {
  /** `host:port` of one broker or more. */
  brokers: readonly string[];
  clientId: string;
  /** TLS; with `ca`, certificates (PEM) that are trusted instead of the system's. */
  ssl?: { ca?: string } | undefined;
  sasl?: { mechanism: (typeof SASL_MECHANISMS)[number]; username: string; password: string } | undefined;
  /** Stands before the names of topics and consumer groups. */
  prefix: string;
  /** Of topics that are made here; the others are left as they are. */
  partitions: number;
  /** Copies of each topic made here; the brokers' own default when left out. */
  replicationFactor?: number | undefined;
  /** How long messages are kept in topics made here; dead letters are kept for at least 90 days. */
  retentionMs: number;
}

export interface KafkaBusOptions extends KafkaSettings {
  clock?: Clock;
  logger?: BusLogger;
  retry?: RetryPolicy;
  /** Told what the brokers refuse after the start, once each time it begins. */
  onRefused?: (refusal: BusRefusal) => void;
  /** Stands before the names of groups in place of `prefix`. */
  groupPrefix?: string;
  /** After how long a consumer that has fallen silent loses its partitions. */
  sessionTimeoutMs?: number;
  /** How long a broker may hold a request for messages that are not there yet; closing waits for it. */
  maxWaitMs?: number;
  /** Opens the connections to the brokers, as through a proxy. */
  socketFactory?: ISocketFactory;
}

/** What every part of the adapter works with. */
export type KafkaParts = Required<Pick<KafkaBusOptions, 'clock' | 'logger' | 'retry'>>;
