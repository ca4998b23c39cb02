import { Inject, Injectable } from '@nestjs/common';
import { Aggregates, type EventStore } from '#event-store';
import { type CommandContext, illegalState, isTenantryError, unavailable } from '#kernel';
import { EVENT_STORE, ReadModels, SETTINGS, type Settings } from '#platform';
import { accountKit } from '../domain/account-kit.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { Users } from '../read-models/users.js';
import { KitAssignments } from './kit-assignments.js';

export interface ClosedKit {
  platformId: string;
  kitId: string;
  /** Of the event that closed it. */
  revision: number;
}

/** Ends deletions of kits that have begun; those who do so at once come to one end. */
@Injectable()
export class KitDeletions {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly assignments: KitAssignments,
    private readonly users: Users,
    private readonly readModels: ReadModels,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** Answers the position of the kit's latest event. Throws `illegal_state` where a user has it: it is open again. */
  async end({ platformId, kitId, revision }: ClosedKit, context: CommandContext): Promise<bigint> {
    const in_use = await this.isInUse(kitId);
    const command = { kind: 'end_closing' as const, platform_id: platformId, in_use };
    const options = { context, ifRevision: revision };
    const ended = await this.aggregates.execute(accountKit, kitId, command, options).catch((error) => {
      if (!isTenantryError(error) || error.code !== 'revision_mismatch') throw error;
      // Someone else has ended it.
      return this.aggregates.load(accountKit, kitId);
    });
    if (ended.state.lifecycle !== 'deleted') throw kitInUse();
    return ended.position;
  }

  /** Whether anyone has it of all who were given it before it closed. */
  private async isInUse(kitId: string): Promise<boolean> {
    await this.assignments.ended(kitId);
    const head = await this.store.head();
    const { readYourWritesTimeoutMs: timeoutMs } = this.settings;
    if (!(await this.readModels.waitFor(USER_DIRECTORY, head, timeoutMs))) {
      throw unavailable('the users have not been caught up with yet', { code: 'projection_behind' });
    }
    return this.users.haveAccountKit(kitId);
  }
}

export const kitInUse = () => illegalState('this account kit is in use');
