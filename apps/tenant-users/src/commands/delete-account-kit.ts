import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates, type EventStore } from '#event-store';
import { type CommandContext, unavailable } from '#kernel';
import { EVENT_STORE, ReadModels, SETTINGS, type Settings } from '#platform';
import { accountKit } from '../domain/account-kit.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { Users } from '../read-models/users.js';

export interface AccountKitDeletion {
  platformId: string;
  kitId: string;
}

/** Answers the position of the kit's latest event. */
export class DeleteAccountKit extends Command<bigint> {
  constructor(
    readonly deletion: AccountKitDeletion,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(DeleteAccountKit)
export class DeleteAccountKitHandler implements ICommandHandler<DeleteAccountKit> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly users: Users,
    private readonly readModels: ReadModels,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /**
   * Throws `illegal_state` while a user has the kit. A user who is given it in the very same moment may keep it:
   * what the kit laid down stays in the log.
   */
  async execute({ deletion: { platformId, kitId }, context }: DeleteAccountKit): Promise<bigint> {
    const in_use = await this.isInUse(kitId);
    const command = { kind: 'delete' as const, platform_id: platformId, in_use };
    const { position } = await this.aggregates.execute(accountKit, kitId, command, { context });
    return position;
  }

  /** Of all users whose creation or change was acknowledged before. */
  private async isInUse(kitId: string): Promise<boolean> {
    const head = await this.store.head();
    const { readYourWritesTimeoutMs: timeoutMs } = this.settings;
    if (!(await this.readModels.waitFor(USER_DIRECTORY, head, timeoutMs))) {
      throw unavailable('the users have not been caught up with yet', { code: 'projection_behind' });
    }
    return this.users.haveAccountKit(kitId);
  }
}
