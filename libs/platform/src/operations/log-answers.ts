import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { isTenantryError } from '#kernel';
import { type Projection, type ReadDatabase, replay } from '#projections';
import { EVENT_STORE } from '../tokens.js';

/** For how long a read database that could not be reached is not asked for what the log can tell too. */
const AWAY_MS = 1_000;

/** Lets the log answer in place of the read models: they may be away, and commands are answered all the same. */
@Injectable()
export class LogAnswers {
  private awayUntilMs = 0;

  constructor(@Inject(EVENT_STORE) private readonly store: EventStore) {}

  /**
   * What a command has to look up: in the log where the read models are away, or do not know it, or not yet. Throws
   * what `inReadModels` throws otherwise.
   */
  async lookUp<Result>(
    inReadModels: () => Promise<Result | undefined>,
    inLog: () => Promise<Result>,
  ): Promise<Result> {
    if (this.awayUntilMs > 0 && performance.now() < this.awayUntilMs) return inLog();
    try {
      const found = await inReadModels();
      if (found !== undefined) return found;
    } catch (error) {
      if (!isTenantryError(error) || error.kind !== 'unavailable') throw error;
      this.awayUntilMs = performance.now() + AWAY_MS;
    }
    return inLog();
  }

  /** What `read` finds where the projection has seen these streams alone. */
  replay<Schema, Result>(
    projection: Projection<Schema>,
    streams: readonly string[],
    read: (database: ReadDatabase) => Promise<Result>,
  ): Promise<Result> {
    return replay(this.store, projection, streams, read);
  }
}
