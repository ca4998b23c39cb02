import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { isTenantryError } from '#kernel';
import { type Projection, type ReadDatabase, replay } from '#projections';
import { EVENT_STORE } from '../tokens.js';
import { ReadModels } from './read-models.js';

/** For how long a read database that could not be reached is not asked for what the log can tell too. */
const AWAY_MS = 1_000;

/** Lets the log answer in place of the read models: they may be away or behind, and commands are answered all the same. */
@Injectable()
export class LogAnswers {
  private awayUntilMs = 0;

  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    private readonly readModels: ReadModels,
  ) {}

  /**
   * What a command has to look up, and what rights depend on: in the log where the read models of these projections
   * are away, or are not up with what was answered, or do not know it. Throws what `inReadModels` throws otherwise.
   */
  async lookUp<Result>(
    projections: readonly string[],
    inReadModels: () => Promise<Result | undefined>,
    inLog: () => Promise<Result>,
  ): Promise<Result> {
    if (this.isAway || !this.readModels.areCurrent(projections)) return inLog();
    try {
      const found = await inReadModels();
      if (found !== undefined) return found;
    } catch (error) {
      if (!isTenantryError(error) || error.kind !== 'unavailable') throw error;
      this.awayUntilMs = performance.now() + AWAY_MS;
    }
    return inLog();
  }

  /** The read database could not be reached a moment ago. */
  get isAway(): boolean {
    return this.awayUntilMs > 0 && performance.now() < this.awayUntilMs;
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
