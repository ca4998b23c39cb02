import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { MESSAGE_TYPES, TOPICS, type UserDeleted } from '#contracts';
import { Aggregates } from '#event-store';
import { type Clock, newId } from '#kernel';
import type { MessageBus } from '#message-bus';
import { AppLogger, CLOCK, MESSAGE_BUS } from '#platform';
import { deletion, type RequestedDeletion } from '../domain/deletion.js';
import { Deletions } from '../read-models/deletions.js';

const INTERVAL_MS = 30_000;
const BATCH = 500;

/**
 * Says again that a user was deleted while participants stay silent, so that a message that was dead-lettered
 * does not hold a deletion up for ever. Participants that have closed already just confirm again.
 */
@Injectable()
export class DeletionReminders implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly deletions: Deletions,
    private readonly aggregates: Aggregates,
    private readonly logger: AppLogger,
    @Inject(MESSAGE_BUS) private readonly bus: MessageBus,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.remind().catch((error: unknown) => this.logger.failure(error, { policy: 'deletion-reminders' }));
    }, INTERVAL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Answers how many users were spoken of. */
  async remind(): Promise<number> {
    const before = new Date(this.clock.now().getTime() - INTERVAL_MS).toISOString();
    const userIds = await this.deletions.laggards(before, BATCH);
    for (const userId of userIds) {
      const { state } = await this.aggregates.load(deletion, userId);
      if (state.phase !== 'pending') continue;
      this.logger.info({ userId, awaited: state.awaited }, 'a deletion is still awaited');
      await this.bus.publish(TOPICS.lifecycle, [this.message(userId, state)]);
    }
    return userIds.length;
  }

  private message(userId: string, state: RequestedDeletion) {
    const { platform_id, tenant_id, user_revision } = state;
    const data: UserDeleted = { platform_id, tenant_id, user_id: userId, revision: user_revision };
    const id = newId();
    return {
      id,
      type: MESSAGE_TYPES.userDeleted,
      source: '/tenantry/tenant-users',
      subject: userId,
      time: this.clock.now().toISOString(),
      correlationId: id,
      causationId: id,
      data,
    };
  }
}
