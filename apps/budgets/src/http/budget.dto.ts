import { ApiProperty } from '@nestjs/swagger';
import { ChoiceField, TextField, UsdField } from '#platform';
import { PERIODS, type Period } from '../domain/account.js';
import { TRANSACTION_TYPES, type TransactionType } from '../read-models/tables.js';

export class SetBudgetBody {
  @UsdField({ required: true, example: '25.00', description: 'What may be spent in a period.' })
  limit_usd!: string | number;

  @ChoiceField({
    required: true,
    of: PERIODS,
    example: 'monthly',
    description:
      '`monthly` starts afresh with each calendar month in UTC; `none` never does. ' +
      'Another period keeps what is spent so far.',
  })
  period!: Period;
}

export class SpendBody {
  @UsdField({ required: true, example: '1.25', description: 'More than 0, and at most what remains.' })
  amount_usd!: string | number;

  @TextField({ max: 500, nullable: true, example: 'Summary of a report' })
  description?: string | null;
}

export class BudgetResource {
  @ApiProperty({ format: 'uuid' })
  user_id!: string;
  @ApiProperty({ example: '25.00' })
  limit_usd!: string;
  @ApiProperty({ enum: PERIODS })
  period!: Period;
  @ApiProperty({ example: '1.25' })
  spent_usd!: string;
  @ApiProperty({ example: '0.00', description: 'Set aside for spends to come.' })
  held_usd!: string;
  @ApiProperty({ example: '23.75', description: 'What may still be spent; never below 0.' })
  remaining_usd!: string;
  @ApiProperty({ format: 'date-time', description: 'What is spent counts from here.' })
  period_started_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'Exclusive.' })
  period_ends_at!: string | null;
  @ApiProperty({ enum: ['active', 'exhausted'], description: '`exhausted` while nothing remains.' })
  status!: 'active' | 'exhausted';
}

export class TransactionResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ enum: TRANSACTION_TYPES })
  type!: TransactionType;
  @ApiProperty({
    example: '-1.25',
    description: 'Signed: what it adds to the balance, so a spend is negative.',
  })
  amount_usd!: string;
  @ApiProperty({
    example: '23.75',
    description:
      'The balance after it: the sum of the amounts of all transactions so far. ' +
      'Below 0 where the limit was lowered below what is spent.',
  })
  balance_usd!: string;
  @ApiProperty({ type: String, nullable: true, example: 'Summary of a report' })
  description!: string | null;
  @ApiProperty({ format: 'date-time', description: 'Of a `period_reset`: the start of the period.' })
  at!: string;
}

export class TransactionPage {
  @ApiProperty({ type: [TransactionResource] })
  data!: TransactionResource[];
  @ApiProperty({ type: String, nullable: true })
  next_cursor!: string | null;
  @ApiProperty()
  total!: number;
}
