import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { FastifyBodyParser, FastifyInstance, FastifyRequest } from 'fastify';
import { invalidInput, LoopTurns } from '#kernel';

export const BODY_LIMIT_BYTES = 256 * 1024;
/** More than most requests have. */
const LARGE_BODY_BYTES = 4 * 1024;

type Done = NonNullable<Parameters<FastifyBodyParser<Buffer>>[2]>;

const lengths = new WeakMap<IncomingMessage, number>();

/** How long the body was that has been parsed; 0 where it is not large. */
export const largeBodyBytes = (request: IncomingMessage): number => lengths.get(request) ?? 0;

/** A body that may hold a number with more digits, or a larger exponent, than a double takes. */
const LONG_NUMBER = /(?:^|[:[,])\s*-?(?:[\d.]{16}|[\d.]+[eE])/;
const NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** JSON is the only type of body. An empty one is no body: many clients name a type that they don't send. */
export function takeJsonBodies(fastify: FastifyInstance): void {
  // Keys such as __proto__ are plain data: nothing merges what callers send into objects of ours.
  const parse = fastify.getDefaultJsonParser('ignore', 'ignore');
  fastify.removeAllContentTypeParsers();
  const turns = new LoopTurns(1);
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    if (body.length <= LARGE_BODY_BYTES) return take(request, body, done);
    lengths.set(request.raw, body.length);
    const turn = turns.begin();
    if (turn) turn.then(() => take(request, body, done));
    else take(request, body, done);
  });

  function take(request: FastifyRequest, body: Buffer, done: Done) {
    // Decoding would put U+FFFD in the place of wrong bytes, and so change what was sent.
    if (!isUtf8(body)) return done(invalidInput('body', 'must be UTF-8'));
    const text = body.toString();
    const field = LONG_NUMBER.test(text) ? fieldOfInexactNumber(text) : undefined;
    if (field !== undefined) return done(invalidInput(field, 'has a number that a double cannot hold'));
    parse(request, text, done);
  }
}

/** The field at the top with a number in it that would not come back as it was sent. */
function fieldOfInexactNumber(text: string): string | undefined {
  let inexact = false;
  const after: { holder: unknown; key: string }[] = [];
  // Values are visited from the inside out, so the first field of the root after the number holds it.
  function visit(this: unknown, key: string, value: unknown, context: { source?: string }): unknown {
    inexact ||= typeof value === 'number' && !isSameNumber(context.source ?? '', String(value));
    if (inexact) after.push({ holder: this, key });
    return value;
  }
  try {
    // The compiler's library does not know of the context yet (ECMAScript 2026, JSON.parse source text access).
    const root: unknown = JSON.parse(text, visit as (key: string, value: unknown) => unknown);
    return inexact ? (after.find(({ holder }) => holder === root)?.key ?? 'body') : undefined;
  } catch {
    return undefined; // Not JSON: the parser says so.
  }
}

const isSameNumber = (sent: string, held: string): boolean => decimal(sent) === decimal(held);

/** One form for all the ways to write a number: its digits without zeros at the ends, and the exponent. */
function decimal(text: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return NUMBER.test(text) ? '0' : text;
  return `${text.startsWith('-')} ${significant} ${Number(exponent) - fraction.length + digits.length - significant.length}`;
}
