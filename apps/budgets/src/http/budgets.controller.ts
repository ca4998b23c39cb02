import { Body, Controller, Get, Put, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { notFound, parseUsd, TenantryError } from '#kernel';
import {
  ByUserId,
  type Call,
  CurrentCall,
  IdempotentPost,
  NoQuery,
  PageQuery,
  Position,
  RequireScope,
  UserId,
} from '#platform';
import { BringUpToDate } from '../commands/bring-up-to-date.js';
import { Credit } from '../commands/credit.js';
import { SetBudget } from '../commands/set-budget.js';
import { Spend } from '../commands/spend.js';
import { Budgets } from '../read-models/budgets.js';
import { BUDGETS } from '../read-models/budgets.projection.js';
import {
  BudgetResource,
  CreditBody,
  SetBudgetBody,
  SpendBody,
  TransactionPage,
  TransactionResource,
} from './budget.dto.js';
import { BudgetOwners } from './budget-owners.js';
import { transactionResource } from './transaction.js';

@ApiTags('Budgets')
@Controller('v1/users/:id/budget')
export class BudgetsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly owners: BudgetOwners,
    private readonly budgets: Budgets,
    private readonly position: Position,
  ) {}

  /** Opens the user's budget, or gives it another limit or period. */
  @Put()
  @RequireScope('budgets:write')
  @ByUserId()
  @ApiOkResponse({ type: BudgetResource })
  async set(
    @UserId() userId: string,
    @Body() body: SetBudgetBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<BudgetResource> {
    const owner = await this.owners.find(access, userId);
    const terms = { owner, limit: parseUsd(body.limit_usd, 'limit_usd'), period: body.period };
    const { account, position } = await this.commands.execute(new SetBudget(terms, context));
    await this.position.settle(reply, position, BUDGETS);
    return this.budgets.resource(userId, account);
  }

  /** The budget as of now: holds that have expired are let go of, and a new month has begun where one has. */
  @Get()
  @RequireScope('budgets:read')
  @ByUserId()
  @ApiOkResponse({ type: BudgetResource })
  async get(
    @UserId() userId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context }: Call,
  ): Promise<BudgetResource> {
    const owner = await this.owners.find(access, userId);
    const found = await this.budgets.get(owner.tenantId, userId);
    if (found) return found;
    if (!owner.openingBudget) throw notFound('budget');
    const { account } = await this.commands.execute(new BringUpToDate(owner, context));
    if (!account) throw notFound('budget');
    return this.budgets.resource(userId, account);
  }

  /** Refused with `over_budget` above what remains, however many spend at once. */
  @IdempotentPost('spend')
  @RequireScope('budgets:write')
  @ByUserId()
  @ApiCreatedResponse({ type: TransactionResource })
  async spend(
    @UserId() userId: string,
    @Body() body: SpendBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<TransactionResource> {
    const owner = await this.owners.findActive(access, userId);
    const added = await this.commands.execute(new Spend({ owner, ...amountOf(body) }, context));
    await this.position.settle(reply, added.position, BUDGETS);
    return transactionResource('spend', added);
  }

  /** Adds to what remains. It is used where the limit does not reach; what is left of it outlives the period. */
  @IdempotentPost('credit')
  @RequireScope('budgets:write')
  @ByUserId()
  @ApiCreatedResponse({ type: TransactionResource })
  async credit(
    @UserId() userId: string,
    @Body() body: CreditBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<TransactionResource> {
    const owner = await this.owners.find(access, userId);
    const added = await this.commands.execute(new Credit({ owner, ...amountOf(body) }, context));
    await this.position.settle(reply, added.position, BUDGETS);
    return transactionResource('credit', added);
  }

  /** The budget's ledger, newest first. What time alone has done is recorded first, so that it adds up to now. */
  @Get('transactions')
  @RequireScope('budgets:read')
  @ByUserId()
  @ApiOkResponse({ type: TransactionPage })
  async transactions(
    @UserId() userId: string,
    @Query() query: PageQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<TransactionPage> {
    const owner = await this.owners.find(access, userId);
    const isDue = await this.budgets.isDue(owner.tenantId, userId);
    const opens = isDue === undefined && owner.openingBudget !== null;
    if (isDue || opens) {
      const { account, position } = await this.commands.execute(new BringUpToDate(owner, context));
      if (!account) throw notFound('budget');
      await this.position.settle(reply, position, BUDGETS);
    }
    const page = await this.budgets.transactions(owner.tenantId, userId, query);
    if (page) return page;
    if (!opens) throw notFound('budget');
    throw new TenantryError('unavailable', 'the read models have not reached the budget yet', {
      code: 'projection_behind',
      retryAfterSeconds: 1,
    });
  }
}

const amountOf = ({ amount_usd, description = null }: SpendBody) => ({
  amount: parseUsd(amount_usd, 'amount_usd'),
  description,
});
