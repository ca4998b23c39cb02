import type { AnyProjection, ProjectionModule } from '#worker/projections';
import { KeyRegistryProjection } from './read-models/key-registry.projection.js';

/** What this service makes of its log, in whichever thread runs it: nothing here loads Nest. */
export const { url, projections }: ProjectionModule = {
  url: import.meta.url,
  projections: async () => [new KeyRegistryProjection() as unknown as AnyProjection],
};
