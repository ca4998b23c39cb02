import { Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { Holdings, type Removed } from '#platform';
import type { UserDeletion } from '../commands/delete-tenant-user.js';
import { tenantUser } from '../domain/tenant-user.decide.js';

/** Tells what the deletion of a user would remove. */
@Injectable()
export class DeletionPreviews {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly holdings: Holdings,
  ) {}

  /** Throws what the deletion itself would throw now. */
  async of(platformId: string, { tenantId, userId, ifRevision }: UserDeletion): Promise<Removed> {
    const command = { kind: 'delete' as const, tenant_id: tenantId };
    const condition = ifRevision === undefined ? {} : { ifRevision };
    await this.aggregates.preview(tenantUser, userId, command, condition);
    return this.holdings.of({ platform_id: platformId, tenant_id: tenantId, user_id: userId });
  }
}
