import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { tenantUser } from '../domain/tenant-user.decide.js';
import { UserDeletionProcess } from '../policies/user-deletion.js';

export interface UserDeletion {
  tenantId: string;
  userId: string;
  /** Refuse with `revision_mismatch` unless the user is at this revision. */
  ifRevision?: number;
  /** The whole tenant goes, and its default user with it. */
  withTenant?: boolean;
}

/** Answers the position of the deletion's request: from there on the user is gone. */
export class DeleteTenantUser extends ContextCommand<UserDeletion> {}

@CommandHandler(DeleteTenantUser)
export class DeleteTenantUserHandler implements ICommandHandler<DeleteTenantUser> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly process: UserDeletionProcess,
  ) {}

  async execute({ given: deletion, context }: DeleteTenantUser): Promise<bigint> {
    const { tenantId, userId, ifRevision, withTenant = false } = deletion;
    const { state, revision } = await this.aggregates.execute(
      tenantUser,
      userId,
      { kind: 'delete', tenant_id: tenantId, with_tenant: withTenant },
      { context, ...(ifRevision !== undefined && { ifRevision }) },
    );
    if (state.lifecycle !== 'deleted' || revision === 'no_stream') {
      throw new Error('a deleted user is in another state');
    }
    const { platform_id: platformId, subject_key: subjectKey } = state;
    const user = { userId, platformId, tenantId, subjectKey, revision };
    return this.process.request(user, context);
  }
}
