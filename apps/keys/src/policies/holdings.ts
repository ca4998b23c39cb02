import { Injectable } from '@nestjs/common';
import { Cascade, Holdings } from '#platform';
import { keyring } from '../domain/keyring.decide.js';
import { PARTICIPANT } from './participant.js';

/** Tells what this service would let go of if a user were deleted. */
@Injectable()
export class KeyHoldings {
  constructor(holdings: Holdings, cascade: Cascade) {
    holdings.register(PARTICIPANT, (user) => cascade.wouldRemove(keyring, user));
  }
}
