import { Module } from '@nestjs/common';
import { TOPICS } from '#contracts';
import type { ConsumerOptions } from '#message-bus';
import { ReadModels } from '#platform';
import { SetBudgetHandler } from './commands/set-budget.js';
import { SpendHandler } from './commands/spend.js';
import { BudgetsController } from './http/budgets.controller.js';
import { BUDGETS_CONSUMER, CascadeController, PARTICIPANT } from './policies/cascade.controller.js';
import { BudgetHoldings } from './policies/holdings.js';
import { Budgets } from './read-models/budgets.js';
import { BudgetsProjection } from './read-models/budgets.projection.js';

export const budgetsConsumer: ConsumerOptions = {
  group: PARTICIPANT,
  topics: [TOPICS.lifecycle],
  transportId: BUDGETS_CONSUMER,
};

@Module({
  controllers: [BudgetsController, CascadeController],
  providers: [SetBudgetHandler, SpendHandler, Budgets, BudgetsProjection, BudgetHoldings],
})
export class BudgetsModule {
  constructor(readModels: ReadModels, projection: BudgetsProjection) {
    readModels.project(projection);
  }
}
