import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { notFound, type TenantryError, unavailable } from '#kernel';
import { type AppLogger, problemOf, refusedAddress, requestIdOf, type Settings } from '#platform';
import { mergeExpositions } from './exposition.js';
import { forward, keepAliveAgent } from './forward.js';
import { mergeReadiness, type Readiness } from './readiness.js';
import { originForm, SERVICES, type ServiceName, serviceOf } from './routes.js';

const ANSWER_TIMEOUT_MS = 5_000;
const SERVER_OPTIONS = {
  // As the services have it, so that the first to give an idle connection up is the caller.
  keepAliveTimeout: 72_000,
  // More than the services take, so that it is they who refuse what is too much.
  maxHeaderSize: 64 * 1024,
};

interface Answer {
  status: number;
  type: string;
  body: string;
}

/** Answers for the four services at one address, over HTTP, by the path of each request. */
export class Gateway {
  private readonly agent = keepAliveAgent();
  private readonly server = createServer(SERVER_OPTIONS, (request, response) =>
    this.answer(request, response),
  );
  private readonly inside = createServer(SERVER_OPTIONS, (request, response) => {
    const [, name, path] = /^\/([\w-]+)(\/.*)/.exec(request.url ?? '') ?? [];
    const service = SERVICES.find((one) => one === name);
    this.pass(request, response, service, path);
  });
  private readonly own: Record<string, () => Promise<Answer>> = {
    '/health/live': async () => json(200, { status: 'up' }),
    '/health/ready': async () => {
      const readiness = await this.readiness();
      return json(readiness.status === 'up' ? 200 : 503, readiness);
    },
    '/metrics': () => this.metrics(),
  };

  /** `portOf` tells where on this machine a service listens; undefined while it does not. */
  constructor(
    private readonly portOf: (service: ServiceName) => number | undefined,
    private readonly logger: AppLogger,
  ) {}

  /** Answers its own URL. Throws InvalidSetting. */
  listen(at: Pick<Settings, 'host' | 'port'>): Promise<string> {
    return listen(this.server, at);
  }

  /** Answers the URL below which the services reach each other, each under its name, wherever it listens by then. */
  listenInside(): Promise<string> {
    return listen(this.inside, { host: '127.0.0.1', port: 0 });
  }

  /** Takes no new connections; resolves when what was under way on the others has been answered. */
  async close(): Promise<void> {
    // A connection whose request was under way stays open for the next one, which must not come.
    const idle = setInterval(() => this.server.closeIdleConnections(), 50);
    this.server.close();
    await once(this.server, 'close');
    clearInterval(idle);
  }

  /** Ends what `close` still waits for, and the way between the services. */
  cutOff(): void {
    this.server.closeAllConnections();
    this.inside.close().closeAllConnections();
    this.agent.destroy();
  }

  async readiness(): Promise<Readiness> {
    // A service that is not ready says so with 503 and the same body.
    return mergeReadiness(await this.askAll<Readiness>('/health/ready', (answer) => answer.json()));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = originForm(request.url ?? '/');
    const { method } = request;
    const own = method === 'GET' || method === 'HEAD' ? this.own[path.split('?', 1)[0] ?? ''] : undefined;
    if (own) {
      const requestId = requestIdOf(request);
      const failed = (error: unknown) => this.refuse(response, requestId, unreadable(error));
      own().then((answer) => send(response, requestId, answer), failed);
      return;
    }
    this.pass(request, response, serviceOf(path), path);
  }

  private pass(
    request: IncomingMessage,
    response: ServerResponse,
    service: ServiceName | undefined,
    path = '/',
  ): void {
    const requestId = requestIdOf(request);
    const port = service && this.portOf(service);
    if (!service) {
      this.refuse(response, requestId, notFound('route'));
    } else if (port === undefined) {
      this.refuse(response, requestId, notAvailable(service));
    } else {
      forward(request, response, { agent: this.agent, port, path, requestId }, (error) => {
        this.refuse(response, requestId, notAvailable(service, error));
      });
    }
  }

  private refuse(response: ServerResponse, requestId: string, error: TenantryError): void {
    if (error.details.cause !== undefined) this.logger.failure(error.details.cause, { requestId });
    const { retryAfterSeconds } = error.details;
    if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds));
    const { status, body } = problemOf(error, requestId);
    send(response, requestId, { ...json(status, body), type: 'application/problem+json' });
  }

  private async metrics(): Promise<Answer> {
    const texts = await this.askAll<string>('/metrics', (answer) => answer.text());
    const given = [...texts].flatMap(([service, text]) =>
      text === undefined ? [] : [[service, text] as const],
    );
    const body = mergeExpositions(new Map(given));
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body };
  }

  /** What each service answers; undefined for one that does not. */
  private async askAll<Body>(
    path: string,
    read: (answer: Response) => Promise<unknown>,
  ): Promise<Map<ServiceName, Body | undefined>> {
    const asked = SERVICES.map(async (service): Promise<[ServiceName, Body | undefined]> => {
      const port = this.portOf(service);
      if (port === undefined) return [service, undefined];
      try {
        const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal });
        if (answer.status !== 200 && answer.status !== 503) throw new Error(`answered ${answer.status}`);
        return [service, (await read(answer)) as Body];
      } catch (error) {
        this.logger.failure(error, { service, path });
        return [service, undefined];
      }
    });
    return new Map(await Promise.all(asked));
  }
}

async function listen(server: Server, { host, port }: Pick<Settings, 'host' | 'port'>): Promise<string> {
  server.listen({ host, port });
  await once(server, 'listening').catch((error: unknown) => {
    throw refusedAddress(error);
  });
  const { address, family, port: actual } = server.address() as AddressInfo;
  const isAny = address === '0.0.0.0' || address === '::';
  const name = isAny ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  return `http://${name}:${actual}`;
}

const json = (status: number, body: object): Answer => ({
  status,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify(body),
});

function send(response: ServerResponse, requestId: string, { status, type, body }: Answer): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { 'content-type': type, 'content-length': length, 'x-request-id': requestId });
  response.end(body);
}

const notAvailable = (service: ServiceName, cause?: Error): TenantryError =>
  unavailable(`the ${service} service is not available`, { cause });

const unreadable = (cause: unknown): TenantryError => unavailable('the services cannot be asked', { cause });
