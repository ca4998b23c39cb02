import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface ComposeService {
  image: string;
  command?: string[];
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  restart?: string;
  ports?: string[];
  volumes?: string[];
  networks?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  stop_grace_period?: string;
  healthcheck?: { test?: string[] };
  deploy?: { resources?: { limits?: { cpus?: string; memory?: string } } };
}

export interface ComposeFile {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
  networks: Record<string, unknown>;
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}` without another of them inside. */
const VARIABLE = /\$\{(\w+)(?::([-?])([^${}]*))?\}/;

/** docker-compose.yml as `docker compose` reads it in this environment. Throws where it lacks a variable. */
export function readComposeFile(env: Record<string, string>): ComposeFile {
  const text = readFileSync('docker-compose.yml', 'utf8');
  return parse(text, (_, value) => (typeof value === 'string' ? interpolate(value, env) : value), {
    merge: true,
  }) as ComposeFile;
}

function interpolate(text: string, env: Record<string, string>): string {
  const match = VARIABLE.exec(text);
  if (!match) return text;
  const [whole, name = '', operator, rest] = match;
  const value = env[name] || (operator === '-' ? rest : undefined);
  if (value === undefined) throw new Error(`${name}: ${rest ?? 'has neither a value nor a default'}`);
  return interpolate(
    text.replace(whole, () => value),
    env,
  );
}

/** Whom deploy/Caddyfile sends a path to; null for nobody. */
export type ProxyRoutes = (path: string) => string | null;

/**
 * The routes of deploy/Caddyfile, by its `@NAME path…` matchers and the `handle` blocks of its `route`, the first that
 * matches. Knows of Caddy's language what is used there, and throws for anything else.
 */
export function readProxyRoutes(): ProxyRoutes {
  const text = readFileSync('deploy/Caddyfile', 'utf8');
  const matchers = new Map<string, (path: string) => boolean>();
  for (const [, name = '', kind, pattern = ''] of text.matchAll(/^\t@(\w+) (path\w*) (.+)$/gm)) {
    matchers.set(name, matcherOf(kind ?? '', pattern));
  }
  const route = /^\troute \{\n(.*?)^\t\}/ms.exec(text)?.[1] ?? '';
  const block = /^\t\thandle (?:@(\w+) )?\{\n\t\t\t(?:import to ([\w-]+)|error 404)\n\t\t\}\n/gm;
  const handles = [...route.matchAll(block)].map(([, matcher, service = null]) => ({ matcher, service }));
  if (handles.length === 0 || route.replace(block, '') !== '')
    throw new Error('the route block has more in it');
  return (path) => {
    const found = handles.find(({ matcher }) => matcher === undefined || matchers.get(matcher)?.(path));
    if (!found) throw new Error(`nobody handles ${path}`);
    return found.service;
  };
}

function matcherOf(kind: string, pattern: string): (path: string) => boolean {
  if (kind === 'path_regexp') return (path) => new RegExp(pattern).test(path);
  const prefix = /^(\/[\w/]*)\*$/.exec(pattern)?.[1];
  if (kind !== 'path' || prefix === undefined)
    throw new Error(`a matcher not known here: ${kind} ${pattern}`);
  return (path) => path.toLowerCase().startsWith(prefix);
}
