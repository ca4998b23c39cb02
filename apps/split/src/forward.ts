import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as open,
  type ServerResponse,
} from 'node:http';
import { BODY_LIMIT_BYTES } from '#platform';

/** Of one connection alone (RFC 9110, section 7.6.1), or settled on it, as the framing and 100-continue are. */
const OF_THE_CONNECTION = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);
/** How long a body that will hardly be taken is held back for the answer to come first. */
const TOO_LARGE_WAIT_MS = 250;

export interface Upstream {
  agent: Agent;
  port: number;
  path: string;
  requestId: string;
}

export const keepAliveAgent = (): Agent => new Agent({ keepAlive: true });

/**
 * Sends the request on and its answer back, bytes as they come. `unreachable` is called instead where no
 * answer begins; one that breaks off later breaks the caller's connection off, too.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: Upstream,
  unreachable: (error: Error) => void,
): void {
  const { agent, port, path, requestId } = upstream;
  const { method = 'GET' } = request;
  const headers = [...endToEnd(request, 'x-request-id'), 'X-Request-Id', requestId, ...framing(request)];
  if (request.headers.host === undefined) headers.push('Host', '127.0.0.1');
  const sent = open({ agent, host: '127.0.0.1', port, method, path, headers });
  sent.on('response', (answer) => {
    const { 'content-length': length } = answer.headers;
    const lengths = length === undefined ? [] : ['Content-Length', length];
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, [...endToEnd(answer), ...lengths]);
    // A stream of unknown length may have its first bytes much later.
    if (length === undefined) response.flushHeaders();
    answer.on('error', () => response.destroy());
    answer.pipe(response);
  });
  sent.on('error', (error) => {
    if (response.destroyed || response.writableFinished) return;
    if (response.headersSent) response.destroy();
    else unreachable(error);
  });
  response.on('close', () => {
    // Does nothing to a request that was answered; ends one that its caller gave up.
    sent.destroy();
    // What is left of a body that was answered early must not stand before the connection's next request.
    request.unpipe(sent).resume();
  });
  sendBody(request, sent);
}

/**
 * A body that is larger than any service takes is refused before its end, by its length or once it is too long, and
 * the connection closed: bytes that arrive then would cut the refusal off before it was read. So they wait for it.
 */
function sendBody(request: IncomingMessage, sent: ClientRequest): void {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = request.headers;
  if (coding !== undefined) {
    sent.flushHeaders();
    let bytes = 0;
    request.pipe(sent);
    request.on('data', function count(chunk: Buffer) {
      bytes += chunk.length;
      if (bytes <= BODY_LIMIT_BYTES) return;
      request.off('data', count).unpipe(sent).pause();
      sendLater(request, sent);
    });
  } else if (length === '0') {
    sent.end();
  } else if (Number(length) <= BODY_LIMIT_BYTES) {
    request.pipe(sent);
  } else {
    sent.flushHeaders();
    sendLater(request, sent);
  }
}

function sendLater(request: IncomingMessage, sent: ClientRequest): void {
  const late = setTimeout(() => request.pipe(sent), TOO_LARGE_WAIT_MS);
  sent.once('response', () => clearTimeout(late)).once('close', () => clearTimeout(late));
}

/** The headers that are meant for the other end, in their order and spelling, repeated ones too. */
function endToEnd(message: IncomingMessage, ...without: string[]): string[] {
  const { rawHeaders } = message;
  const { connection } = message.headers;
  const isPlain = connection === undefined || /^(keep-alive|close)$/i.test(connection);
  const dropped = isPlain ? without : [...without, ...connection.toLowerCase().split(/[\s,]+/)];
  const kept: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]];
    const key = name.toLowerCase();
    if (!OF_THE_CONNECTION.has(key) && !dropped.includes(key)) kept.push(name, value);
  }
  return kept;
}

/** How the body's end is told; always by this side, so that no header of the caller's can make two requests of one. */
function framing({ headers, method = 'GET' }: IncomingMessage): string[] {
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  if (coding !== undefined) return ['Transfer-Encoding', 'chunked'];
  if (length !== undefined) return ['Content-Length', length];
  return WITHOUT_BODY.has(method) ? [] : ['Content-Length', '0'];
}
