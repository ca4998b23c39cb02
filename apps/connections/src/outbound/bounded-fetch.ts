import { ProviderFailure } from './provider-failure.js';

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

const MAX_RESPONSE_BYTES = 1024 * 1024;

/**
 * `fetch` for servers that are not ours: the whole exchange ends within the time-out, a response has at most
 * 1 MiB, redirects are not followed, since they could lead what is sent to another server or into our own
 * network. Throws ProviderFailure, from reading the body too.
 */
export function boundedFetch(timeoutMs: number): Fetch {
  return async (url, init = {}) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    const response = await fetch(url, { ...init, signal, redirect: 'manual' }).catch((error: unknown) => {
      throw failureOf(error);
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw new ProviderFailure('provider_redirected');
    }
    if (!response.body) return response;
    const { status, statusText, headers } = response;
    return new Response(ReadableStream.from(bounded(response.body)), { status, statusText, headers });
  };
}

async function* bounded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > MAX_RESPONSE_BYTES) throw new ProviderFailure('provider_response_too_large');
      yield chunk;
    }
  } catch (error) {
    throw failureOf(error);
  }
}

function failureOf(error: unknown): ProviderFailure {
  if (error instanceof ProviderFailure) return error;
  // A DOMException, which is an Error in name alone.
  const isTimeout = (error as { name?: unknown } | undefined)?.name === 'TimeoutError';
  return isTimeout
    ? new ProviderFailure('provider_timed_out')
    : new ProviderFailure('provider_unreachable', true);
}
