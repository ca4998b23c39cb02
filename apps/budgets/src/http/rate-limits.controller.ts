import { Body, Controller, Delete, Get, HttpCode, Param, Put, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type CommandContext, notFound } from '#kernel';
import {
  ByUserId,
  type Call,
  CurrentAccess,
  CurrentCall,
  IdempotentPost,
  NoQuery,
  type PlatformAccess,
  Position,
  RequireScope,
  UserId,
} from '#platform';
import { OverrideRateLimit } from '../commands/override-rate-limit.js';
import { BUDGETS } from '../read-models/budgets.projection.js';
import { RateCounters } from '../read-models/rate-counters.js';
import { RateLimits } from '../read-models/rate-limits.js';
import { BudgetOwners } from './budget-owners.js';
import {
  ConsumeBody,
  ConsumptionResource,
  RateLimitPage,
  RateLimitResource,
  SetRateLimitBody,
} from './rate-limit.dto.js';
import { RateLimitNamePipe } from './rate-limit-name.js';

const Named = () => ApiParam({ name: 'name', example: 'requests' });

@ApiTags('Rate limits')
@Controller('v1/users/:id/rate-limits')
export class RateLimitsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly owners: BudgetOwners,
    private readonly limits: RateLimits,
    private readonly counters: RateCounters,
    private readonly position: Position,
  ) {}

  @Get()
  @RequireScope('budgets:read')
  @ByUserId()
  @ApiOkResponse({ type: RateLimitPage })
  async list(
    @UserId() userId: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<RateLimitPage> {
    const data = await this.limits.list(await this.owners.find(access, userId));
    return { data, next_cursor: null, total: data.length };
  }

  /** Overrides the limit of this name that the user's account kit has, or adds one. */
  @Put(':name')
  @RequireScope('budgets:write')
  @ByUserId()
  @Named()
  @ApiOkResponse({ type: RateLimitResource })
  async set(
    @UserId() userId: string,
    @Param('name', RateLimitNamePipe) name: string,
    @Body() { limit, window_seconds }: SetRateLimitBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<RateLimitResource> {
    const owner = await this.owners.find(access, userId);
    await this.override({ ...owner, name, rate: { limit, window_seconds } }, context, reply);
    return { name, limit, window_seconds, source: 'override' };
  }

  /** Takes the override back: the kit's limit holds again, where it has one. */
  @Delete(':name')
  @HttpCode(204)
  @RequireScope('budgets:write')
  @ByUserId()
  @Named()
  @ApiNoContentResponse()
  async remove(
    @UserId() userId: string,
    @Param('name', RateLimitNamePipe) name: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    const owner = await this.owners.find(access, userId);
    await this.override({ ...owner, name, rate: undefined }, context, reply);
  }

  /**
   * Uses up some of a limit. It is a sliding window: no span of its length sees more than the limit, however many
   * ask at once. The counters live in memory, so that they start at zero after a restart.
   */
  @IdempotentPost(':name/consume')
  @HttpCode(200)
  @RequireScope('budgets:write')
  @ByUserId()
  @Named()
  @ApiOkResponse({ type: ConsumptionResource })
  async consume(
    @UserId() userId: string,
    @Param('name', RateLimitNamePipe) name: string,
    @Body() { cost = 1 }: ConsumeBody,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<ConsumptionResource> {
    const owner = await this.owners.findActive(access, userId);
    const rate = await this.limits.find(owner, name);
    if (!rate) throw notFound('rate limit');
    const { allowed, remaining, resetAtMs } = await this.counters.consume(userId, name, rate, cost);
    return { allowed, limit: rate.limit, remaining, reset_at: new Date(resetAtMs).toISOString() };
  }

  private async override(
    { platformId, tenantId, userId, name, rate }: OverrideRateLimit['given'],
    context: CommandContext,
    reply: FastifyReply,
  ): Promise<void> {
    const override = { platformId, tenantId, userId, name, rate };
    const position = await this.commands.execute(new OverrideRateLimit(override, context));
    await this.position.settle(reply, position, BUDGETS);
  }
}
