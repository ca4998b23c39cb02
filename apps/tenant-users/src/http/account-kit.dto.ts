import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { ChoiceField, PageOf, RateLimitsField, TextField, TextListField, UsdField } from '#platform';
import { BUDGET_PERIODS, type BudgetPeriod } from '../domain/account-kit.js';

const SCOPE = /^[A-Za-z0-9][A-Za-z0-9_.:*-]*$/;
const PROVIDER = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

class AccountKitPolicyFields {
  @UsdField({
    nullable: true,
    example: '25.00',
    description: "The budget of each new user; null for the platform's default.",
  })
  budget_usd?: string | number | null;

  @ChoiceField({ of: BUDGET_PERIODS, example: 'monthly', description: 'Default: `monthly`.' })
  budget_period?: BudgetPeriod;

  @TextListField({
    nullable: true,
    maxItems: 50,
    max: 64,
    pattern: SCOPE,
    example: ['inference'],
    description: "The scopes that users' keys may have; null for any, the default.",
  })
  key_scopes?: string[] | null;

  @RateLimitsField({ description: 'By name. Replaced as a whole.' })
  rate_limits?: Record<string, KitRateLimit>;

  @TextListField({
    nullable: true,
    maxItems: 100,
    max: 64,
    pattern: PROVIDER,
    example: ['github'],
    description: 'The providers that users may connect; null for any, the default.',
  })
  allowed_providers?: string[] | null;
}

export class CreateAccountKitBody extends AccountKitPolicyFields {
  @TextField({ required: true, max: 255, example: 'Pro' })
  name!: string;
}

export class UpdateAccountKitBody extends AccountKitPolicyFields {
  @TextField({ max: 255, example: 'Pro' })
  name?: string;
}

class KitRateLimit {
  @ApiProperty({ example: 100 })
  limit!: number;
  @ApiProperty({ example: 60 })
  window_seconds!: number;
}

@ApiExtraModels(KitRateLimit)
export class AccountKitResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ example: 'Pro' })
  name!: string;
  @ApiProperty()
  is_default!: boolean;
  @ApiProperty({ type: String, nullable: true, example: '25.00' })
  budget_usd!: string | null;
  @ApiProperty({ enum: BUDGET_PERIODS })
  budget_period!: BudgetPeriod;
  @ApiProperty({ type: [String], nullable: true, example: ['inference'] })
  key_scopes!: string[] | null;
  @ApiProperty({
    type: 'object',
    additionalProperties: { $ref: getSchemaPath(KitRateLimit) },
    example: { requests: { limit: 100, window_seconds: 60 } },
  })
  rate_limits!: Record<string, KitRateLimit>;
  @ApiProperty({ type: [String], nullable: true, example: ['github'] })
  allowed_providers!: string[] | null;
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({ format: 'date-time' })
  updated_at!: string;
}

export class AccountKitPage extends PageOf(AccountKitResource) {}
