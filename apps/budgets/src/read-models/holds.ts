import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { isTenantryError, notFound } from '#kernel';
import { EVENT_STORE, ReadModels, SETTINGS, type Settings } from '#platform';
import type { ReadDatabase } from '#projections';
import { BUDGETS } from './budgets.projection.js';
import type { BudgetTables, HoldRow } from './tables.js';

const HOLD_NOT_FOUND = notFound('hold').message;

/** What became of holds; a budget itself knows only those that are open. */
@Injectable()
export class Holds {
  private readonly database: ReadDatabase;

  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly readModels: ReadModels,
  ) {
    this.database = readModels.databaseOf(BUDGETS);
  }

  /** How the hold ended that a command did not find open. Throws the command's error where it never was. */
  async endedInPlaceOf(
    error: unknown,
    owner: { tenantId: string; userId: string },
    holdId: string,
  ): Promise<Exclude<HoldRow['status'], 'held'>> {
    if (!isTenantryError(error) || error.message !== HOLD_NOT_FOUND) throw error;
    // What ended it may be on its way into the read model.
    await this.readModels.settle(BUDGETS, await this.store.head(), this.settings.readYourWritesTimeoutMs);
    const hold = await this.database
      .reader<BudgetTables>()
      .selectFrom('budget_holds')
      .select('status')
      .where('id', '=', holdId)
      .where('user_id', '=', owner.userId)
      .where('tenant_id', '=', owner.tenantId)
      .executeTakeFirst();
    if (!hold || hold.status === 'held') throw error;
    return hold.status;
  }
}
