import type { IncomingMessage, ServerResponse } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { LoopTurns, TenantryError, unavailable } from '#kernel';
import { BODY_LIMIT_BYTES } from '../http/json-body.js';
import type { Settings } from '../settings.js';
import { SETTINGS } from '../tokens.js';
import { FairTurns } from './fair-turns.js';

/** What requests may hold of memory while they wait: some 2,000 small ones of one tenant, or 32 with the longest body. */
const WAITING_ROOM = { ofGroup: 8 * 1024 * 1024, inAll: 64 * 1024 * 1024 };
/** A request without its body. */
const REQUEST_BYTES = 4 * 1024;

/** A body of which no length is told may be as long as any. */
function bytesOf({ headers }: IncomingMessage): number {
  const length = headers['transfer-encoding'] === undefined ? headers['content-length'] : BODY_LIMIT_BYTES;
  return REQUEST_BYTES + Number(length ?? 0);
}

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
    const turn = this.turns.enter(group, bytesOf(response.req));
    // Whoever floods the service must not flood its log.
    if (!turn) throw unavailable('too many requests are waiting', { unlogged: true });
    const { begin, leave } = turn;
    response.on('close', leave);
    // It may have been before.
    if (response.closed || response.destroyed) leave();
    if (begin && !(await begin)) throw rateLimited('the caller has gone while it waited', 0);
    await this.loopTurns.begin();
    return leave;
  }
}
