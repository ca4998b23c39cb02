import { Injectable } from '@nestjs/common';
import { isTenantryError, type RecordedEvent, streamId, systemContext } from '#kernel';
import { KitDeletions } from '../commands/kit-deletions.js';
import type { AccountKitClosing } from '../domain/account-kit.js';

/** Ends the deletions of kits that a crash has cut short, so that none stays closed for ever. Every step may run twice. */
@Injectable()
export class KitDeletionProcess {
  readonly name = 'kit-deletion';
  readonly categories = ['accountKit'];

  constructor(private readonly deletions: KitDeletions) {}

  async handle(events: readonly RecordedEvent[]): Promise<void> {
    for (const event of events) if (event.type === 'account-kit.closing.v1') await this.end(event);
  }

  private async end(event: RecordedEvent): Promise<void> {
    const { platform_id: platformId } = event.data as unknown as AccountKitClosing['data'];
    const cause = { id: event.id, correlationId: event.metadata.correlationId };
    const closed = { platformId, kitId: streamId(event.stream), revision: event.revision };
    try {
      await this.deletions.end(closed, systemContext(cause, { platformId, tenantId: null }, this.name));
    } catch (error) {
      // It is in use, and open again.
      if (!isTenantryError(error) || error.code !== 'illegal_state') throw error;
    }
  }
}
