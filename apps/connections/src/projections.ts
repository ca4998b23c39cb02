import type { AnyProjection, ProjectionModule } from '#worker/projections';
import { ConnectionsProjection } from './read-models/connections.projection.js';
import { ProvidersProjection } from './read-models/providers.projection.js';
import { SecretsProjection } from './read-models/secrets.projection.js';

/** What this service makes of its log, in whichever thread runs it: nothing here loads Nest. */
export const { url, projections }: ProjectionModule = {
  url: import.meta.url,
  projections: async () =>
    [
      new SecretsProjection(),
      new ProvidersProjection(),
      new ConnectionsProjection(),
    ] as unknown as AnyProjection[],
};
