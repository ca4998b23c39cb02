// Requests that are not load: what prepares a measurement, or takes single ones.
import { Agent, request } from 'node:http';

/** Of one server over kept connections, as one key and in one tenant: the key's default tenant without `tenantId`. */
export function clientOf({ url, key, tenantId }) {
  const agent = new Agent({ keepAlive: true });
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    ...(tenantId && { 'x-tenant-id': tenantId }),
  };

  /** Resolves with any answer. */
  const attempt = (method, path, body) => {
    const { promise, resolve, reject } = Promise.withResolvers();
    const sent = request(`${url}${path}`, { method, headers, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        const { statusCode: status, headers } = response;
        resolve({ status, headers, text, body: text ? JSON.parse(text) : undefined });
      });
    });
    sent.on('error', reject).end(body && JSON.stringify(body));
    return promise;
  };
  /** Resolves with the body; rejects on anything but 2xx. */
  const send = async (method, path, body) => {
    const answer = await attempt(method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
  };
  return {
    attempt,
    get: (path) => send('GET', path),
    post: (path, body) => send('POST', path, body),
    put: (path, body) => send('PUT', path, body),
    delete: (path) => send('DELETE', path),
    patch: (path, body) => send('PATCH', path, body),
    close: () => agent.destroy(),
  };
}

/** Runs the work for each number below `count`, so many at a time. */
export async function lanes(width, count, work) {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** How long the work took, in milliseconds. */
export async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
