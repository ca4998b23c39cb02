import { once } from 'node:events';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { ServerWritableStream } from '@grpc/grpc-js';
import * as answers from './answers.js';
import { passesFilter, type StoredEvent, type StoredLog } from './stored-log.js';

const CHECKPOINT_EVENTS = 32;

/** One call of the server's Read: a stream, the whole log, or a subscription to it. */
export class ReadCall {
  private readonly over = new AbortController();
  private isFrozen = false;

  constructor(
    private readonly call: ServerWritableStream<ReadReq, ReadResp>,
    private readonly log: StoredLog,
    private readonly onAnswer: () => void,
  ) {
    call.on('cancelled', () => this.over.abort());
    call.on('close', () => this.over.abort());
    call.on('error', () => this.over.abort());
  }

  async run(): Promise<void> {
    const options = this.call.request.getOptions();
    if (!options) return this.end();
    if (options.hasSubscription()) return this.subscribe(options);
    const events = options.hasStream() ? this.streamEvents(options) : this.allEvents(options);
    if (!events) await this.write(answers.streamNotFoundAnswer(streamOf(options)));
    for (const event of events ?? []) await this.write(answers.eventAnswer(event));
    this.end();
  }

  /** Nothing is answered any more, and the call stays open. */
  freeze(): void {
    this.isFrozen = true;
  }

  end(error?: { code: number; details: string }): void {
    if (this.over.signal.aborted || this.isFrozen) return;
    if (error) this.call.emit('error', error);
    else this.call.end();
    this.over.abort();
  }

  private streamEvents(options: ReadReq.Options): readonly StoredEvent[] | undefined {
    const events = this.log.stream(streamOf(options));
    if (events.length === 0) return undefined;
    const [place, count] = [options.getStream(), Number(options.getCount())];
    const from = place?.hasEnd() ? events.length - 1 : Number(place?.getRevision() ?? 0);
    if (options.getReadDirection() === 0) return events.slice(from, from + count);
    return events.slice(Math.max(0, from + 1 - count), from + 1).reverse();
  }

  private allEvents(options: ReadReq.Options): readonly StoredEvent[] {
    const found = this.log.events.filter(passesFilter(options));
    if (options.getReadDirection() === 1) found.reverse();
    return found.slice(0, Number(options.getCount()));
  }

  private async subscribe(options: ReadReq.Options): Promise<void> {
    const passes = passesFilter(options);
    const after = BigInt(options.getAll()?.getPosition()?.getCommitPosition() ?? 0);
    const every = CHECKPOINT_EVENTS * (options.getFilter()?.getCheckpointintervalmultiplier() ?? 0);
    let index = this.log.events.findIndex(({ position }) => position > after);
    if (index < 0) index = this.log.events.length;
    await this.write(answers.confirmationAnswer('stand-in'));
    for (let looked = 1; !this.over.signal.aborted; looked++) {
      const event = this.log.events[index];
      if (!event) {
        await this.write(answers.caughtUpAnswer());
        while (this.log.events.length === index && !this.over.signal.aborted) {
          await this.log.grown(this.over.signal);
        }
        continue;
      }
      index++;
      if (passes(event)) await this.write(answers.eventAnswer(event));
      const next = this.log.events[index]?.position ?? this.log.end;
      if (every > 0 && looked % every === 0) await this.write(answers.checkpointAnswer(next));
    }
  }

  private async write(answer: ReadResp): Promise<void> {
    if (this.over.signal.aborted || this.isFrozen) return;
    this.onAnswer();
    if (this.call.write(answer)) return;
    await once(this.call, 'drain', { signal: this.over.signal }).catch(() => undefined);
  }
}

const streamOf = (options: ReadReq.Options): string => {
  const place = options.getStream();
  return place ? answers.nameOf(place) : '';
};
