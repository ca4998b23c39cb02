import { Command } from '@nestjs/cqrs';
import type { CommandContext } from '#kernel';

/** A command with what it is about and the context that it runs in. Most answer the position of the latest event. */
export abstract class ContextCommand<Given, Answer = bigint> extends Command<Answer> {
  constructor(
    readonly given: Given,
    readonly context: CommandContext,
  ) {
    super();
  }
}
