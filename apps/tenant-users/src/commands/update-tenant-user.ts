import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type Aggregate, Aggregates, IdentifierTaken } from '#event-store';
import type { CommandContext } from '#kernel';
import { ContextCommand } from '#platform';
import { userIdentifiers } from '../domain/identifiers.js';
import { tenantUser } from '../domain/tenant-user.decide.js';
import type { TenantUserState, UserChanges } from '../domain/tenant-user.js';
import { KitAssignments } from './kit-assignments.js';
import { duplicateRecord } from './taken-identifiers.js';

export interface UserUpdate {
  tenantId: string;
  userId: string;
  changes: UserChanges;
  /** Refuse with `revision_mismatch` unless the user is at this revision. */
  ifRevision?: number;
}

/** Answers the user as it is then. */
export class UpdateTenantUser extends ContextCommand<UserUpdate, Aggregate<TenantUserState>> {}

@CommandHandler(UpdateTenantUser)
export class UpdateTenantUserHandler implements ICommandHandler<UpdateTenantUser> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly kits: KitAssignments,
  ) {}

  /** Throws `duplicate_record` with the id of the user who has the username, and what KitAssignments throws. */
  execute({ given: update, context }: UpdateTenantUser): Promise<Aggregate<TenantUserState>> {
    const { account_kit_id: kitId } = update.changes;
    const change = () => this.change(update, context);
    return kitId === undefined ? change() : this.kits.during(kitId, change);
  }

  private async change(update: UserUpdate, context: CommandContext): Promise<Aggregate<TenantUserState>> {
    const { tenantId, userId, changes, ifRevision } = update;
    const command = { kind: 'update' as const, tenant_id: tenantId, changes };
    const condition = ifRevision === undefined ? {} : { ifRevision };
    const options = { context, ...condition, claims: userIdentifiers(tenantId, changes) };
    try {
      return await this.aggregates.execute(tenantUser, userId, command, options);
    } catch (error) {
      throw error instanceof IdentifierTaken ? duplicateRecord(error) : error;
    }
  }
}
