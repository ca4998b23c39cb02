import { Module } from '@nestjs/common';
import { TOPICS } from '#contracts';
import type { ConsumerOptions } from '#message-bus';
import { ReadModels } from '#platform';
import { BringUpToDateHandler } from './commands/bring-up-to-date.js';
import { BudgetLedger } from './commands/budget-ledger.js';
import { CreditHandler } from './commands/credit.js';
import { OverrideRateLimitHandler } from './commands/override-rate-limit.js';
import { PlaceHoldHandler } from './commands/place-hold.js';
import { ReleaseHoldHandler } from './commands/release-hold.js';
import { SetBudgetHandler } from './commands/set-budget.js';
import { SettleHoldHandler } from './commands/settle-hold.js';
import { SpendHandler } from './commands/spend.js';
import { BudgetOwners } from './http/budget-owners.js';
import { BudgetsController } from './http/budgets.controller.js';
import { HoldsController } from './http/holds.controller.js';
import { RateLimitsController } from './http/rate-limits.controller.js';
import { BUDGETS_CONSUMER, CascadeController, PARTICIPANT } from './policies/cascade.controller.js';
import { BudgetHoldings } from './policies/holdings.js';
import * as projectionModule from './projections.js';
import { Budgets } from './read-models/budgets.js';
import { Holds } from './read-models/holds.js';
import { RateCounters } from './read-models/rate-counters.js';
import { RateLimits } from './read-models/rate-limits.js';

export const budgetsConsumer: ConsumerOptions = {
  group: PARTICIPANT,
  topics: [TOPICS.lifecycle],
  transportId: BUDGETS_CONSUMER,
};

@Module({
  controllers: [BudgetsController, HoldsController, RateLimitsController, CascadeController],
  providers: [
    SetBudgetHandler,
    SpendHandler,
    CreditHandler,
    PlaceHoldHandler,
    SettleHoldHandler,
    ReleaseHoldHandler,
    BringUpToDateHandler,
    OverrideRateLimitHandler,
    BudgetLedger,
    BudgetOwners,
    Budgets,
    Holds,
    RateLimits,
    RateCounters,
    BudgetHoldings,
  ],
})
export class BudgetsModule {
  constructor(readModels: ReadModels) {
    readModels.add(projectionModule);
  }
}
