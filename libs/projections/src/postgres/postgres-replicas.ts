import { CHECKPOINT_CHANNEL, type CheckpointRow, toCheckpoint } from '../checkpoints.js';
import { describeError, isUnavailable } from '../describe-error.js';
import type { Logger } from '../logger.js';
import type { Replicas, Role } from '../replicas.js';
import { PostgresSession } from './postgres-session.js';
import { type PostgresAddress, parsePostgresUrl } from './postgres-url.js';

/** How often this process asks for what it does not lead, and shows that it is there. */
const BEAT_MS = 1_000;
/** Passed events are told together, soon enough for whoever waits for them. */
const TELL_AFTER_MS = 20;
/** What is notified at once must stay under 8,000 bytes. */
const ROLES_AT_ONCE = 40;

interface Member {
  role: Role;
  /** Between the lock and its loss. */
  leading: boolean;
  /** What `lead` had to do is done. */
  ready: boolean;
  /** The `lead` under way; the next one waits for it. */
  turn: Promise<void>;
}

type Told = CheckpointRow | { passed: Record<string, string> };

/**
 * Who leads holds a session-level advisory lock of the server (PostgreSQL 15, 13.3.5), which falls free when the
 * connection ends: at once when the process dies, after some 8 s when its machine is gone. Moves of checkpoints are
 * notified by a trigger, in the transaction that makes them; once a beat the table is read as well.
 */
export class PostgresReplicas implements Replicas {
  readonly #address: PostgresAddress;
  readonly #channel: string;
  readonly #logger: Logger;
  readonly #members = new Map<string, Member>();
  readonly #moved = new Set<Role>();
  #session: PostgresSession | undefined;
  #beat: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(url: string, logger: Logger) {
    this.#address = parsePostgresUrl(url);
    this.#channel = CHECKPOINT_CHANNEL + this.#address.schema;
    this.#logger = logger;
  }

  async join(role: Role): Promise<void> {
    const member: Member = { role, leading: false, ready: false, turn: Promise.resolve() };
    while (this.#beat) await this.#beat;
    this.#members.set(role.name, member);
    await this.#beatNow();
    await member.turn;
  }

  async leave(role: Role): Promise<void> {
    const member = this.#members.get(role.name);
    this.#members.delete(role.name);
    this.#moved.delete(role);
    if (member?.leading) await this.#unlock(role.name);
  }

  moved(role: Role): void {
    this.#moved.add(role);
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#tell([...this.#moved]).catch((error) => this.#warn(error));
      this.#moved.clear();
    }, TELL_AFTER_MS).unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#telling);
    await this.#beat;
    await this.#session?.close();
    this.#session = undefined;
  }

  #beatNow(): Promise<void> {
    this.#beat ??= this.#tryBeat().finally(() => {
      this.#beat = undefined;
      clearTimeout(this.#timer);
      if (!this.#closed) this.#timer = setTimeout(() => void this.#beatNow(), BEAT_MS).unref();
    });
    return this.#beat;
  }

  async #tryBeat(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#session ??= await PostgresSession.open(this.#address, this.#channel, {
        notified: (payload) => this.#notified(JSON.parse(payload) as Told),
        lost: () => this.#lost(),
      });
      await this.#acquire(this.#session);
      await this.#read(this.#session);
      await this.#tell([...this.#members.values()].map(({ role }) => role));
    } catch (error) {
      this.#warn(error);
    }
  }

  async #acquire(session: PostgresSession): Promise<void> {
    const wanted = [...this.#members.values()].filter(({ leading }) => !leading).map(({ role }) => role.name);
    if (wanted.length === 0) return;
    const found = await session.query<{ name: string }>(
      `select name from unnest($1::text[]) as name
       where pg_try_advisory_lock(hashtext('tenantry.' || current_schema()), hashtext(name))`,
      [wanted],
    );
    for (const { name } of found) {
      const member = this.#members.get(name);
      if (member && session === this.#session) this.#lead(member);
      else await this.#unlock(name);
    }
  }

  #lead(member: Member): void {
    const { role } = member;
    member.leading = true;
    const session = this.#session;
    const turn = member.turn.catch(() => undefined).then(() => role.lead());
    member.turn = turn;
    turn.then(
      () => {
        // The lock was lost while it made ready.
        if (session === this.#session) member.ready = true;
        else role.halt();
      },
      (error) => {
        this.#logger.warn({ role: role.name, ...describeError(error) }, 'could not take over');
        if (session !== this.#session) return;
        role.halt();
        // Only then may another process, or this one at its next beat, try.
        void this.#unlock(role.name).finally(() => {
          member.leading = false;
        });
      },
    );
  }

  async #read(session: PostgresSession): Promise<void> {
    const rows = await session.query<CheckpointRow & { position: number; changed_at: number }>(
      'select name, version, position, generation, changed_at from checkpoints',
    );
    for (const row of rows) this.#notified(row);
  }

  #notified(told: Told): void {
    if ('passed' in told) {
      for (const [name, position] of Object.entries(told.passed)) {
        const member = this.#members.get(name);
        if (member && !member.leading) member.role.passed(BigInt(position));
      }
      return;
    }
    const member = this.#members.get(told.name);
    if (member && !member.leading) member.role.follow(toCheckpoint(told));
  }

  async #tell(roles: readonly Role[]): Promise<void> {
    const session = this.#session;
    const led = roles.filter(({ name }) => this.#members.get(name)?.ready);
    for (let from = 0; session && from < led.length; from += ROLES_AT_ONCE) {
      const some = led.slice(from, from + ROLES_AT_ONCE);
      const passed = Object.fromEntries(some.map(({ name, position }) => [name, String(position)]));
      await session.query('select pg_notify($1, $2)', [this.#channel, JSON.stringify({ passed })]);
    }
  }

  async #unlock(name: string): Promise<void> {
    const statement = `select pg_advisory_unlock(hashtext('tenantry.' || current_schema()), hashtext($1))`;
    // Where the session is gone, so is the lock.
    await this.#session?.query(statement, [name]).catch((error) => this.#warn(error));
  }

  #lost(): void {
    this.#session = undefined;
    this.#logger.warn({ roles: this.#members.size }, 'lost touch with the other processes');
    for (const member of this.#members.values()) {
      Object.assign(member, { leading: false, ready: false });
      member.role.halt();
    }
  }

  #warn(error: unknown): void {
    const level = isUnavailable(error) ? 'warn' : 'error';
    this.#logger[level](describeError(error), 'no touch with the other processes');
  }
}
