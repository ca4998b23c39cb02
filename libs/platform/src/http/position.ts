import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { LOG_NUMBERS } from '#event-store';
import { invalidInput, TenantryError } from '#kernel';
import { LogAnswers } from '../operations/log-answers.js';
import { ReadModels } from '../operations/read-models.js';
import type { Settings } from '../settings.js';
import { SETTINGS } from '../tokens.js';

/** Ties answers to places in the log, so that a read after a write sees it. */
@Injectable()
export class Position {
  constructor(
    private readonly readModels: ReadModels,
    private readonly log: LogAnswers,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** Waits until every read model has passed the `Tenantry-Min-Position` of a request; 503 when it takes too long. */
  async awaitMinimum(header: string | string[] | undefined): Promise<void> {
    if (header === undefined) return;
    if (typeof header !== 'string' || !/^\d{1,19}$/.test(header)) {
      throw invalidInput('Tenantry-Min-Position', 'must be a position as a decimal number');
    }
    if (this.isOfAnotherLog(BigInt(header))) return;
    const passed = await this.readModels.waitForServed(BigInt(header), this.settings.readYourWritesTimeoutMs);
    if (!passed) {
      throw new TenantryError('unavailable', 'the read models have not reached this position yet', {
        code: 'projection_behind',
        retryAfterSeconds: 1,
      });
    }
  }

  /** A position in the log of another service says nothing of this one. */
  private isOfAnotherLog(position: bigint): boolean {
    const { logNumber } = this.settings;
    return logNumber !== undefined && position % BigInt(LOG_NUMBERS) !== BigInt(logNumber);
  }

  /**
   * Answers a write with its position, once the named projection has passed it. The wait is bounded: a write
   * that is durable answers even when its read model is behind: then this is false, and reads of it are refused.
   */
  async settle(reply: FastifyReply, position: bigint, projection: string): Promise<boolean> {
    reply.header('tenantry-position', position.toString());
    return this.readModels.settle(projection, position, this.settings.readYourWritesTimeoutMs);
  }

  /** Settles, then answers what was written: from the log where the read model is behind or out of reach. */
  async answer<Result>(
    reply: FastifyReply,
    { position, projection }: { position: bigint; projection: string },
    inReadModel: () => Promise<Result | undefined>,
    inLog: () => Promise<Result>,
  ): Promise<Result> {
    const canRead = await this.settle(reply, position, projection);
    return canRead ? this.log.lookUp([projection], inReadModel, inLog) : inLog();
  }
}
