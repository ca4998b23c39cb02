import { AsyncLocalStorage } from 'node:async_hooks';
import { randomOctets } from './random.js';

/**
 * A request that may come again, also after a crash in the middle of it, and then has the effect and the answer
 * of the first time. In it, ids and secrets are drawn from a seed, and events name it as their cause: so what was
 * done already is recognized.
 */
export interface RepeatableRequest {
  /** The causation id of its events; a UUID. */
  readonly id: string;
  /** When it first came, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** It was begun before, and how far that came is not known. */
  readonly resumed: boolean;
  /** How far the log had come by then, or less: all of its events stand after that. */
  readonly positionAtBegin: bigint;
  /** Random bytes; each time the request comes the n-th call gives the same. */
  draw(length: number): Uint8Array;
}

const current = new AsyncLocalStorage<RepeatableRequest>();

export const runRepeatably = <Result>(request: RepeatableRequest, work: () => Result): Result =>
  current.run(request, work);

/** The one that is being worked on; undefined outside of any. */
export const repeatableRequest = (): RepeatableRequest | undefined => current.getStore();

/** Random bytes for what callers see, which a repeated request must give again. */
export const drawBytes = (length: number): Uint8Array =>
  current.getStore()?.draw(length) ?? randomOctets(length);
