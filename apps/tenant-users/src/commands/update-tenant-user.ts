import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type CommandContext, isTenantryError } from '#kernel';
import { tenantUser } from '../domain/tenant-user.decide.js';
import type { LivingTenantUser, UpdateUser, UserChanges } from '../domain/tenant-user.js';
import { BlindIndexes } from './blind-indexes.js';
import { KitAssignments } from './kit-assignments.js';
import { Usernames } from './usernames.js';

const MAX_ATTEMPTS = 8;

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
    private readonly kits: KitAssignments,
    private readonly blindIndexes: BlindIndexes,
    private readonly usernames: Usernames,
  ) {}

  /** Throws `duplicate_record` with the id of the user who has the username, and what KitAssignments throws. */
  execute({ update, context }: UpdateTenantUser): Promise<bigint> {
    const { account_kit_id: kitId } = update.changes;
    const change = () => this.change(update, context);
    return kitId === undefined ? change() : this.kits.during(kitId, change);
  }

  private change(update: UserUpdate, context: CommandContext): Promise<bigint> {
    if (update.changes.username === undefined) return this.write(update, context);
    return this.usernames.inTurn({ userId: update.userId }, () => this.rename(update, context));
  }

  private async rename(update: UserUpdate, context: CommandContext): Promise<bigint> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.renameFrom(await this.current(update), update, context);
      } catch (error) {
        // Another process changed the username, or took the claim for abandoned.
        const isConflict = isTenantryError(error) && error.code === 'conflict';
        if (!isConflict || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  private async renameFrom(
    { platform_id, tenant_id, username_claim: before, username_epoch: epoch }: LivingTenantUser,
    update: UserUpdate,
    context: CommandContext,
  ): Promise<bigint> {
    const user_id = update.userId;
    const index = this.usernames.indexOf(tenant_id, update.changes.username);
    const isKept = before?.index === index;
    return this.usernames.inTurn({ indexes: [before?.index, index] }, async () => {
      const claimed =
        index === null || isKept
          ? null
          : await this.usernames.claim({ platform_id, tenant_id, user_id }, index, context);
      const claim = isKept ? before : claimed;
      const position = await this.write(update, context, { claim, epoch });
      if (before && !isKept) await this.usernames.release(before, context);
      return position;
    });
  }

  /** The user as it is. Throws what a patch would be refused for, so that nothing is claimed in vain. */
  private async current({ tenantId, userId, ifRevision }: UserUpdate): Promise<LivingTenantUser> {
    const nothing = { kind: 'update' as const, tenant_id: tenantId, changes: {}, indexes: {} };
    const condition = ifRevision === undefined ? {} : { ifRevision };
    const state = await this.aggregates.preview(tenantUser, userId, nothing, condition);
    if (state.lifecycle !== 'alive') throw new Error('a user that can be changed is in another state');
    return state;
  }

  private async write(
    { tenantId, userId, changes, ifRevision }: UserUpdate,
    context: CommandContext,
    username?: UpdateUser['username'],
  ): Promise<bigint> {
    const indexes = this.blindIndexes.of(tenantId, changes);
    const given = { tenant_id: tenantId, changes, indexes, ...(username && { username }) };
    const { position } = await this.aggregates.execute(
      tenantUser,
      userId,
      { kind: 'update', ...given },
      { context, ...(ifRevision !== undefined && { ifRevision }) },
    );
    return position;
  }
}
