import type { FastifyInstance, FastifyReply } from 'fastify';

/**
 * Sends the answers that become ready in one turn of the event loop one right after the other, at its end. Each write
 * that finds its reader asleep has the kernel wake it, which costs more than the write; written together, the first
 * one wakes a caller with many connections, such as a proxy, for all. An answer that cannot be written is given to
 * `failed` and its connection is closed; the others are sent all the same.
 */
export function sendAnswersTogether(
  fastify: FastifyInstance,
  failed: (error: unknown, requestId: string) => void,
): void {
  let ready: { reply: FastifyReply; send: () => void }[] = [];
  const sendAll = (): void => {
    const sending = ready;
    ready = [];
    for (const { reply, send } of sending) {
      // Of two answers to one request the first is sent, as it would have been at once.
      if (reply.raw.headersSent) continue;
      try {
        send();
      } catch (error) {
        failed(error, reply.request.id);
        reply.raw.destroy();
      }
    }
  };
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (ready.push({ reply, send: done }) === 1) setImmediate(sendAll);
  });
}
