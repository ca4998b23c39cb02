import { Inject, Injectable, type LoggerService } from '@nestjs/common';
import { destination, type Logger, pino } from 'pino';
import { isTenantryError } from '#kernel';
import type { Settings } from '../settings.js';
import { SETTINGS } from '../tokens.js';

const REDACTED = [
  'authorization',
  '*.authorization',
  'headers["x-api-key"]',
  '*.headers["x-api-key"]',
  ...['raw_key', 'client_secret', 'value', 'personal', 'email', 'label', 'metadata', 'external_id'].flatMap(
    (name) => [name, `*.${name}`, `*.*.${name}`],
  ),
];

/**
 * Structured logs, one JSON object a line on standard error. Callers pass ids, codes and counts, never bodies;
 * the redaction is the second line of defence.
 */
@Injectable()
export class AppLogger implements LoggerService {
  private readonly logger: Logger;

  constructor(@Inject(SETTINGS) settings: Pick<Settings, 'logLevel'>) {
    this.logger = pino(
      {
        level: settings.logLevel,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (level) => ({ level }) },
        redact: { paths: REDACTED, censor: '[redacted]' },
        serializers: { err: describeError },
      },
      destination({ dest: 2, sync: true }),
    );
  }

  /** Something that no caller caused. Of unknown errors the stack is kept, which holds code places, not data. */
  failure(error: unknown, fields: Record<string, unknown>): void {
    const code = isTenantryError(error) ? error.code : error instanceof Error ? error.name : 'unknown';
    this.logger.error({ ...fields, code, err: error }, 'failure');
  }

  info(fields: object, message: string): void {
    this.logger.info(fields, message);
  }

  /** What Nest says of itself is of interest only when something is wrong. */
  log(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    if (message instanceof Error) this.failure(message, { context: rest.at(-1) });
    else this.write('error', message, rest);
  }

  /** Takes both `(fields, message)` and Nest's `(message, …, context)`. */
  private write(level: 'debug' | 'warn' | 'error', first: unknown, rest: unknown[]): void {
    if (typeof first === 'object' && first !== null) this.logger[level](first, String(rest[0] ?? ''));
    else this.logger[level]({ context: rest.at(-1) }, String(first));
  }
}

/** A SyntaxError's message quotes what it could not parse, which may be somebody's data. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? [];
  const message = error instanceof SyntaxError ? '[redacted]' : error.message;
  return { type: error.name, message, stack: frames.join('\n') };
}
