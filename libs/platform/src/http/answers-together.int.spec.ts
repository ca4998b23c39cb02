import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Fastify, { type FastifyInstance } from 'fastify';
import { sendAnswersTogether } from './answers-together.js';

let fastify: FastifyInstance;
let url: string;
const failures: unknown[] = [];

beforeEach(async () => {
  failures.length = 0;
  fastify = Fastify();
  sendAnswersTogether(fastify, (error, requestId) => failures.push([(error as Error).name, requestId]));
  fastify.get('/good', () => 'good');
  fastify.get('/bad', (_request, reply) => reply.header('location', 'a\nb').send('bad'));
  fastify.get('/twice', (_request, reply) => {
    void reply.send('first');
    void reply.send('second');
  });
  url = await fastify.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(() => fastify.close());

const get = async (path: string): Promise<string> => {
  const answer = await fetch(`${url}${path}`).catch(() => undefined);
  return answer ? answer.text() : 'no answer';
};

describe('answers that are sent together', () => {
  it('given one that cannot be written, then it alone fails, and its failure is told', async () => {
    const paths = ['/good', '/bad', '/good', '/bad', '/good'];
    expect(await Promise.all(paths.map(get))).toEqual(['good', 'no answer', 'good', 'no answer', 'good']);
    expect(failures).toEqual([
      ['TypeError', expect.any(String)],
      ['TypeError', expect.any(String)],
    ]);
  });

  it('given two answers to one request, then the first is sent and the service goes on', async () => {
    expect(await get('/twice')).toBe('first');
    expect(await get('/good')).toBe('good');
  });
});
