import { Inject } from '@nestjs/common';
import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type CommandContext, isTenantryError, newId, notFound } from '#kernel';
import { type BudgetTerms, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { tenant } from '../domain/tenant.js';
import { tenantUser } from '../domain/tenant-user.decide.js';
import type { CreateUser, PersonalData, Standing, UsernameClaim } from '../domain/tenant-user.js';
import { BlindIndexes } from './blind-indexes.js';
import { DeleteTenantUser } from './delete-tenant-user.js';
import { KitAssignments } from './kit-assignments.js';
import { UserIds } from './user-ids.js';
import { Usernames } from './usernames.js';

export interface NewUser {
  /** Given only for a tenant's default user; else derived from the external_id, or made. */
  id?: string;
  platformId: string;
  tenantId: string;
  isDefault: boolean;
  standing: Omit<Standing, 'status'>;
  /** What the user may spend from the start. */
  openingBudget: BudgetTerms | null;
  personal: PersonalData;
  /** Answer the living user of this external_id instead of refusing. */
  returnExisting?: boolean;
}

/** What stands for the values that are unique in the tenant. */
interface NewUserIndexes {
  externalId: string | null;
  username: string | null;
}

export interface CreatedUser {
  id: string;
  /** The position of the user's latest event. */
  position: bigint;
  /** False where the user was there already. */
  created: boolean;
}

export class CreateTenantUser extends Command<CreatedUser> {
  constructor(
    readonly user: NewUser,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(CreateTenantUser)
export class CreateTenantUserHandler implements ICommandHandler<CreateTenantUser> {
  @Inject() private readonly kits!: KitAssignments;

  constructor(
    private readonly aggregates: Aggregates,
    private readonly userIds: UserIds,
    private readonly usernames: Usernames,
    private readonly blindIndexes: BlindIndexes,
    private readonly commands: CommandBus,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
  ) {}

  /**
   * Throws `duplicate_record` with the existing user's id when the username is taken, or the external_id and not to
   * be returned, and what KitAssignments throws.
   */
  execute({ user, context }: CreateTenantUser): Promise<CreatedUser> {
    const kitId = user.standing.account_kit_id;
    return this.kits.during(kitId, () => this.createInTenant(user, context));
  }

  private async createInTenant(user: NewUser, context: CommandContext): Promise<CreatedUser> {
    const { tenantId } = user;
    if (await this.isDeleted(tenantId)) throw notFound('tenant');
    const made = await this.create(user, context);
    // The tenant may have been deleted meanwhile; the policy that follows the log does this too, after a crash.
    if (!(await this.isDeleted(tenantId))) return made;
    const deletion = { tenantId, userId: made.id, withTenant: true };
    await this.commands.execute(new DeleteTenantUser(deletion, context)).catch((error: unknown) => {
      if (!isTenantryError(error) || error.code !== 'not_found') throw error;
    });
    throw notFound('tenant');
  }

  private async isDeleted(tenantId: string): Promise<boolean> {
    return (await this.aggregates.load(tenant, tenantId)).state.lifecycle === 'deleted';
  }

  private create(user: NewUser, context: CommandContext): Promise<CreatedUser> {
    const { tenantId, personal } = user;
    const { external_id: externalId } = personal;
    const indexes = {
      externalId: externalId === null ? null : this.userIds.externalIdIndex(tenantId, externalId),
      username: this.usernames.indexOf(tenantId, personal.username),
    };
    if (indexes.username === null) return this.createInTurn(user, indexes, context);
    const turn = { userId: indexes.externalId, indexes: [indexes.username] };
    return this.usernames.inTurn(turn, () => this.createInTurn(user, indexes, context));
  }

  private async createInTurn(
    user: NewUser,
    indexes: NewUserIndexes,
    context: CommandContext,
  ): Promise<CreatedUser> {
    for (let generation = 0; ; generation++) {
      const id = user.id ?? this.idFor(user, indexes.externalId, generation);
      try {
        const username_claim = await this.claimUsername(user, id, indexes, context);
        const command = { ...(await this.commandFor(user, id, indexes.externalId)), username_claim };
        const { position } = await this.aggregates.execute(tenantUser, id, command, {
          context,
          expectNew: true,
        });
        return { id, position, created: true };
      } catch (error) {
        if (user.returnExisting && isExternalIdTaken(error)) {
          const { position } = await this.aggregates.load(tenantUser, id);
          return { id, position, created: false };
        }
        // The stream belongs to a deleted user: the external_id is free again, in the next generation.
        if (!isTenantryError(error) || error.code !== 'illegal_state' || user.id) throw error;
      }
    }
  }

  /** None for a user who is there already, who will be refused. */
  private async claimUsername(
    { platformId, tenantId }: NewUser,
    id: string,
    { externalId, username }: NewUserIndexes,
    context: CommandContext,
  ): Promise<UsernameClaim | null> {
    if (username === null) return null;
    const isNew =
      externalId === null || (await this.aggregates.load(tenantUser, id)).state.lifecycle === 'absent';
    const claimant = { platform_id: platformId, tenant_id: tenantId, user_id: id };
    return isNew ? this.usernames.claim(claimant, username, context) : null;
  }

  private idFor({ tenantId, personal }: NewUser, index: string | null, generation: number): string {
    if (personal.external_id === null || index === null) return newId();
    return generation === 0 ? index : this.userIds.derive(tenantId, personal.external_id, generation);
  }

  private async commandFor(user: NewUser, id: string, index: string | null): Promise<CreateUser> {
    const { platformId, tenantId, isDefault, standing, openingBudget, personal } = user;
    return {
      kind: 'create',
      id,
      platform_id: platformId,
      tenant_id: tenantId,
      is_default: isDefault,
      external_id_index: index,
      opening_budget: openingBudget && { limit_micro_usd: openingBudget.limit, period: openingBudget.period },
      subject_key: await this.keys.assign(),
      indexes: this.blindIndexes.ofAll(tenantId, personal),
      standing,
      personal,
    };
  }
}

const isExternalIdTaken = (error: unknown): boolean =>
  isTenantryError(error) &&
  error.code === 'duplicate_record' &&
  error.details.errors?.some(({ field }) => field === 'external_id') === true;
