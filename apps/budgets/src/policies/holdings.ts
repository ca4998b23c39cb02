import { Injectable } from '@nestjs/common';
import { Cascade, Holdings } from '#platform';
import { budget } from '../domain/budget.decide.js';
import { PARTICIPANT } from './cascade.controller.js';

/** Tells what this service would let go of if a user were deleted. */
@Injectable()
export class BudgetHoldings {
  constructor(holdings: Holdings, cascade: Cascade) {
    holdings.register(PARTICIPANT, (user) => cascade.wouldRemove(budget, user));
  }
}
