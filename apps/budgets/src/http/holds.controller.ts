import { Body, Controller, Delete, HttpCode, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiNoContentResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import { formatUsd, parseUsd } from '#kernel';
import {
  ByUserId,
  type Call,
  CurrentCall,
  IdempotentPost,
  IdParam,
  NoQuery,
  Position,
  RequireScope,
  UserId,
} from '#platform';
import { PlaceHold } from '../commands/place-hold.js';
import { ReleaseHold } from '../commands/release-hold.js';
import { SettleHold } from '../commands/settle-hold.js';
import { BUDGETS } from '../read-models/budgets.projection.js';
import { HoldBody, HoldResource, SettleBody, TransactionResource } from './budget.dto.js';
import { BudgetOwners } from './budget-owners.js';
import { transactionResource } from './transaction.js';

const DEFAULT_HOLD_SECONDS = 600;

@ApiTags('Budgets')
@Controller('v1/users/:id/budget/holds')
export class HoldsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly owners: BudgetOwners,
    private readonly position: Position,
  ) {}

  /** Sets an amount aside for a spend to come. Refused with `over_budget` above what remains. */
  @IdempotentPost()
  @RequireScope('budgets:write')
  @ByUserId()
  @ApiCreatedResponse({ type: HoldResource })
  async place(
    @UserId() userId: string,
    @Body() body: HoldBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<HoldResource> {
    const owner = await this.owners.findActive(access, userId);
    const { expires_in_seconds: expiresInSeconds = DEFAULT_HOLD_SECONDS, description = null } = body;
    const amount = parseUsd(body.amount_usd, 'amount_usd');
    const wanted = { owner, amount, description, expiresInSeconds };
    const placed = await this.commands.execute(new PlaceHold(wanted, context));
    await this.position.settle(reply, placed.position, BUDGETS);
    return {
      id: placed.id,
      status: 'held',
      amount_usd: formatUsd(amount),
      balance_usd: formatUsd(placed.balance),
      expires_at: placed.expiresAt,
      description,
      at: placed.at,
    };
  }

  /** Spends an amount in place of the hold, once. `illegal_state` where it was settled, released or has expired. */
  @IdempotentPost(':hold_id/settle')
  @RequireScope('budgets:write')
  @ByUserId()
  @ApiParam({ name: 'hold_id', format: 'uuid' })
  @ApiCreatedResponse({ type: TransactionResource })
  async settle(
    @UserId() userId: string,
    @IdParam('hold_id') holdId: string,
    @Body() body: SettleBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<TransactionResource> {
    const owner = await this.owners.find(access, userId);
    const settlement = { owner, holdId, amount: parseUsd(body.amount_usd, 'amount_usd') };
    const added = await this.commands.execute(new SettleHold(settlement, context));
    await this.position.settle(reply, added.position, BUDGETS);
    return transactionResource('settle', added);
  }

  /** Gives the amount back. A hold that was released or has expired stays as it is; a settled one is refused. */
  @Delete(':hold_id')
  @HttpCode(204)
  @RequireScope('budgets:write')
  @ByUserId()
  @ApiParam({ name: 'hold_id', format: 'uuid' })
  @ApiNoContentResponse()
  async release(
    @UserId() userId: string,
    @IdParam('hold_id') holdId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    const owner = await this.owners.find(access, userId);
    const position = await this.commands.execute(new ReleaseHold({ owner, holdId }, context));
    if (position !== undefined) await this.position.settle(reply, position, BUDGETS);
  }
}
