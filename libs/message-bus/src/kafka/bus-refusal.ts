/** What about the settings the brokers do not take. */
export type RefusedPart = 'host' | 'tls' | 'login' | 'rights';

/** The brokers answer and refuse, or there is no such broker: waiting will not help. */
export class BusRefusal extends Error {
  override readonly name = 'BusRefusal';
  constructor(
    readonly part: RefusedPart,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What was being done, as it follows on "this user may not", by what the right to it is missing on. */
export interface Undertaking {
  topic: string;
  group: string;
}

const USE_ALL = 'create or use the topics and groups';

const MESSAGES: Record<Exclude<RefusedPart, 'rights'>, string> = {
  host: 'names a host that does not exist',
  tls: 'the certificate of the brokers is not trusted, or they do not speak TLS',
  login: 'the brokers refuse this user, password or mechanism',
};

const TLS_CODES = /^(EPROTO$|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** The refusal that an error of the client tells of; undefined where the brokers are only down. */
export function refusalOf(
  error: unknown,
  doing: Undertaking = { topic: USE_ALL, group: USE_ALL },
): BusRefusal | undefined {
  for (const found of errorsIn(error)) {
    if (found instanceof BusRefusal) return found;
    const part = partRefused(found);
    if (!part) continue;
    const message = part === 'rights' ? `this user may not ${undertaken(found, doing)}` : MESSAGES[part];
    return new BusRefusal(part, message, { cause: error });
  }
  return undefined;
}

const undertaken = (error: Error, { topic, group }: Undertaking): string =>
  typeOf(error).startsWith('GROUP_') ? group : topic;

const typeOf = (error: Error): string => String((error as { type?: unknown }).type);

function partRefused(error: Error): RefusedPart | undefined {
  const { code } = error as { code?: unknown };
  const type = typeOf(error);
  if (code === 'ENOTFOUND') return 'host';
  if (TLS_CODES.test(String(code))) return 'tls';
  if (error.name === 'KafkaJSSASLAuthenticationError') return 'login';
  if (/SASL_(MECHANISM|AUTHENTICATION_FAILED)/.test(type)) return 'login';
  return /AUTHORIZATION_FAILED$/.test(type) ? 'rights' : undefined;
}

/** The error and those that it wraps, in the several ways that kafkajs wraps them. */
function errorsIn(error: unknown): Error[] {
  if (!(error instanceof Error)) return [];
  const { originalError, errors } = error as { originalError?: unknown; errors?: unknown };
  const inner = [error.cause, originalError, ...(Array.isArray(errors) ? errors : [])];
  return [error, ...inner.flatMap((one) => errorsIn(one))];
}
