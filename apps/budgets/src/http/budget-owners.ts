import { Injectable } from '@nestjs/common';
import { illegalState } from '#kernel';
import { type KnownUser, type PlatformAccess, UserDirectory } from '#platform';
import type { BudgetOwner } from '../commands/budget-ledger.js';
import type { LimitedUser } from '../read-models/rate-limits.js';

export interface Owner extends BudgetOwner, LimitedUser {
  status: KnownUser['status'];
}

/** Finds the users whose budgets and limits they are. */
@Injectable()
export class BudgetOwners {
  constructor(private readonly users: UserDirectory) {}

  /** Throws `not_found` unless the tenant has this user. */
  async find({ platformId, tenant }: PlatformAccess, userId: string): Promise<Owner> {
    const user = await this.users.require(tenant.id, userId);
    return { platformId, tenantId: tenant.id, userId, ...user };
  }

  /** Throws `illegal_state` too, unless the user is active. */
  async findActive(access: PlatformAccess, userId: string): Promise<Owner> {
    const owner = await this.find(access, userId);
    if (owner.status !== 'active') throw illegalState("only an active user's budget and limits can be used");
    return owner;
  }
}
