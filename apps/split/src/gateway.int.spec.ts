import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as open, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fastify } from 'fastify';
import { AppLogger, BODY_LIMIT_BYTES } from '#platform';
import { Gateway } from './gateway.js';
import { SERVICES, type ServiceName } from './routes.js';

interface Echo {
  service: ServiceName;
  method: string;
  url: string;
  rawHeaders: string[];
  bytes: number;
  sha256: string;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

const ports = new Map<ServiceName, number>();
const servers: Server[] = [];
/** What the services do instead of an echo, when a test sets it. */
let script: RequestListener | undefined;
let gateway: Gateway;
let url: string;
let insideUrl: string;

const echo =
  (service: ServiceName): RequestListener =>
  async (request, response) => {
    if (script) return script(request, response);
    const chunks = await request.toArray();
    const body = Buffer.concat(chunks as Buffer[]);
    const { method, url: target, rawHeaders } = request;
    const answer = { service, method, url: target, rawHeaders, bytes: body.length, sha256: sha256(body) };
    response.writeHead(201, 'Made Up', {
      'content-type': 'application/json',
      connection: 'x-secret',
      'x-secret': 'a',
    });
    response.end(JSON.stringify(answer));
  };

beforeAll(async () => {
  for (const service of SERVICES) {
    const server = createServer(echo(service)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    ports.set(service, portOf(server));
  }
  gateway = new Gateway((service) => ports.get(service), new AppLogger({ logLevel: 'silent' }));
  url = await gateway.listen({ host: '127.0.0.1', port: 0 });
  insideUrl = await gateway.listenInside();
});

beforeEach(() => {
  script = undefined;
});

afterAll(async () => {
  gateway.cutOff();
  await gateway.close();
  for (const server of servers) server.close();
});

/** Sends bytes as they are and answers all that comes back until the connection ends. */
async function raw(text: string, port = Number(new URL(url).port)): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  socket.write(text, 'latin1');
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

async function echoed(target: string, more = '', method = 'GET'): Promise<Echo> {
  const answer = await raw(`${method} ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${more}\r\n`);
  const json = answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1);
  return JSON.parse(Buffer.from(json, 'latin1').toString()) as Echo;
}

describe('a request through the gateway', () => {
  it.each<[string, ServiceName]>([
    ['/v1/users/default/keys/1/rotate?a=b&a=%2F%20+c', 'keys'],
    ['/v1/users/default/budget', 'budgets'],
    ['/v1/providers/a%2Fb%zz', 'connections'],
    ['/v1/users?metadata[a]=%C3%BC&q=//x/../y#z', 'tenant-users'],
  ])('%s reaches %s with the same target', async (target, service) => {
    expect(await echoed(target)).toMatchObject({ service, method: 'GET', url: target });
  });

  it.each(['PATCH', 'PROPFIND', 'M-SEARCH', 'OPTIONS'])('keeps the method %s', async (method) => {
    expect(await echoed('/v1/users', '', method)).toMatchObject({ method, bytes: 0 });
  });

  it('has its own headers at the service, repeated ones too, less those of the connection', async () => {
    const more =
      'X-a: 1\r\nx-A: 2\r\nX-Latin: \xe9\r\nConnection: Drop, Content-Length\r\nDrop: 1\r\nTE: trailers\r\nX-Request-Id: mine\r\n';
    const { rawHeaders } = await echoed('/v1/users', more);
    expect(rawHeaders).toEqual([
      ...['Host', 'h', 'X-a', '1', 'x-A', '2', 'X-Latin', '\xe9', 'X-Request-Id', 'mine'],
      ...['Connection', 'keep-alive'],
    ]);
  });

  it('gets the status, its text, the headers and the bytes of the answer, less those of the connection', async () => {
    script = (_, response) => {
      response.writeHead(299, 'So So', [
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'Connection',
        'X-B',
        'X-B',
        '1',
      ]);
      response.end(Buffer.from([0, 255, 10]));
    };
    const answer = await raw('GET /v1/users HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 299 So So\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n/);
    expect(answer).not.toContain('X-B');
    expect(answer).toContain('\r\n\r\n3\r\n\0\xff\n\r\n0\r\n\r\n');
  });

  it('has no body at the service where it had none, nor the answer to HEAD', async () => {
    expect((await echoed('/v1/users', '', 'POST')).rawHeaders).toEqual(
      expect.arrayContaining(['Content-Length', '0']),
    );
    const answer = await raw('HEAD /v1/users HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 201 Made Up\r\n/);
    expect(answer.endsWith('\r\n\r\n')).toBe(true);
  });

  it.each([1, 64 * 1024, BODY_LIMIT_BYTES, 3 * 1024 * 1024])('has all %i bytes of its body', async (size) => {
    const body = randomBytes(size);
    for (const payload of [body, new Blob([body]).stream()]) {
      const answer = await fetch(`${url}/v1/keys`, {
        method: 'POST',
        body: payload,
        duplex: 'half',
      } as RequestInit);
      expect(await answer.json()).toMatchObject({ bytes: size, sha256: sha256(body) });
    }
  });

  it('streams both ways: each piece is there before the next is sent', async () => {
    script = (request, response) => {
      response.flushHeaders();
      request.pipe(response);
    };
    const request = open(`${url}/v1/events`, { method: 'POST' });
    request.flushHeaders();
    const [answer] = await once(request, 'response');
    answer.setEncoding('utf8');
    for (const piece of ['one', 'two', 'three']) {
      const arrived = once(answer, 'data');
      request.write(piece);
      expect(await arrived).toEqual([piece]);
    }
    request.end();
    await once(answer, 'end');
  });

  it('given up by its caller, is given up at the service', async () => {
    const arrived = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    script = (_, response) => {
      response.on('close', aborted.resolve);
      arrived.resolve();
    };
    const controller = new AbortController();
    const answer = fetch(`${url}/v1/users`, { signal: controller.signal });
    await arrived.promise;
    controller.abort();
    await expect(answer).rejects.toThrow('abort');
    await aborted.promise;
  });

  it('whose answer breaks off has no whole answer', async () => {
    script = (_, response) => {
      response.writeHead(200, { 'content-length': 10 });
      response.write('half', () => response.destroy());
    };
    const answer = await fetch(`${url}/v1/users`);
    await expect(answer.text()).rejects.toThrow();
  });

  it('with more than a service takes reads the refusal, and the next request is answered', async () => {
    const refusing = fastify({ bodyLimit: BODY_LIMIT_BYTES });
    refusing.post('/v1/keys', async () => 'taken');
    await refusing.listen({ port: 0, host: '127.0.0.1' });
    const usual = ports.get('keys') ?? 0;
    ports.set('keys', portOf(refusing.server));
    try {
      for (let round = 0; round < 20; round++) {
        const text = JSON.stringify('x'.repeat(BODY_LIMIT_BYTES * (1 + (round % 2) * 30)));
        const body = round % 2 ? new Blob([text]).stream() : text;
        const headers = { 'content-type': 'application/json' };
        const init = { method: 'POST', body, headers, duplex: 'half' } as RequestInit;
        const answer = await fetch(`${url}/v1/keys`, init);
        expect([answer.status, await answer.json()]).toEqual([
          413,
          expect.objectContaining({ statusCode: 413 }),
        ]);
        expect((await fetch(`${url}/v1/keys`, { method: 'POST' })).status).toBe(200);
      }
    } finally {
      ports.set('keys', usual);
      await refusing.close();
    }
  });
});

describe('a service that does not answer', () => {
  it.each([
    ['does not listen', () => 1],
    ['is not there', () => undefined],
  ])('given it %s, then 503 with the request id, and the others answer', async (_, port) => {
    const usual = ports.get('keys') ?? 0;
    const other = port();
    if (other) ports.set('keys', other);
    else ports.delete('keys');
    try {
      const headers = { 'x-request-id': 'mine' };
      const answer = await fetch(`${url}/v1/keys/verify`, { method: 'POST', body: 'x', headers });
      expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('x-request-id')]).toEqual([
        ...[503, '1', 'mine'],
      ]);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(await answer.json()).toEqual({
        type: 'urn:tenantry:problem:unavailable',
        title: 'Service Unavailable',
        status: 503,
        code: 'unavailable',
        detail: 'the keys service is not available',
        request_id: 'mine',
      });
      expect((await fetch(`${url}/v1/users`)).status).toBe(201);
      expect((await fetch(`${url}/health/ready`)).status).toBe(503);
    } finally {
      ports.set('keys', usual);
    }
  });

  it('given it breaks off before an answer, then 503', async () => {
    script = (request) => request.socket.destroy();
    expect((await fetch(`${url}/v1/users`)).status).toBe(503);
  });
});

describe('what the gateway answers itself', () => {
  it('is alive', async () => {
    const answer = await fetch(`${url}/health/live`);
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'up' }]);
    expect(answer.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
  });

