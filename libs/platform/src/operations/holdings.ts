import { Injectable } from '@nestjs/common';

/** What a participant lets go of, counted by kind. */
export type Removed = { [kind: string]: number };

/** Whose holdings are asked for. */
export interface Holder {
  platform_id: string;
  tenant_id: string;
  user_id: string;
}

/**
 * What the services hold for users, counted by kind as each would tell it in `removed` if the user were deleted now.
 * Each participant registers itself; one that runs in another process would be asked over the network.
 */
@Injectable()
export class Holdings {
  private readonly participants = new Map<string, (user: Holder) => Promise<Removed>>();

  register(participant: string, count: (user: Holder) => Promise<Removed>): void {
    this.participants.set(participant, count);
  }

  /** Rejects if any participant can't tell. */
  async of(user: Holder): Promise<Removed> {
    const counts = await Promise.all([...this.participants.values()].map((count) => count(user)));
    return Object.assign({}, ...counts) as Removed;
  }
}
