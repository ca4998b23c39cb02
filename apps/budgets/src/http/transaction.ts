import { formatUsd } from '#kernel';
import type { Transaction } from '../commands/budget-ledger.js';
import type { TransactionType } from '../read-models/tables.js';
import type { TransactionResource } from './budget.dto.js';

/** A row as the answer to the command that added it. */
export const transactionResource = (type: TransactionType, added: Transaction): TransactionResource => ({
  id: added.id,
  type,
  amount_usd: formatUsd(added.amount),
  balance_usd: formatUsd(added.balance),
  description: added.description,
  at: added.at,
});