  it.each([
    ['up', 200],
    ['down', 503],
  ])('given one service is %s, then is ready with %i, of all services together', async (status, code) => {
    script = (request, response) => {
      const own = request.socket.localPort === ports.get('budgets') ? status : 'up';
      response.writeHead(own === 'up' ? 200 : 503);
      const parts = [{ name: 'event_store', status: own }];
      response.end(
        JSON.stringify({
          status: own,
          parts,
          projections: [{ name: 'p' }],
          consumers: [{ group: 'g' }],
          identifier_collisions: [{ kind: 'k' }],
        }),
      );
    };
    const answer = await fetch(`${url}/health/ready`);
    expect([answer.status, await answer.json()]).toEqual([
      code,
      {
        status,
        parts: SERVICES.map((service) => ({
          name: `${service}/event_store`,
          status: service === 'budgets' ? status : 'up',
        })),
        projections: Array(4).fill({ name: 'p' }),
        consumers: Array(4).fill({ group: 'g' }),
        identifier_collisions: Array(4).fill({ kind: 'k' }),
      },
    ]);
  });

  it('given a service fails on its metrics, then tells those of the others', async () => {
    script = (request, response) => {
      if (request.socket.localPort === ports.get('keys')) response.writeHead(500);
      response.end('# TYPE lag gauge\nlag 1\n');
    };
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const samples = ['tenant-users', 'budgets', 'connections'].map(
      (service) => `lag{service="${service}"} 1\n`,
    );
    expect(await answer.text()).toBe(`# TYPE lag gauge\n${samples.join('')}`);
  });
});

