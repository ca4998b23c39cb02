import type { ServerResponse } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { FairTurns, LoopTurns, TenantryError, unavailable } from '#kernel';
import { largeBodyBytes } from '../http/json-body.js';
import type { Settings } from '../settings.js';
import { SETTINGS } from '../tokens.js';

/** What requests may hold of memory while they wait: some 2,000 small ones of one tenant, or 32 with the longest body. */
const WAITING_ROOM = { ofGroup: 8 * 1024 * 1024, inAll: 64 * 1024 * 1024 };
/** A request without its body. */
const REQUEST_BYTES = 4 * 1024;
/** Of those with large bodies, from whomever: each takes milliseconds of the event loop and of the threads that write. */
const MAX_LARGE_AT_ONCE = 4;

const rateLimited = (message: string, retryAfterMs: number) =>
  new TenantryError('unavailable', message, {
    code: 'rate_limited',
    retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1_000)),
  });

/** Keeps one tenant's flood from the others: so many requests a window, and a fair share of those in work at once. */
@Injectable()
export class RequestLimits {
  private readonly turns: FairTurns;
  private readonly loopTurns = new LoopTurns();
  private readonly turnsOfLarge = new FairTurns(MAX_LARGE_AT_ONCE, WAITING_ROOM);
  private readonly limiter: RateLimiterMemory | undefined;

  constructor(@Inject(SETTINGS) settings: Settings) {
    this.turns = new FairTurns(settings.maxConcurrentRequests, WAITING_ROOM);
    const { rateLimitRequests: points, rateLimitWindowSeconds: duration } = settings;
    this.limiter = points > 0 ? new RateLimiterMemory({ points, duration }) : undefined;
  }

  /** Counts a request of a key that is known to be valid, in the tenant it acts in. Throws `rate_limited`. */
  async count(keyHash: string, tenantId: string | undefined): Promise<void> {
    try {
      await this.limiter?.consume(`${keyHash}:${tenantId ?? ''}`);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      throw rateLimited('too many requests with this key in this tenant', refusal.msBeforeNext);
    }
  }

  /**
   * Waits for the request's turn, which ends when the response closes: after its end, or with the connection. Answers
   * how to end it earlier: an answer without an end, such as a stream of events, must not keep its place. Throws
   * `unavailable` where too much waits already.
   */
  async takeTurn(group: string, response: ServerResponse): Promise<() => void> {
    const bytes = largeBodyBytes(response.req);
    const leaveLarge = bytes > 0 && (await this.enter(this.turnsOfLarge, group, bytes, response));
    const leave = await this.enter(this.turns, group, bytes, response);
    await this.loopTurns.begin();
    if (!leaveLarge) return leave;
    return () => {
      leaveLarge();
      leave();
    };
  }

  private async enter(
    turns: FairTurns,
    group: string,
    bytes: number,
    response: ServerResponse,
  ): Promise<() => void> {
    const turn = turns.enter(group, REQUEST_BYTES + bytes);
    // Whoever floods the service must not flood its log.
    if (!turn) throw unavailable('too many requests are waiting', { unlogged: true });
    const { begin, leave } = turn;
    response.on('close', leave);
    // It may have been before.
    if (response.closed || response.destroyed) leave();
    if (begin && !(await begin)) throw rateLimited('the caller has gone while it waited', 0);
    return leave;
  }
}
