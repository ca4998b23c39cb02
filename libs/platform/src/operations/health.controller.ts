import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../access/requirement.js';
import { Consumers } from './consumers.js';
import { Parts } from './parts.js';
import { ReadModels } from './read-models.js';

@ApiExcludeController()
@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly parts: Parts,
    private readonly readModels: ReadModels,
    private readonly consumers: Consumers,
  ) {}

  /** The process answers. */
  @Get('live')
  live() {
    return { status: 'up' };
  }

  /**
   * 200 when every part takes work; else 503 with the same body. A read model that has stopped or is being built
   * refuses its own reads, and everything else goes on; where other processes can read it, this one waits for it.
   */
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const [parts, consumers] = await Promise.all([this.parts.states(), this.consumers.statuses()]);
    // Without the log nobody can tell how far behind it they are.
    const isLogUp = parts.some(({ name, status }) => name === 'event_store' && status === 'up');
    const projections = isLogUp ? await this.readModels.statuses() : [];
    const leavesReadsToOthers =
      this.readModels.isShared && projections.some(({ state }) => state === 'starting');
    const up = parts.every(({ status }) => status === 'up') && !leavesReadsToOthers;
    reply.status(up ? 200 : 503);
    return { status: up ? 'up' : 'down', parts, projections, consumers };
  }
}
