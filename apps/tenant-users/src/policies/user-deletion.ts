import { Inject, Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import {
  type Clock,
  type CommandContext,
  type RecordedEvent,
  streamId,
  systemContext,
  unavailable,
} from '#kernel';
import { CLOCK, IdempotentRequests, KEY_STORE, ReadModels } from '#platform';
import { IdentifierRegistry, type SubjectKeyStore } from '#privacy';
import { deletion, type Removed } from '../domain/deletion.js';
import type { TenantUserDeleted } from '../domain/tenant-user.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { PARTICIPANTS } from './participants.js';

export interface DeletedUser {
  userId: string;
  platformId: string;
  tenantId: string;
  subjectKey: string;
  /** The revision of the user's last event. */
  revision: number;
}

/** For so long a step waits for the directory; then it is tried again. */
const DIRECTORY_TIMEOUT_MS = 1_000;

/** Drives each deletion from the user's last event to the receipt. Every step may run twice. */
@Injectable()
export class UserDeletionProcess {
  readonly name = 'user-deletion';
  readonly categories = ['tenantUser'];

  constructor(
    private readonly aggregates: Aggregates,
    private readonly identifiers: IdentifierRegistry,
    private readonly requests: IdempotentRequests,
    private readonly readModels: ReadModels,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Follows the log, so that a crash right after the user's last event only delays the request. */
  async handle(events: readonly RecordedEvent[]): Promise<void> {
    const deleted = events.filter((event) => event.type === 'tenant-user.deleted.v1');
    await Promise.all(
      deleted.map((event) => {
        const data = event.data as unknown as TenantUserDeleted['data'];
        const cause = { id: event.id, correlationId: event.metadata.correlationId };
        const scope = { platformId: data.platform_id, tenantId: data.tenant_id };
        const user = {
          ...scope,
          userId: streamId(event.stream),
          subjectKey: data.subject_key,
          revision: event.revision,
        };
        return this.request(user, systemContext(cause, scope, this.name));
      }),
    );
  }

  /** Answers the position of the deletion's latest event. */
  async request(user: DeletedUser, context: CommandContext): Promise<bigint> {
    const { position } = await this.aggregates.execute(
      deletion,
      user.userId,
      {
        kind: 'request',
        platform_id: user.platformId,
        tenant_id: user.tenantId,
        user_id: user.userId,
        user_revision: user.revision,
        subject_key: user.subjectKey,
        participants: PARTICIPANTS,
        at: this.now(),
      },
      { context, expectNew: true },
    );
    return position;
  }

  /** Takes a participant's word; the last one's ends the user's personal data. */
  async confirm(
    userId: string,
    confirmation: { participant: string; removed: Removed },
    context: CommandContext,
  ): Promise<void> {
    const options = { context };
    const { state, position } = await this.aggregates.execute(
      deletion,
      userId,
      { kind: 'confirm', ...confirmation, at: this.now() },
      options,
    );
    if (state.phase !== 'pending' || state.awaited.length > 0) return;
    // What it has deleted by then leaves the disk with the key.
    if (!(await this.readModels.waitFor(USER_DIRECTORY, position, DIRECTORY_TIMEOUT_MS)))
      throw unavailable('the user directory has not come to the deletion');
    await this.requests.forget(userId);
    // Before the key, whose destruction leaves no byte of either.
    await this.identifiers.releaseHolder(userId);
    const [keyDestroyedAt = this.now()] = await this.keys.destroy([state.subject_key]);
    // It is tried again until the tables that are made have passed the deletion too.
    this.readModels.requireNoRebuild(USER_DIRECTORY);
    const complete = { kind: 'complete' as const, keyDestroyedAt, at: this.now() };
    await this.aggregates.execute(deletion, userId, complete, options);
  }

  private now(): string {
    return this.clock.now().toISOString();
  }
}
