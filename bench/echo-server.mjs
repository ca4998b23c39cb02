// The yardstick: the least that a JSON service on this machine and this Node can cost.
import Fastify from 'fastify';

const server = Fastify();
server.post('/echo', (request) => request.body);
await server.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
process.once('SIGTERM', () => server.close());
