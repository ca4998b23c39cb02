/** Where the adapter tells what it does about failures. */
export interface LogWarnings {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface EventStoreDbOptions {
  logger: LogWarnings;
  /** Before every stream's name: a name space of its own on a server that others use too. */
  streamPrefix?: string;
  /** How long one try of an append, or the next answer of a read, may take. */
  answerTimeoutMs?: number;
  /** How long an append or a read is tried again before it is given up. */
  retryForMs?: number;
  /** Called when the store has closed. */
  onClosed?(): void;
}

const DEFAULTS = { streamPrefix: '', answerTimeoutMs: 4_000, retryForMs: 20_000, onClosed: () => undefined };

export const withDefaults = (options: EventStoreDbOptions): Required<EventStoreDbOptions> => ({
  ...DEFAULTS,
  ...options,
});
