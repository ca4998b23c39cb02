import type { FastifyInstance, HTTPMethods } from 'fastify';
import { TenantryError } from '#kernel';
import { sendProblem } from './problem.filter.js';

const METHODS: readonly HTTPMethods[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'QUERY',
];

/**
 * Lets each path refuse the methods that it has no route for by 405 with `Allow` (RFC 9110, section 15.5.6).
 * Answers what to call when all routes are there.
 */
export function refuseOtherMethods(fastify: FastifyInstance): () => void {
  const known = new Map<string, Set<HTTPMethods>>();
  fastify.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set();
    for (const each of [method].flat()) methods.add(each as HTTPMethods);
    known.set(url, methods);
  });
  return () => {
    for (const [url, methods] of [...known]) {
      const allowed = [...methods].join(', ');
      const others = METHODS.filter((method) => !methods.has(method));
      if (url.includes('*') || others.length === 0) continue;
      fastify.route({
        method: others,
        url,
        // Before the body is looked at, which is of no interest.
        onRequest: async (request, reply) => {
          const refusal = new TenantryError('invalid_input', `this path takes ${allowed}`, {
            code: 'method_not_allowed',
          });
          sendProblem(refusal, request, reply.header('allow', allowed));
          // Ends the request here: it may not have been sent yet.
          return reply;
        },
        handler: () => {},
      });
    }
  };
}
