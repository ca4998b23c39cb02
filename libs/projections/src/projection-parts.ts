import type { EventStore } from '#event-store';
import type { Clock } from '#kernel';
import type { Build } from './build.js';
import type { Logger } from './logger.js';
import type { AnyProjection } from './projection.js';
import type { LiveFile, ReadDatabase } from './read-database.js';
import type { Replicas } from './replicas.js';

/** What projections and their rebuilds are run with. */
export interface ProjectionParts {
  store: Pick<EventStore, 'head' | 'subscribe'>;
  database: ReadDatabase;
  replicas: Replicas;
  clock: Clock;
  logger: Logger;
  /** Makes tables in another thread; where it is left out, this one does. */
  buildApart?: ((projection: AnyProjection, live: LiveFile) => Build) | undefined;
  /**
   * Called when readers see other rows than before, and before anyone waiting for them: the time to drop caches.
   * `replaced` where a rebuild's tables took the place of those that readers saw, and at the start.
   */
  onChange?: ((projection: string, replaced: boolean) => void) | undefined;
}
