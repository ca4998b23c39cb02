import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { type Message, validateMessage } from '#contracts';
import { invalidInput, isId } from '#kernel';
import { RequireRoot } from '../access/requirement.js';
import { Copies } from '../copies/copies.js';
import type { Holder, Removed } from '../operations/holder.js';
import { Holdings } from '../operations/holdings.js';

const HOLDER_FIELDS = ['platform_id', 'tenant_id', 'user_id'] as const;

/** What the tenant-users service says to the others, and asks of them. Not part of the public contract. */
@ApiExcludeController()
@Controller('internal')
export class ServiceController {
  constructor(
    private readonly copies: Copies,
    private readonly holdings: Holdings,
  ) {}

  /** Lifecycle messages that the bus brings as well, a moment later. */
  @Post('messages')
  @HttpCode(204)
  @RequireRoot()
  async take(@Req() request: FastifyRequest): Promise<void> {
    const { messages } = (request.body ?? {}) as { messages?: unknown };
    if (!Array.isArray(messages) || messages.some((message) => validateMessage(message).length > 0)) {
      throw invalidInput('messages', 'must be a list of messages that fit their schemas');
    }
    await this.copies.take(messages as Message<object>[]);
  }

  /** What this service holds for a user, counted by kind. */
  @Post('holdings')
  @HttpCode(200)
  @RequireRoot()
  async count(@Req() request: FastifyRequest): Promise<Removed> {
    const holder = (request.body ?? {}) as Partial<Holder>;
    for (const field of HOLDER_FIELDS)
      if (!isId(holder[field] ?? '')) throw invalidInput(field, 'must be a UUID');
    return this.holdings.of(holder as Holder);
  }
}
