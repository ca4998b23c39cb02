import type { AnyProjection, ProjectionModule } from '#worker/projections';
import { lifecycleMessage, RELAYED_CATEGORIES } from './policies/lifecycle-messages.js';
import { AccessProjection } from './read-models/access.projection.js';
import { DeletionsProjection } from './read-models/deletions.projection.js';
import { TenantDeletionsProjection } from './read-models/tenant-deletions.projection.js';
import { USER_DIRECTORY, UserDirectoryProjection } from './read-models/user-directory.projection.js';
import {
  type Moment,
  type Place,
  USER_AS_OF,
  USER_EVENTS,
  UserHistory,
  type WantedEvents,
} from './read-models/user-history.js';
import { LIST_USERS, type ListUsers, UserQueries } from './read-models/user-queries.js';
import { TOKENS_SECRET } from './read-models/user-tokens.js';

const utf8 = new TextEncoder();

/** What this service makes of its log, in whichever thread runs it: nothing here loads Nest. */
export const { url, projections, relayed, queries }: ProjectionModule = {
  url: import.meta.url,
  projections: async ({ dialect, open, secret }) =>
    [
      new AccessProjection(),
      new UserDirectoryProjection({ dialect, open, secret: await secret(TOKENS_SECRET) }),
      new DeletionsProjection(),
      new TenantDeletionsProjection(),
    ] as unknown as AnyProjection[],
  queries: async ({ database, open, log, codec, secret, signal, failed }) => {
    const users = new UserQueries({
      database: database.of(USER_DIRECTORY),
      open,
      secret: await secret(TOKENS_SECRET),
    });
    const history = new UserHistory(log, codec);
    let isKeptReady = false;
    return {
      answers: {
        [LIST_USERS]: (tenantId: string, wanted: ListUsers) => users.list(tenantId, wanted),
        [USER_AS_OF]: (place: Place, moment: Moment) => history.asOf(place, moment),
        [USER_EVENTS]: async (place: Place, wanted: WantedEvents) =>
          utf8.encode(JSON.stringify(await history.list(place, wanted))),
      },
      replaced: (projection) => {
        if (projection !== USER_DIRECTORY) return;
        users.forget();
        // There are tables from now on.
        if (!isKeptReady) users.keepReady(signal, failed);
        isKeptReady = true;
      },
    };
  },
  relayed: { name: 'lifecycle-relay', categories: RELAYED_CATEGORIES, toMessage: lifecycleMessage },
};
