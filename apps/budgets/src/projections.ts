import type { AnyProjection, ProjectionModule } from '#worker/projections';
import { BudgetsProjection } from './read-models/budgets.projection.js';

/** What this service makes of its log, in whichever thread runs it: nothing here loads Nest. */
export const { url, projections }: ProjectionModule = {
  url: import.meta.url,
  projections: async () => [new BudgetsProjection() as unknown as AnyProjection],
};
