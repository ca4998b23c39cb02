import { Controller } from '@nestjs/common';
import { Ctx, EventPattern } from '@nestjs/microservices';
import type { MessageContext } from '#message-bus';
import { Copies } from './copies.js';
import { COPIED_TYPES } from './copy.js';

/** Tells whose handlers the bus server of the copies runs. */
export const COPIES = Symbol('copies');

/** Feeds the copies by the bus. */
@Controller()
export class CopiesController {
  constructor(private readonly copies: Copies) {}

  @EventPattern([...COPIED_TYPES], COPIES)
  onMessage(@Ctx() { message }: MessageContext): Promise<void> {
    return this.copies.take([message]);
  }
}
