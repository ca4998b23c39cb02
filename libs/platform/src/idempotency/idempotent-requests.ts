import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { EventStore } from '#event-store';
import {
  type Clock,
  derivedId,
  type ErrorDetails,
  type ErrorKind,
  isTenantryError,
  notFound,
  type RepeatableRequest,
  runRepeatably,
  TenantryError,
} from '#kernel';
import { blindIndex, decrypt, encrypt, IV_BYTES, type SubjectKeyStore } from '#privacy';
import type { ReadDatabase } from '#projections';
import { AppLogger } from '../operations/logger.js';
import { CLOCK, DURABLE_DATABASE, EVENT_STORE, KEY_STORE } from '../tokens.js';
import { type RequestRecord, RequestRecords } from './request-records.js';

const LIFETIME_MS = 24 * 60 * 60 * 1_000;
const SWEEP_INTERVAL_MS = 10 * 60 * 1_000;

export interface IdempotentRequest {
  /** Whose key it is: equal keys of others are other keys. */
  owner: readonly string[];
  key: string;
  /** What is asked for: method, URL and body. */
  asked: readonly string[];
  /** The user that it is about, where the path tells. */
  subjectId: string | null;
}

export interface Answer {
  status: number;
  headers: { [name: string]: string };
  /** As JSON carries it; absent where there is no body. */
  body?: unknown;
}

/** A refusal is an answer too, and is given again as one. */
type Outcome = Answer | { refused: { kind: ErrorKind; detail: string; details: ErrorDetails } };

/** What a request may be refused for when it did its work; for anything else it may be tried again. */
const FINAL_KINDS: readonly ErrorKind[] = ['not_found', 'duplicate_record', 'illegal_state'];

/**
 * Requests with an Idempotency-Key: each is durable before it takes effect and its answer before it is given, so
 * that it may be repeated for 24 hours, also after a crash in the middle. What it draws, its raw API keys among it,
 * the key that seals its answer and the digest that tells it from other requests follow from the service's secret, the
 * record and the Idempotency-Key, which is not stored: without the caller's own key nothing of it can be read, and no
 * guess at what was asked for can be tested.
 */
@Injectable()
export class IdempotentRequests implements OnModuleInit, OnModuleDestroy {
  private readonly records: RequestRecords;
  private readonly underWay = new Map<string, { fingerprint: string; end: Promise<void> }>();
  private secret: Uint8Array = new Uint8Array();
  private sweep: NodeJS.Timeout | undefined;

  constructor(
    @Inject(DURABLE_DATABASE) database: ReadDatabase,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
    @Inject(EVENT_STORE) private readonly log: Pick<EventStore, 'head'>,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly logger: AppLogger,
  ) {
    this.records = new RequestRecords(database, LIFETIME_MS);
  }

  async onModuleInit(): Promise<void> {
    this.secret = await this.keys.secret('idempotency');
    await this.records.createTable();
    await this.records.removeExpired(this.now());
    this.sweep = setInterval(() => {
      this.records.removeExpired(this.now()).catch((error) => this.logger.failure(error, {}));
    }, SWEEP_INTERVAL_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.sweep);
  }

  /**
   * Answers as the first of these requests did, or lets `work` answer. Throws what `work` throws, and `conflict`
   * with code `idempotency_conflict` when the key came with another request.
   */
  async run(request: IdempotentRequest, work: () => Promise<Answer>): Promise<Answer & { again: boolean }> {
    const { name, fingerprint } = this.named(request);
    for (let other = this.underWay.get(name); other; other = this.underWay.get(name)) {
      if (other.fingerprint !== fingerprint) throw otherRequest();
      await other.end;
    }
    const { promise: end, resolve } = Promise.withResolvers<void>();
    this.underWay.set(name, { fingerprint, end });
    try {
      const started = { name, fingerprint, subject_id: request.subjectId, started_at: this.now() };
      const record = await this.records.begin(started, () => this.log.head());
      if (record.fingerprint !== fingerprint) throw otherRequest();
      if (record.forgotten) throw notFound('user');
      if (record.answer !== null) return { ...this.recall(request.key, record, record.answer), again: true };
      return { ...(await this.answer(request, record, work)), again: false };
    } finally {
      this.underWay.delete(name);
      resolve();
    }
  }

