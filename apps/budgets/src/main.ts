import { CopiesModule, copiesConsumer, runService } from '#platform';
import { BudgetsModule, budgetsConsumer } from './budgets.module.js';

await runService({
  name: 'budgets',
  modules: [CopiesModule, BudgetsModule],
  consumers: [budgetsConsumer, copiesConsumer('budgets')],
  follows: true,
});