describe('/internal', () => {
  it.each(SERVICES)('is reached by the other services below the name of %s', async (service) => {
    const answer = await fetch(`${insideUrl}/${service}/internal/x?a=%2F`, { method: 'POST', body: 'x' });
    expect(await answer.json()).toMatchObject({ service, url: '/internal/x?a=%2F', bytes: 1 });
  });

  it.each(['/', '/keys', '/other/internal/x', '/internal/x'])('given %s there, then 404', async (target) => {
    expect((await fetch(`${insideUrl}${target}`)).status).toBe(404);
  });

  it.each(['/internal', '/internal/../internal', '//internal', '/%69nternal/x', 'http://h?/internal'])(
    'given %s, then 404 like any unknown route',
    async (target) => {
      const answer = await raw(`GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
      expect(answer).toContain('"detail":"route not found"');
    },
  );

  it("is reached by no target, as the services' router reads it", async () => {
    const service = fastify();
    const reached: string[] = [];
    service.all('/internal', async (request) => void reached.push(request.url));
    service.all('/internal/*', async (request) => void reached.push(request.url));
    await service.listen({ port: 0, host: '127.0.0.1' });
    const usual = new Map(ports);
    for (const name of SERVICES) ports.set(name, portOf(service.server));
    const pieces = ['/', '/', 'internal', '%69nternal', 'intern%61l', '.', '..', '%2e', '%2F', '%', '?', '#'];
    const piece = fc.constantFrom(
      ...pieces,
      'http://h',
      'HTTP://',
      '\\',
      ';',
      '*',
      'v1',
      'INTERNAL',
      '%25',
      ':',
    );
    const target = fc.array(piece, { minLength: 1, maxLength: 7 }).map((all) => all.join(''));
    const ask = (each: string, port?: number) =>
      raw(`GET ${each} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`, port);
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('', '*', '/', '/internal', 'http://h'),
          target,
          async (start, rest) => {
            await ask(start + rest);
            expect(reached).toEqual([]);
          },
        ),
        { numRuns: 1_000 },
      );
      // Such a target does reach it where no gateway is.
      await ask('/%69nternal/x', portOf(service.server));
      expect(reached).toEqual(['/%69nternal/x']);
    } finally {
      for (const [name, port] of usual) ports.set(name, port);
      await service.close();
    }
  });
});

describe('a gateway that closes', () => {
  it('lets what is under way finish and takes nothing more', async () => {
    const closing = new Gateway((service) => ports.get(service), new AppLogger({ logLevel: 'silent' }));
    const address = await closing.listen({ host: '127.0.0.1', port: 0 });
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    script = async (_, response) => {
      arrived.resolve();
      await goOn.promise;
      response.end('done');
    };
    const answer = fetch(`${address}/v1/users`);
    await arrived.promise;
    const closed = closing.close();
    await expect(fetch(`${address}/v1/users`)).rejects.toThrow('fetch failed');
    goOn.resolve();
    expect(await (await answer).text()).toBe('done');
    await closed;
  });

  it('given a port that is taken, names the setting', async () => {
    const second = new Gateway(() => undefined, new AppLogger({ logLevel: 'silent' }));
    const port = Number(new URL(url).port);
    await expect(second.listen({ host: '127.0.0.1', port })).rejects.toThrow(/^PORT: is in use/);
  });
});
