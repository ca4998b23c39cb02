import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { type PlatformChanges, platform } from '../domain/platform.js';

export interface PlatformUpdate {
  platformId: string;
  changes: PlatformChanges;
}

/** Answers the position of the platform's latest event. */
export class UpdatePlatform extends ContextCommand<PlatformUpdate> {}

@CommandHandler(UpdatePlatform)
export class UpdatePlatformHandler implements ICommandHandler<UpdatePlatform> {
  constructor(private readonly aggregates: Aggregates) {}

  async execute({ given: { platformId, changes }, context }: UpdatePlatform): Promise<bigint> {
    const options = { context: { ...context, platformId } };
    const command = { kind: 'update' as const, changes };
    const { position } = await this.aggregates.execute(platform, platformId, command, options);
    return position;
  }
}
