import {
  type AccountKitCreated,
  type AccountKitDeleted,
  type AccountKitTerms,
  type AccountKitUpdated,
  MESSAGE_TYPES,
  type Message,
  type PlatformCreated,
  type PlatformKeyIssued,
  type PlatformKeyRevoked,
  type TenantCreated,
  type TenantDeleted,
  type UserCreated,
  type UserDeleted,
  type UserUpdated,
} from '#contracts';

/** What a service keeps of the things that the tenant-users service owns, by kind; nothing of it is personal. */
export interface CopiedData {
  platform: Omit<PlatformCreated, 'platform_id'>;
  tenant: Omit<TenantCreated, 'tenant_id'>;
  platform_key: Omit<PlatformKeyIssued, 'key_hash'>;
  /** By the SHA-256 of the key. */
  platform_key_hash: Pick<PlatformKeyIssued, 'key_id'>;
  account_kit: AccountKitTerms & { platform_id: string };
  user: Pick<UserCreated, 'platform_id' | 'tenant_id' | 'account_kit_id' | 'status' | 'opening_budget'> & {
    created_at: string;
  };
}

export const COPY_KINDS = [
  'platform',
  'tenant',
  'platform_key',
  'platform_key_hash',
  'account_kit',
  'user',
] as const satisfies readonly (keyof CopiedData)[];

export type CopyKind = (typeof COPY_KINDS)[number];

/** `data` is null where the thing is gone, and where what is known of it is out of date. */
export interface Copy {
  kind: CopyKind;
  id: string;
  revision: number;
  data: object | null;
}

/** Beyond every other revision: what is gone never comes back. */
export const GONE = Number.MAX_SAFE_INTEGER;

/** What a message tells of one thing. `follows`: the change holds only what changed since the revision before. */
type Change = { kind: CopyKind; id: string; revision: number } & (
  | { set: object | null }
  | { changed: object; follows: boolean }
);

const gone = (kind: CopyKind, id: string): Change => ({ kind, id, revision: GONE, set: null });

const CHANGES: { readonly [type: string]: (data: never, message: Message<object>) => Change[] } = {
  [MESSAGE_TYPES.platformCreated]: ({ platform_id: id, ...set }: PlatformCreated) => [
    { kind: 'platform', id, revision: 0, set },
  ],
  [MESSAGE_TYPES.tenantCreated]: ({ tenant_id: id, ...set }: TenantCreated) => [
    { kind: 'tenant', id, revision: 0, set },
  ],
  [MESSAGE_TYPES.tenantDeleted]: ({ tenant_id }: TenantDeleted) => [gone('tenant', tenant_id)],
  [MESSAGE_TYPES.platformKeyIssued]: ({ key_hash, ...set }: PlatformKeyIssued) => [
    { kind: 'platform_key', id: set.key_id, revision: 0, set },
    { kind: 'platform_key_hash', id: key_hash, revision: 0, set: { key_id: set.key_id } },
  ],
  [MESSAGE_TYPES.platformKeyRevoked]: ({ key_id }: PlatformKeyRevoked) => [gone('platform_key', key_id)],
  [MESSAGE_TYPES.accountKitCreated]: ({ account_kit_id: id, ...kit }: AccountKitCreated) => {
    const { platform_id, revision, terms } = kit;
    return [{ kind: 'account_kit', id, revision, set: { platform_id, ...terms } }];
  },
  [MESSAGE_TYPES.accountKitUpdated]: ({ account_kit_id: id, revision, terms }: AccountKitUpdated) => [
    { kind: 'account_kit', id, revision, changed: terms, follows: true },
  ],
  [MESSAGE_TYPES.accountKitDeleted]: ({ account_kit_id: id }: AccountKitDeleted) => [gone('account_kit', id)],
  [MESSAGE_TYPES.userCreated]: (user: UserCreated, { time: created_at }) => {
    const { platform_id, tenant_id, account_kit_id, status, opening_budget, revision } = user;
    const set = { platform_id, tenant_id, account_kit_id, status, opening_budget, created_at };
    return [{ kind: 'user', id: user.user_id, revision, set }];
  },
  [MESSAGE_TYPES.userUpdated]: ({ user_id: id, status, account_kit_id, revision }: UserUpdated) => [
    { kind: 'user', id, revision, changed: { status, account_kit_id }, follows: false },
  ],
  [MESSAGE_TYPES.userDeleted]: ({ user_id }: UserDeleted) => [gone('user', user_id)],
};

/** The messages that copies are made of. */
export const COPIED_TYPES: readonly string[] = Object.keys(CHANGES);

export const changesOf = (message: Message<object>): Change[] =>
  CHANGES[message.type]?.(message.data as never, message) ?? [];

/** What is known after the change; undefined where it tells nothing new. Repeated and late ones change nothing. */
export function changed(known: Copy | undefined, change: Change): Copy | undefined {
  const { kind, id, revision } = change;
  if (known && known.revision >= revision) return undefined;
  if ('set' in change) return { kind, id, revision, data: change.set };
  const isComplete = known?.data && (!change.follows || known.revision === revision - 1);
  return { kind, id, revision, data: isComplete ? { ...known.data, ...change.changed } : null };
}

/** What is known after all of these messages, which tell the whole story of one thing, in order. */
export function copiesOf(messages: readonly Message<object>[]): Copy[] {
  const copies = new Map<string, Copy>();
  for (const change of messages.flatMap(changesOf)) {
    const name = `${change.kind}:${change.id}`;
    const copy = changed(copies.get(name), change);
    if (copy) copies.set(name, copy);
  }
  return [...copies.values()];
}
