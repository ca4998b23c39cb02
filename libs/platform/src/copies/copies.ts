import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Message } from '#contracts';
import { isTenantryError, unavailable } from '#kernel';
import type { ReadDatabase } from '#projections';
import { DURABLE_DATABASE } from '../tokens.js';
import { type CopiedData, type Copy, type CopyKind, changed, changesOf, copiesOf, GONE } from './copy.js';
import { CopyTable } from './copy-table.js';
import { TenantUsersClient } from './tenant-users-client.js';

const MAX_CACHED = 50_000;
/** Nobody can name a key before it was made, so a hash that nobody knows is no key for a while. */
const UNKNOWN_KEY_MS = 5_000;
/** Anyone can make up keys, so that asking for them is bounded; the rest is asked for by callers who are known. */
const MAX_KEYS_ASKED = 1_000;

/**
 * This service's copies of platforms, tenants, platform keys, account kits and users, fed by the bus. What the bus has
 * not told yet, or told with a gap, is asked of the tenant-users service, once; so nothing that was created is unknown
 * a moment later, and what is known goes on being known while that service is away.
 */
@Injectable()
export class Copies implements OnModuleInit {
  private readonly table: CopyTable;
  /** Of a database that no other process writes to; elsewhere each look-up asks the database. */
  private readonly cache: LRUCache<string, Copy> | undefined;
  private readonly asked = new Map<string, Promise<void>>();
  private keysAsked = 0;
  private readonly unknownKeys = new LRUCache<string, true>({ max: MAX_CACHED, ttl: UNKNOWN_KEY_MS });
  /** Counts the changes, so that what was read before one is not kept after it. */
  private changes = 0;

  constructor(
    @Inject(DURABLE_DATABASE) database: ReadDatabase,
    private readonly tenantUsers: TenantUsersClient,
  ) {
    this.table = new CopyTable(database);
    this.cache = database.dialect === 'sqlite' ? new LRUCache({ max: MAX_CACHED }) : undefined;
  }

  async onModuleInit(): Promise<void> {
    await this.table.create();
  }

  /** Undefined where there is no such thing, or no longer. Rejects with `unavailable` where nobody can tell. */
  async find<Kind extends CopyKind>(kind: Kind, id: string): Promise<CopiedData[Kind] | undefined> {
    const name = `${kind}:${id}`;
    const copy = this.cache?.get(name) ?? (await this.known(kind, id));
    return (copy?.data ?? undefined) as CopiedData[Kind] | undefined;
  }

  private async known(kind: CopyKind, id: string): Promise<Copy | undefined> {
    let copy: Copy | undefined;
    try {
      copy = await this.read(kind, id);
    } catch (error) {
      if (!isTenantryError(error) || error.kind !== 'unavailable') throw error;
      // The copies are away, and nothing can be kept; whoever they were made for can still tell.
      const copies = copiesOf(await this.tenantUsers.messages(kind, id));
      return copies.find((one) => one.kind === kind && one.id === id);
    }
    return copy ?? this.ask(kind, id);
  }

  /** Takes what messages tell, in any order and any number of times; resolves once it is kept. */
  async take(messages: readonly Message<object>[]): Promise<void> {
    const changes = messages.flatMap(changesOf);
    await Promise.all(
      changes.map((change) => this.update(change.kind, change.id, (known) => changed(known, change))),
    );
  }

  private async read(kind: CopyKind, id: string): Promise<Copy | undefined> {
    const { changes } = this;
    const copy = await this.table.find(kind, id);
    // What is out of date is as good as unknown.
    if (!copy || (copy.data === null && copy.revision !== GONE)) return undefined;
    if (changes === this.changes) this.cache?.set(`${kind}:${id}`, copy);
    return copy;
  }

  private async ask(kind: CopyKind, id: string): Promise<Copy | undefined> {
    const name = `${kind}:${id}`;
    if (this.unknownKeys.has(name)) return undefined;
    await (this.asked.get(name) ?? this.startAsking(kind, id));
    const copy = await this.read(kind, id);
    if (!copy && kind === 'platform_key_hash') this.unknownKeys.set(name, true);
    return copy;
  }

  private startAsking(kind: CopyKind, id: string): Promise<void> {
    const ofKey = kind === 'platform_key_hash' ? 1 : 0;
    if (this.keysAsked + ofKey > MAX_KEYS_ASKED) {
      throw unavailable('too many keys are being looked up', { unlogged: true });
    }
    this.keysAsked += ofKey;
    const name = `${kind}:${id}`;
    const asking = this.fetch(kind, id).finally(() => {
      this.asked.delete(name);
      this.keysAsked -= ofKey;
    });
    this.asked.set(name, asking);
    return asking;
  }

  private async fetch(kind: CopyKind, id: string): Promise<void> {
    const copies = copiesOf(await this.tenantUsers.messages(kind, id));
    await Promise.all(
      copies.map((copy) =>
        // What is told by the whole story replaces what is out of date at the same revision.
        this.update(copy.kind, copy.id, (known) =>
          !known || copy.revision > known.revision || (copy.revision === known.revision && !known.data)
            ? copy
            : undefined,
        ),
      ),
    );
  }

  private async update(
    kind: CopyKind,
    id: string,
    next: (known: Copy | undefined) => Copy | undefined,
  ): Promise<void> {
    await this.table.update(kind, id, (known) => {
      const copy = next(known);
      if (copy) this.forget(`${kind}:${id}`);
      return copy;
    });
    this.forget(`${kind}:${id}`);
  }

  /** Before the change, so that nobody takes the old for the new, and after it, for whoever read in between. */
  private forget(name: string): void {
    this.changes++;
    this.cache?.delete(name);
  }
}
