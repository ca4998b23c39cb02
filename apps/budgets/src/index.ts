export { BudgetsModule, budgetsConsumer } from './budgets.module.js';
