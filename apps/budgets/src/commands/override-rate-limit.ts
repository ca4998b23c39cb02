import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import type { Clock } from '#kernel';
import { CLOCK, ContextCommand } from '#platform';
import { type RateLimit, rateLimits } from '../domain/rate-limits.js';

export interface Override {
  platformId: string;
  tenantId: string;
  userId: string;
  name: string;
  /** Undefined lets the kit's hold again. */
  rate: RateLimit | undefined;
}

/** Gives a user a rate limit in place of the kit's, or takes it back. Answers the position. */
export class OverrideRateLimit extends ContextCommand<Override> {}

@CommandHandler(OverrideRateLimit)
export class OverrideRateLimitHandler implements ICommandHandler<OverrideRateLimit> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `not_found` where there is nothing to take back or the user is gone. */
  async execute({ given: override, context }: OverrideRateLimit): Promise<bigint> {
    const { platformId, tenantId, userId, name, rate } = override;
    const at = this.clock.now().toISOString();
    const what = { platform_id: platformId, tenant_id: tenantId, name, at };
    const command = rate
      ? ({ kind: 'override', ...what, ...rate } as const)
      : ({ kind: 'remove', ...what } as const);
    const { position } = await this.aggregates.execute(rateLimits, userId, command, { context });
    return position;
  }
}
