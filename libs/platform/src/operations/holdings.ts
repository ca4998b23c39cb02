import { Injectable } from '@nestjs/common';
import { OtherServices } from '../services/other-services.js';
import type { Holder, Removed } from './holder.js';

/**
 * What the services hold for users, counted by kind as each would tell it in `removed` if the user were deleted now.
 * Each participant registers itself; services in processes of their own are asked there.
 */
@Injectable()
export class Holdings {
  constructor(private readonly others: OtherServices) {}

  private readonly participants = new Map<string, (user: Holder) => Promise<Removed>>();

  register(participant: string, count: (user: Holder) => Promise<Removed>): void {
    this.participants.set(participant, count);
  }

  /** Rejects if any participant can't tell. */
  async of(user: Holder): Promise<Removed> {
    const here = [...this.participants.values()].map((count) => count(user));
    const [counts, elsewhere] = await Promise.all([Promise.all(here), this.others.holdings(user)]);
    return Object.assign({}, ...counts, ...elsewhere) as Removed;
  }
}
