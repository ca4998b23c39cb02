import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type Clock, newId } from '#kernel';
import { apiKeyPrefix, CLOCK, ContextCommand, createApiKey, hashApiKey, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { keyring } from '../domain/keyring.decide.js';
import type { KeyIssued, KeyringEvent } from '../domain/keyring.js';

export interface NewKey {
  platformId: string;
  tenantId: string;
  userId: string;
  name: string;
  scopes: string[];
  /** RFC 3339 UTC; null for never. */
  expiresAt: string | null;
}

export interface IssuedKey {
  id: string;
  /** Known here and to the caller only. */
  rawKey: string;
  prefix: string;
  name: string;
  scopes: string[];
  issuedAt: string;
  expiresAt: string | null;
  position: bigint;
}

export class IssueKey extends ContextCommand<NewKey, IssuedKey> {}

@CommandHandler(IssueKey)
export class IssueKeyHandler implements ICommandHandler<IssueKey> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `invalid_input` for an expiry in the past and `illegal_state` when the user has too many live keys. */
  async execute({ given: key, context }: IssueKey): Promise<IssuedKey> {
    const { state } = await this.aggregates.peek(keyring, key.userId);
    const rawKey = createApiKey('user');
    const { events, position } = await this.aggregates.execute(
      keyring,
      key.userId,
      {
        kind: 'issue',
        platform_id: key.platformId,
        tenant_id: key.tenantId,
        key_id: newId(),
        key_hash: hashApiKey(rawKey),
        key_prefix: apiKeyPrefix(rawKey),
        scopes: key.scopes,
        issued_at: this.clock.now().toISOString(),
        expires_at: key.expiresAt === null ? null : new Date(key.expiresAt).toISOString(),
        subject_key: state.lifecycle === 'open' ? state.subject_key : await this.subjectKeys.assign(),
        personal: { name: key.name },
      },
      { context, expectNew: state.lifecycle === 'absent' },
    );
    return issuedBy(events, rawKey, position);
  }
}

/** As its event has it: the clock of a repeated request is another one. */
export function issuedBy(events: readonly KeyringEvent[], rawKey: string, position: bigint): IssuedKey {
  const event = events.find(({ type }) => type === 'keyring.key-issued.v1') as KeyIssued | undefined;
  if (!event) throw new Error('a key that was just issued has no event');
  const {
    key_id: id,
    key_prefix: prefix,
    scopes,
    issued_at: issuedAt,
    expires_at: expiresAt,
    personal,
  } = event.data;
  return { id, rawKey, prefix, name: personal?.name ?? '', scopes, issuedAt, expiresAt, position };
}
