import { Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { accountKit, requireOpen } from '../domain/account-kit.js';

/** Tells whoever deletes a kit of the users who are being given it just now. */
@Injectable()
export class KitAssignments {
  private readonly underWay = new Map<string, Set<Promise<unknown>>>();

  constructor(private readonly aggregates: Aggregates) {}

  /** Lets `work` give users the kit. Throws as `requireOpen` does. */
  async during<Result>(kitId: string, work: () => Promise<Result>): Promise<Result> {
    const all = this.underWay.get(kitId) ?? new Set();
    // Known before the kit is looked at, so that whoever closes it after that look waits for the work.
    const assignment = this.assign(kitId, work);
    this.underWay.set(kitId, all.add(assignment));
    try {
      return await assignment;
    } finally {
      all.delete(assignment);
      if (all.size === 0) this.underWay.delete(kitId);
    }
  }

  /** Resolves once what was under way has ended; what comes later has seen the kit as it is now. */
  async ended(kitId: string): Promise<void> {
    await Promise.allSettled(this.underWay.get(kitId) ?? []);
  }

  private async assign<Result>(kitId: string, work: () => Promise<Result>): Promise<Result> {
    requireOpen((await this.aggregates.load(accountKit, kitId)).state);
    return work();
  }
}
