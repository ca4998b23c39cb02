import { Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { type CommandContext, newId, TenantryError } from '#kernel';
import { tenantUser } from '../domain/tenant-user.decide.js';
import type { UsernameClaim } from '../domain/tenant-user.js';
import {
  type UsernameClaimCommand,
  type UsernameClaimState,
  usernameClaim,
} from '../domain/username-claim.js';
import { Turns } from './turns.js';
import { UserIds } from './user-ids.js';

const MAX_ATTEMPTS = 8;

/** Who wants a username. */
interface Claimant {
  platform_id: string;
  tenant_id: string;
  user_id: string;
}

/**
 * Keeps usernames unique in their tenant: claim, then write the user, then release what it had before. The user's
 * own stream says whether a claim came to anything. One that did not is taken over, but only after its user's
 * stream was fenced: whoever made that claim and is only slow then finds its write refused, and tries again.
 */
@Injectable()
export class Usernames {
  private readonly turns = new Turns();

  constructor(
    private readonly aggregates: Aggregates,
    private readonly userIds: UserIds,
  ) {}

  indexOf(tenantId: string, username: string | null | undefined): string | null {
    return username == null ? null : this.userIds.usernameIndex(tenantId, username);
  }

  /** In turn with everyone in this process who writes this user, or a user of these usernames. */
  inTurn<Result>(
    { userId, indexes = [] }: { userId?: string | null; indexes?: readonly (string | null | undefined)[] },
    work: () => Promise<Result>,
  ): Promise<Result> {
    const usernames = indexes.filter((index) => index != null).map((index) => `username:${index}`);
    return this.turns.take([...(userId == null ? [] : [`user:${userId}`]), ...usernames], work);
  }

  /** Throws `duplicate_record` with the id of the user who has the username. */
  async claim(claimant: Claimant, index: string, context: CommandContext): Promise<UsernameClaim> {
    const claim_id = newId();
    let replaces: string | null = null;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const command: UsernameClaimCommand = { kind: 'claim', ...claimant, claim_id, replaces };
      const options = { context, expectNew: true };
      const { state }: { state: UsernameClaimState } = await this.aggregates.execute(
        usernameClaim,
        index,
        command,
        options,
      );
      if (state.lifecycle !== 'held') throw new Error('a claimed username is in another state');
      if (state.claim_id === claim_id) return { index, claim_id };
      await this.refuseIfTaken({ ...claimant, user_id: state.user_id }, index, context);
      replaces = state.claim_id;
    }
    throw new TenantryError('conflict', 'the username is being claimed too often at the same time');
  }

  async release({ index, claim_id }: UsernameClaim, context: CommandContext): Promise<void> {
    await this.aggregates.execute(usernameClaim, index, { kind: 'release', claim_id }, { context });
  }

  /** Or else makes sure that the holder can't come to have it by the claim that is being replaced. */
  private async refuseIfTaken(holder: Claimant, index: string, context: CommandContext): Promise<void> {
    const { user_id, platform_id, tenant_id } = holder;
    const fence = { kind: 'fence' as const, platform_id, tenant_id, username_index: index };
    const options = { context: { ...context, actor: { type: 'system' as const, id: 'usernames' } } };
    const { state } = await this.aggregates.execute(tenantUser, user_id, fence, options);
    if (state.lifecycle !== 'alive' || state.username_claim?.index !== index) return;
    throw new TenantryError('duplicate_record', 'username is taken in this tenant', {
      existingId: user_id,
      errors: [{ field: 'username', message: 'is taken in this tenant' }],
    });
  }
}
