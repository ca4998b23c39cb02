import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import { takeJsonBodies } from './json-body.js';

let server: FastifyInstance;
let onHandled = (): unknown => undefined;
beforeAll(() => {
  server = fastify();
  takeJsonBodies(server);
  server.setErrorHandler((error: Error, _, reply) => reply.status(400).send(error.message));
  server.post('/', (request, reply) => {
    onHandled();
    return reply.send(JSON.stringify({ body: request.body }));
  });
});
afterAll(() => server.close());

const post = (payload: string | Buffer, type = 'application/json') =>
  server.inject({ method: 'POST', url: '/', headers: { 'content-type': type }, payload });

describe('JSON bodies', () => {
  it.each([
    '{"n":9007199254740991}',
    '{"n":0.1234567890123456}',
    '{"n":1e+21}',
    '{"n":5e-324}',
    '{"n":-0.00001}',
    '{"text":"12345678901234567890"}',
    '{"n":[1.5,{"m":123456789012345680000}]}',
    '{"__proto__":{"a":1},"constructor":2}',
  ])('%s arrives as it was sent', async (text) => {
    const { statusCode, body } = await post(text);
    expect([statusCode, body]).toEqual([200, `{"body":${text}}`]);
  });

  it.each(['{"n":1.000000000000000000}', '{"n":1E21}', '{"n":1000000000000000000000}', '{"n":0e-99}'])(
    '%s arrives as the same number',
    async (text) => {
      const { statusCode, body } = await post(text);
      expect(statusCode).toBe(200);
      expect(JSON.parse(body).body).toEqual(JSON.parse(text));
    },
  );

  it.each([
    ['{"a":1,"n":1e400,"z":2}', 'n'],
    ['{"n":9007199254740993}', 'n'],
    ['{"metadata":{"deep":[{"x":0.12345678901234567890}]},"n":1}', 'metadata'],
    ['{"n":1e-400}', 'n'],
    ['[1e400]', '0'],
    ['1e400', 'body'],
  ])('%s is refused by the name of the field', async (text, field) => {
    const { statusCode, body } = await post(text);
    expect([statusCode, body]).toEqual([400, `${field}: has a number that a double cannot hold`]);
  });

  it('large ones that arrive together are handled in turns of the event loop of their own', async () => {
    let turn = 0;
    const handledIn: number[] = [];
    const count = () => {
      turn += 1;
      if (turn < 100) setImmediate(count);
    };
    count();
    onHandled = () => handledIn.push(turn);
    const answers = await Promise.all([1, 2, 3].map(() => post(JSON.stringify('x'.repeat(5_000)))));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    expect(new Set(handledIn).size).toBe(3);
  });

  it('an empty body is no body', async () => {
    expect((await post('')).body).toBe('{}');
  });

  it.each([
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'application/json'],
    ['what is not JSON', '{"n":1234567890123456', 'application/json'],
    ['another type', 'n=1', 'application/x-www-form-urlencoded'],
  ])('%s is refused', async (_, payload, type) => {
    expect((await post(payload, type)).statusCode).toBe(400);
  });
});
