import { ApiProperty } from '@nestjs/swagger';
import { ChoiceField, PageOf, TextField, UsdField } from '#platform';
import { PERIODS, type Period } from '../domain/account.js';
import { TRANSACTION_TYPES, type TransactionType } from '../read-models/tables.js';
import { CountField } from './count-field.js';

const MAX_HOLD_SECONDS = 31 * 24 * 60 * 60;

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

export class CreditBody {
  @UsdField({ required: true, example: '5.00', description: 'More than 0.' })
  amount_usd!: string | number;

  @TextField({ max: 500, nullable: true, example: 'Goodwill' })
  description?: string | null;
}

export class HoldBody {
  @UsdField({ required: true, example: '2.00', description: 'More than 0, and at most what remains.' })
  amount_usd!: string | number;

  @CountField({
    max: MAX_HOLD_SECONDS,
    default: 600,
    example: 600,
    description: 'By then it is settled or released, or it lets go of the amount by itself.',
  })
  expires_in_seconds?: number;

  @TextField({ max: 500, nullable: true, example: 'A long run of a model' })
  description?: string | null;
}

export class SettleBody {
  @UsdField({
    required: true,
    example: '1.40',
    description: 'What is spent in place of the hold: less than was held, or more, up to what remains.',
  })
  amount_usd!: string | number;
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
  @ApiProperty({
    example: '0.00',
    description:
      'Set aside by open holds. One that is open when a month ends stays so and counts in the month in which ' +
      'it is settled.',
  })
  held_usd!: string;
  @ApiProperty({
    example: '23.75',
    description:
      'What may still be spent: the limit and the credits less what is spent and held; never below 0. ' +
      'Credits are used where the limit does not reach, and what is left of them outlives the period.',
  })
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
    description:
      'Signed: what it adds to the balance. A spend or a hold is negative, a release gives back what was held, ' +
      'and a settlement what was held less what is spent.',
  })
  amount_usd!: string;
  @ApiProperty({
    example: '23.75',
    description:
      'The balance after it: the sum of the amounts of all transactions so far, which is what remains. ' +
      'Below 0 where the limit was lowered below what is spent and held.',
  })
  balance_usd!: string;
  @ApiProperty({ type: String, nullable: true, example: 'Summary of a report' })
  description!: string | null;
  @ApiProperty({
    format: 'date-time',
    description: 'Of a `period_reset` the start of the period; of a hold that expired its expiry.',
  })
  at!: string;
}

export class TransactionPage extends PageOf(TransactionResource) {}

export class HoldResource {
  @ApiProperty({ format: 'uuid', description: 'Also the id of its transaction.' })
  id!: string;
  @ApiProperty({ enum: ['held'] })
  status!: 'held';
  @ApiProperty({ example: '2.00' })
  amount_usd!: string;
  @ApiProperty({ example: '21.75', description: 'The balance after it.' })
  balance_usd!: string;
  @ApiProperty({ format: 'date-time' })
  expires_at!: string;
  @ApiProperty({ type: String, nullable: true, example: 'A long run of a model' })
  description!: string | null;
  @ApiProperty({ format: 'date-time' })
  at!: string;
}
