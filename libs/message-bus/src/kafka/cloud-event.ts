import type { IHeaders, KafkaMessage } from 'kafkajs';
import type { Message } from '#contracts';

/** A record to send. */
export interface OutgoingRecord {
  key: string;
  value: string;
  headers: Record<string, string>;
}

/** The group that a replayed message is meant for; the others pass it over. */
export const REPLAY_GROUP_HEADER = 'tenantry_replay_group';

/** Of a dead letter: what was given up, where it stood and why. */
export const ORIGIN_HEADERS = {
  topic: 'origin_topic',
  partition: 'origin_partition',
  offset: 'origin_offset',
  group: 'origin_group',
  readable: 'origin_readable',
  error: 'error_code',
  attempts: 'attempts',
} as const;

/** CloudEvents 1.0 in binary mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md */
export function toRecord(message: Message<object>, headers: Record<string, string> = {}): OutgoingRecord {
  return {
    key: message.subject,
    value: JSON.stringify(message.data),
    headers: {
      ce_specversion: '1.0',
      ce_id: message.id,
      ce_type: message.type,
      ce_source: message.source,
      ce_subject: message.subject,
      ce_time: message.time,
      ce_correlationid: message.correlationId,
      ce_causationid: message.causationId,
      'content-type': 'application/json',
      ...headers,
    },
  };
}

/** The text of a header; undefined when it is missing or given several times. */
export function header(headers: IHeaders | undefined, name: string): string | undefined {
  const value = headers?.[name];
  return value === undefined || Array.isArray(value) ? undefined : value.toString();
}

/** Undefined when it is no CloudEvent with JSON data and all attributes that Tenantry's messages have. */
export function toMessage({ headers, value }: KafkaMessage): Message<object> | undefined {
  const id = header(headers, 'ce_id');
  const type = header(headers, 'ce_type');
  const source = header(headers, 'ce_source');
  const subject = header(headers, 'ce_subject');
  const time = header(headers, 'ce_time');
  const correlationId = header(headers, 'ce_correlationid');
  const causationId = header(headers, 'ce_causationid');
  const data = parseObject(value);
  if (!(id && type && source && subject && time && correlationId && causationId && data)) return undefined;
  return { id, type, source, subject, time, correlationId, causationId, data };
}

/** What is known of a record that is no message, in the shape of one. Its value is not taken over. */
export function shellOf(record: KafkaMessage, place: string): Message<object> {
  const { headers, key, timestamp } = record;
  // Its own id, if it has one, may be another message's too.
  const id = place;
  return {
    id,
    type: header(headers, 'ce_type') || 'unreadable',
    source: header(headers, 'ce_source') || '/unknown',
    subject: header(headers, 'ce_subject') || key?.toString() || id,
    time: new Date(Number(timestamp)).toISOString(),
    correlationId: header(headers, 'ce_correlationid') || id,
    causationId: header(headers, 'ce_causationid') || id,
    data: {},
  };
}

function parseObject(value: Buffer | null): object | undefined {
  try {
    const parsed: unknown = JSON.parse(value?.toString() ?? '');
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
