import { illegalState } from '#kernel';

const DEFAULT_SCHEMA = 'tenantry';
/** Short enough for the names that are made of it. */
const SCHEMA = /^[a-z_][a-z0-9_]{0,32}$/;

export interface PostgresAddress {
  connectionString: string;
  /** Where all tables stand: services with one server have each a schema of their own. */
  schema: string;
}

/**
 * Takes `postgres://…/database?schema=name` apart. A `part` of the service has a schema beside that one, named with it.
 * Throws `illegal_state`, without a piece of the URL.
 */
export function parsePostgresUrl(text: string, part?: string): PostgresAddress {
  if (!URL.canParse(text)) throw illegalState('is not a URL');
  const url = new URL(text);
  if (!['postgres:', 'postgresql:'].includes(url.protocol)) throw illegalState('must be a postgres:// URL');
  if (url.pathname.length < 2) throw illegalState('must name a database: postgres://host/database');
  const schema = url.searchParams.get('schema') ?? DEFAULT_SCHEMA;
  if (!SCHEMA.test(schema)) {
    throw illegalState('its schema must be of lower-case letters, digits and _, at most 33');
  }
  url.searchParams.delete('schema');
  return { connectionString: url.href, schema: part ? `${schema}_${part}` : schema };
}
