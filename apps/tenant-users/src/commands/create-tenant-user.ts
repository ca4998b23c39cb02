import { Inject } from '@nestjs/common';
import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type Aggregate, Aggregates, IdentifierTaken } from '#event-store';
import { type CommandContext, isTenantryError, newId, notFound } from '#kernel';
import { type BudgetTerms, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { userIdentifiers } from '../domain/identifiers.js';
import { tenant } from '../domain/tenant.js';
import { tenantUser } from '../domain/tenant-user.decide.js';
import type { PersonalData, TenantUserState } from '../domain/tenant-user.js';
import { DeleteTenantUser } from './delete-tenant-user.js';
import { KitAssignments } from './kit-assignments.js';
import { duplicateRecord, untilNotAbandoned } from './taken-identifiers.js';

export interface NewUser {
  /** Given only for a tenant's default user. */
  id?: string;
  platformId: string;
  tenantId: string;
  isDefault: boolean;
  accountKitId: string;
  /** What the user may spend from the start. */
  openingBudget: BudgetTerms | null;
  personal: PersonalData;
  /** Answer the living user of this external_id instead of refusing. */
  returnExisting?: boolean;
}

export interface CreatedUser {
  id: string;
  user: Aggregate<TenantUserState>;
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
  constructor(
    private readonly aggregates: Aggregates,
    private readonly kits: KitAssignments,
    private readonly commands: CommandBus,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
  ) {}

  /**
   * Throws `duplicate_record` with the existing user's id when the username is taken, or the external_id and not to
   * be returned, and what KitAssignments throws.
   */
  execute({ user, context }: CreateTenantUser): Promise<CreatedUser> {
    return this.kits.during(user.accountKitId, () => this.createInTenant(user, context));
  }

  private async createInTenant(user: NewUser, context: CommandContext): Promise<CreatedUser> {
    const { tenantId } = user;
    if (await this.isDeleted(tenantId)) throw notFound('tenant');
    const made = await this.createOrFind(user, context);
    // The tenant may have been deleted meanwhile; the policy that follows the log does this too, after a crash.
    if (!(await this.isDeleted(tenantId))) return made;
    const deletion = { tenantId, userId: made.id, withTenant: true };
    await this.commands.execute(new DeleteTenantUser(deletion, context)).catch((error: unknown) => {
      if (!isTenantryError(error) || error.code !== 'not_found') throw error;
    });
    throw notFound('tenant');
  }

  private async isDeleted(tenantId: string): Promise<boolean> {
    return (await this.aggregates.peek(tenant, tenantId)).state.lifecycle === 'deleted';
  }

  private async createOrFind(user: NewUser, context: CommandContext): Promise<CreatedUser> {
    try {
      const { id } = user;
      return await (id
        ? this.create(id, user, context)
        : untilNotAbandoned(() => this.create(newId(), user, context)));
    } catch (error) {
      if (!(error instanceof IdentifierTaken)) throw error;
      if (!user.returnExisting || error.kind !== 'user.external_id') throw duplicateRecord(error);
      const found = await this.aggregates.load(tenantUser, error.holder);
      return { id: error.holder, user: found, created: false };
    }
  }

  private async create(id: string, user: NewUser, context: CommandContext): Promise<CreatedUser> {
    const { platformId, tenantId, isDefault, accountKitId, openingBudget, personal } = user;
    const command = {
      kind: 'create' as const,
      platform_id: platformId,
      tenant_id: tenantId,
      is_default: isDefault,
      opening_budget: openingBudget && { limit_micro_usd: openingBudget.limit, period: openingBudget.period },
      account_kit_id: accountKitId,
      subject_key: await this.keys.assign(),
      personal,
    };
    const options = { context, expectNew: true, claims: userIdentifiers(tenantId, personal) };
    const made = await this.aggregates.execute(tenantUser, id, command, options);
    return { id, user: made, created: true };
  }
}
