import type { AnyProjection, ProjectionModule } from '#worker/projections';
import { lifecycleMessage, RELAYED_CATEGORIES } from './policies/lifecycle-messages.js';
import { AccessProjection } from './read-models/access.projection.js';
import { DeletionsProjection } from './read-models/deletions.projection.js';
import { TenantDeletionsProjection } from './read-models/tenant-deletions.projection.js';
import { UserDirectoryProjection } from './read-models/user-directory.projection.js';
import { TOKENS_SECRET } from './read-models/user-tokens.js';

/** What this service makes of its log, in whichever thread runs it: nothing here loads Nest. */
export const { url, projections, relayed }: ProjectionModule = {
  url: import.meta.url,
  projections: async ({ dialect, open, secret }) =>
    [
      new AccessProjection(),
      new UserDirectoryProjection({ dialect, open, secret: await secret(TOKENS_SECRET) }),
      new DeletionsProjection(),
      new TenantDeletionsProjection(),
    ] as unknown as AnyProjection[],
  relayed: { name: 'lifecycle-relay', categories: RELAYED_CATEGORIES, toMessage: lifecycleMessage },
};
