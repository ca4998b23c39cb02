import { EventStoreDBClient } from '@eventstore/db-client';

/** What the client knows; it prints the whole string, password and all, when it meets another. */
const OPTIONS = [
  'connectionname',
  'defaultdeadline',
  'discoveryinterval',
  'gossiptimeout',
  'keepaliveinterval',
  'keepalivetimeout',
  'maxdiscoverattempts',
  'nodepreference',
  'tls',
  'tlscafile',
  'usercertfile',
  'userkeyfile',
];
const SHAPE = /^(?:esdb|kurrentdb|kurrent)(\+discover)?:\/\/(.*)$/;
/** A hung node is given up sooner than by the client's own settings (10 s and 5 s). */
const PATIENCE = { keepalivetimeout: 'keepAliveTimeout=5000', gossiptimeout: 'gossipTimeout=2' };

/**
 * The connection string as the client takes it, from `esdb://`, `esdb+discover://` or their `kurrentdb` forms.
 * Throws an Error with the cause, which never repeats the string: it may hold a password.
 */
export function clientConnectionString(text: string): string {
  const [, discover = '', rest] = SHAPE.exec(text.trim()) ?? [];
  if (!rest) throw new Error('must begin with esdb:// or kurrentdb:// and name a host');
  const [hosts = '', query = ''] = rest.split(/\?(.*)/s);
  const given = query ? query.split('&') : [];
  const names = given.map((option) => option.split('=')[0]?.toLowerCase().replace(/[_-]/g, '') ?? '');
  if (names.includes('tlsverifycert')) {
    throw new Error(
      'has the option tlsVerifyCert, which is not supported; name the authority with tlsCAFile',
    );
  }
  if (!names.every((name) => OPTIONS.includes(name))) throw new Error('has an option that is not known');
  const added = Object.entries(PATIENCE).flatMap(([name, option]) => (names.includes(name) ? [] : [option]));
  const checked = `esdb${discover}://${hosts.replace(/\/+$/, '')}?${[...given, ...added].join('&')}`;
  try {
    EventStoreDBClient.connectionString(checked);
  } catch {
    throw new Error('is not a connection string such as esdb://user:password@host:2113?tls=true');
  }
  return checked;
}
