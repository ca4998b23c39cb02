import { Injectable } from '@nestjs/common';
import { Cascade, Holdings } from '#platform';
import { connections } from '../domain/connections.decide.js';
import { vault } from '../domain/vault.decide.js';

/** Tells what this service would let go of if a user were deleted. */
@Injectable()
export class ConnectionHoldings {
  constructor(holdings: Holdings, cascade: Cascade) {
    holdings.register('connections', (user) => cascade.wouldRemove(connections, user));
    holdings.register('vault', (user) => cascade.wouldRemove(vault, user));
  }
}
