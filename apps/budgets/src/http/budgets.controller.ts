import { Body, Controller, Get, Put, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type CommandContext, formatUsd, illegalState, notFound, parseUsd } from '#kernel';
import {
  CurrentAccess,
  CurrentContext,
  IdempotentPost,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
  UserDirectory,
  UserId,
} from '#platform';
import { SetBudget } from '../commands/set-budget.js';
import { Spend } from '../commands/spend.js';
import { Budgets } from '../read-models/budgets.js';
import { BUDGETS } from '../read-models/budgets.projection.js';
import {
  BudgetResource,
  SetBudgetBody,
  SpendBody,
  TransactionPage,
  TransactionResource,
} from './budget.dto.js';

const OfUser = () =>
  ApiParam({ name: 'id', description: "The user's id, or `default` for the tenant's default user." });

@ApiTags('Budgets')
@Controller('v1/users/:id/budget')
export class BudgetsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly users: UserDirectory,
    private readonly budgets: Budgets,
    private readonly position: Position,
  ) {}

  /** Opens the user's budget, or gives it another limit or period. */
  @Put()
  @RequireScope('budgets:write')
  @OfUser()
  @ApiOkResponse({ type: BudgetResource })
  async set(
    @UserId() userId: string,
    @Body() body: SetBudgetBody,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BudgetResource> {
    await this.users.require(access.tenant.id, userId);
    const limit = parseUsd(body.limit_usd, 'limit_usd');
    const { platformId, tenant } = access;
    const terms = { platformId, tenantId: tenant.id, userId, limit, period: body.period };
    const { account, position } = await this.commands.execute(new SetBudget(terms, context));
    await this.position.settle(reply, position, BUDGETS);
    return this.budgets.resource(userId, account);
  }

  @Get()
  @RequireScope('budgets:read')
  @OfUser()
  @ApiOkResponse({ type: BudgetResource })
  async get(@UserId() userId: string, @CurrentAccess() access: PlatformAccess): Promise<BudgetResource> {
    await this.users.require(access.tenant.id, userId);
    const found = await this.budgets.get(access.tenant.id, userId);
    if (!found) throw notFound('budget');
    return found;
  }

  /** Refused with `over_budget` above what remains, however many spend at once. */
  @IdempotentPost('spend')
  @RequireScope('budgets:write')
  @OfUser()
  @ApiCreatedResponse({ type: TransactionResource })
  async spend(
    @UserId() userId: string,
    @Body() body: SpendBody,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TransactionResource> {
    const user = await this.users.require(access.tenant.id, userId);
    if (user.status !== 'active') throw illegalState("only an active user's budget spends");
    const amount = parseUsd(body.amount_usd, 'amount_usd');
    const description = body.description ?? null;
    const { transactionId, balance, at, position } = await this.commands.execute(
      new Spend({ tenantId: access.tenant.id, userId, amount, description }, context),
    );
    await this.position.settle(reply, position, BUDGETS);
    return {
      id: transactionId,
      type: 'spend',
      amount_usd: formatUsd(-amount),
      balance_usd: formatUsd(balance),
      description,
      at,
    };
  }

  /** The budget's ledger, newest first. */
  @Get('transactions')
  @RequireScope('budgets:read')
  @OfUser()
  @ApiOkResponse({ type: TransactionPage })
  async transactions(
    @UserId() userId: string,
    @Query() query: PageQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<TransactionPage> {
    await this.users.require(access.tenant.id, userId);
    const page = await this.budgets.transactions(access.tenant.id, userId, query);
    if (!page) throw notFound('budget');
    return page;
  }
}
