/** In the order of their TENANTRY_LOG_NUMBER. */
export const SERVICES = ['tenant-users', 'keys', 'budgets', 'connections'] as const;

export type ServiceName = (typeof SERVICES)[number];

const ROUTES: readonly (readonly [path: RegExp, service: ServiceName])[] = [
  [/^\/v1\/(users\/[^/]+\/)?keys(\/|$)/, 'keys'],
  [/^\/v1\/users\/[^/]+\/(budget|rate-limits)(\/|$)/, 'budgets'],
  [/^\/v1\/(users\/[^/]+\/(connections|vault)|providers|connections)(\/|$)/, 'connections'],
];

/** What the services ask each other, which nobody else may. */
const INTERNAL = /^\/+internal\b/i;

const SCHEME_AND_AUTHORITY = /^[a-z][a-z\d+.-]*:\/\/[^/]*\/?/i;

/**
 * A request target in the form that a gateway sends on (RFC 9112, section 3.2.1): without scheme and authority, which
 * end at the first slash for the services' router, whatever stands before it. That router also ignores the first
 * character of a path that begins with no slash.
 */
export function originForm(target: string): string {
  if (target.startsWith('/') || target === '*') return target;
  return SCHEME_AND_AUTHORITY.test(target) ? target.replace(SCHEME_AND_AUTHORITY, '/') : `/${target}`;
}

/** The service that answers this target, in origin form; undefined for what is not reachable from outside. */
export function serviceOf(target: string): ServiceName | undefined {
  const [raw = ''] = target.split(/[?#]/, 1);
  // The services' router takes %6B for k, too, but %2F for no slash.
  const path = raw.includes('%') ? raw.split('/').map(decoded).join('/') : raw;
  if (INTERNAL.test(path) || INTERNAL.test(withoutDotSegments(path))) return undefined;
  return ROUTES.find(([pattern]) => pattern.test(path))?.[1] ?? 'tenant-users';
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment).replaceAll('/', '%2F');
  } catch {
    return segment; // Wrongly encoded: the service says so.
  }
}

function withoutDotSegments(path: string): string {
  if (!/\/[./]/.test(path)) return path;
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
