import { unavailable } from '#kernel';

const TIMEOUT_MS = 2_000;

export interface OtherService {
  /** Without a slash at the end. */
  url: string;
  /** The operator's key, which the services of one deployment share. */
  rootKey: string;
}

export interface ServiceAnswer {
  status: number;
  body: unknown;
}

/** A request to another service of the same deployment. Rejects with `unavailable` where no JSON comes back in 2 s. */
export async function askService(
  { url, rootKey }: OtherService,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<ServiceAnswer> {
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${rootKey}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  } catch (cause) {
    throw unavailable('another service of Tenantry does not answer', { cause });
  }
}
