import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { IdentifierRegistry } from '#privacy';
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
    private readonly identifiers: IdentifierRegistry,
  ) {}

  /** The process answers. */
  @Get('live')
  live() {
    return { status: 'up' };
  }

  /**
   * 200 when every part takes work; else 503 with the same body. A read model that has stopped or is being built
   * refuses its own reads, and everything else goes on; where other processes can read it, this one waits for it.
   * Of two users of an old log with one username, the younger is to be given another.
   */
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const [parts, consumers] = await Promise.all([this.parts.states(), this.consumers.statuses()]);
    const isUp = (part: string) => parts.some(({ name, status }) => name === part && status === 'up');
    // Without the log nobody can tell how far behind it they are.
    const projections = isUp('event_store') ? await this.readModels.statuses() : [];
    const collisions = isUp('key_store') ? await this.identifiers.collisions() : [];
    const leavesReadsToOthers =
      this.readModels.isShared && projections.some(({ state }) => state === 'starting');
    const up = parts.every(({ status }) => status === 'up') && !leavesReadsToOthers;
    reply.status(up ? 200 : 503);
    return { status: up ? 'up' : 'down', parts, projections, consumers, identifier_collisions: collisions };
  }
}
