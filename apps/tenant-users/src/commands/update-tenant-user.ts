import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates, IdentifierTaken } from '#event-store';
import type { CommandContext } from '#kernel';
import { ContextCommand } from '#platform';
import { userIdentifiers } from '../domain/identifiers.js';
import { tenantUser } from '../domain/tenant-user.decide.js';
import type { UserChanges } from '../domain/tenant-user.js';
import { KitAssignments } from './kit-assignments.js';
import { duplicateRecord } from './taken-identifiers.js';

export interface UserUpdate {
  tenantId: string;
  userId: string;
  changes: UserChanges;
  /** Refuse with `revision_mismatch` unless the user is at this revision. */
  ifRevision?: number;
}

/** Answers the position of the user's latest event. */
export class UpdateTenantUser extends ContextCommand<UserUpdate> {}

@CommandHandler(UpdateTenantUser)
export class UpdateTenantUserHandler implements ICommandHandler<UpdateTenantUser> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly kits: KitAssignments,
  ) {}

  /** Throws `duplicate_record` with the id of the user who has the username, and what KitAssignments throws. */
  execute({ given: update, context }: UpdateTenantUser): Promise<bigint> {
    const { account_kit_id: kitId } = update.changes;
    const change = () => this.change(update, context);
    return kitId === undefined ? change() : this.kits.during(kitId, change);
  }

  private async change(update: UserUpdate, context: CommandContext): Promise<bigint> {
    const { tenantId, userId, changes, ifRevision } = update;
    const command = { kind: 'update' as const, tenant_id: tenantId, changes };
    const condition = ifRevision === undefined ? {} : { ifRevision };
    const options = { context, ...condition, claims: userIdentifiers(tenantId, changes) };
    try {
      return (await this.aggregates.execute(tenantUser, userId, command, options)).position;
    } catch (error) {
      throw error instanceof IdentifierTaken ? duplicateRecord(error) : error;
    }
  }
}