  /** Throws `conflict` as `run` does, before anything of the request is looked at. */
  async refuseOther(request: IdempotentRequest): Promise<void> {
    const { name, fingerprint } = this.named(request);
    const known = this.underWay.get(name) ?? (await this.records.find({ name, started_at: this.now() }));
    if (known && known.fingerprint !== fingerprint) throw otherRequest();
  }

  /** Lets go of the answers about a user who was deleted. */
  forget(userId: string): Promise<void> {
    return this.records.forget(userId);
  }

  private async answer(
    { key, subjectId }: IdempotentRequest,
    record: RequestRecord & { isNew: boolean },
    work: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      const answer = await runRepeatably(this.repeatable(key, record), work);
      const made = (answer.body as { id?: unknown } | undefined)?.id;
      const subject = subjectId ?? (typeof made === 'string' ? made : null);
      await this.records.complete(record, subject, this.seal(key, record, answer));
      return answer;
    } catch (error) {
      if (isTenantryError(error)) await this.keepRefusal(key, record, error);
      throw error;
    }
  }

  private async keepRefusal(key: string, record: RequestRecord, error: TenantryError): Promise<void> {
    // The caller may mend the request and send it under the same key.
    if (error.kind === 'invalid_input') return this.records.remove(record);
    if (!FINAL_KINDS.includes(error.kind)) return;
    const { kind, message: detail, details } = error;
    const { cause: _, ...told } = details;
    const refused = { kind, detail, details: { ...told, code: error.code } };
    await this.records.complete(record, record.subject_id, this.seal(key, record, { refused }));
  }

  private repeatable(
    key: string,
    { nonce, started_at, position, isNew }: RequestRecord & { isNew: boolean },
  ): RepeatableRequest {
    let draws = 0;
    const draw = (length: number) => {
      const seed = this.derive('draw', nonce, key, String(draws++));
      return createHash('shake256', { outputLength: length }).update(seed).digest();
    };
    const id = derivedId(this.derive('cause', nonce));
    const [startedAt, positionAtBegin] = [Number(started_at), BigInt(position ?? 0)];
    return { id, startedAt, positionAtBegin, resumed: !isNew, draw };
  }

  private seal(key: string, record: RequestRecord, outcome: Outcome): string {
    const bytes = Buffer.from(JSON.stringify(outcome));
    return encrypt(this.answerKey(key, record), randomBytes(IV_BYTES), record.name, bytes).toString(
      'base64url',
    );
  }

  private recall(key: string, record: RequestRecord, answer: string): Answer {
    const bytes = decrypt(this.answerKey(key, record), record.name, Buffer.from(answer, 'base64url'));
    const outcome = JSON.parse(bytes.toString()) as Outcome;
    if (!('refused' in outcome)) return outcome;
    const { kind, detail, details } = outcome.refused;
    throw new TenantryError(kind, detail, details);
  }

  private answerKey(key: string, { nonce }: RequestRecord) {
    return createSecretKey(this.derive('answer', nonce, key));
  }

  private named({ owner, key, asked }: IdempotentRequest): { name: string; fingerprint: string } {
    return { name: this.digest('name', ...owner, key), fingerprint: this.digest('request', key, ...asked) };
  }

  private derive(...parts: string[]): Buffer {
    return blindIndex(this.secret, ...parts);
  }

  private digest(...parts: string[]): string {
    return this.derive(...parts).toString('hex');
  }

  private now(): number {
    return this.clock.now().getTime();
  }
}

const otherRequest = () =>
  new TenantryError('conflict', 'this Idempotency-Key was used for another request', {
    code: 'idempotency_conflict',
    errors: [{ field: 'Idempotency-Key', message: 'was used for another request' }],
  });
