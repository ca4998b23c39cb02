import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import type { CommandContext } from '#kernel';
import { tenantUser } from '../domain/tenant-user.decide.js';
import type { UserChanges } from '../domain/tenant-user.js';
import { BlindIndexes } from './blind-indexes.js';

export interface UserUpdate {
  tenantId: string;
  userId: string;
  changes: UserChanges;
  /** Refuse with `revision_mismatch` unless the user is at this revision. */
  ifRevision?: number;
}

/** Answers the position of the user's latest event. */
export class UpdateTenantUser extends Command<bigint> {
  constructor(
    readonly update: UserUpdate,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(UpdateTenantUser)
export class UpdateTenantUserHandler implements ICommandHandler<UpdateTenantUser> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly blindIndexes: BlindIndexes,
  ) {}

  async execute({ update, context }: UpdateTenantUser): Promise<bigint> {
    const { tenantId, userId, changes, ifRevision } = update;
    const { position } = await this.aggregates.execute(
      tenantUser,
      userId,
      { kind: 'update', tenant_id: tenantId, changes, indexes: this.blindIndexes.of(tenantId, changes) },
      { context, ...(ifRevision !== undefined && { ifRevision }) },
    );
    return position;
  }
}
