import { Inject, Injectable } from '@nestjs/common';
import { type Clock, streamName } from '#kernel';
import { CLOCK } from '#platform';
import { Sealer } from '#privacy';
import type { StoredTokens } from '../domain/connections.js';
import type { Tokens } from '../outbound/oauth-client.js';
import { ProviderFailure } from '../outbound/provider-failure.js';

/** The tokens of a connection, in clear. */
export interface OpenedTokens {
  access_token: string;
  refresh_token: string | null;
}

/** Whose tokens, and of which connection. */
export interface TokenPlace {
  userId: string;
  connectionId: string;
}

const nameOf = ({ connectionId }: TokenPlace): string => `tokens ${connectionId}`;

const MAX_TOKEN_LENGTH = 64 * 1024;
const MAX_SCOPES = 100;
const MAX_SCOPE_LENGTH = 200;

/** Seals tokens under the user's key, for their connection in the user's stream. */
@Injectable()
export class TokenVault {
  constructor(
    private readonly sealer: Sealer,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** What the provider leaves out stays as it was. Throws ProviderFailure for tokens beyond any measure. */
  async seal(
    place: TokenPlace,
    subjectKey: string,
    tokens: Tokens,
    before: { refresh_token: string | null; scopes: readonly string[] },
  ): Promise<StoredTokens> {
    const { access_token, expires_in_seconds } = tokens;
    const refresh_token = tokens.refresh_token ?? before.refresh_token;
    if (access_token.length + (refresh_token?.length ?? 0) > MAX_TOKEN_LENGTH) {
      throw new ProviderFailure('provider_response_too_large');
    }
    const stream = streamName('connections', place.userId);
    const stored = { access_token, refresh_token };
    const sealed = await this.sealer.seal(subjectKey, stream, stored, nameOf(place));
    const scopes = (tokens.scopes ?? before.scopes).filter((scope) => scope.length <= MAX_SCOPE_LENGTH);
    return {
      sealed,
      tokens_expire_at: expires_in_seconds === null ? null : this.timeAfter(expires_in_seconds),
      scopes: scopes.slice(0, MAX_SCOPES),
    };
  }

  /** Null once the user's key is destroyed, and where they can't be read. */
  async open(place: TokenPlace, sealed: string): Promise<OpenedTokens | null> {
    const stream = streamName('connections', place.userId);
    const opened = await this.sealer.openOrNull(sealed, stream, { name: nameOf(place) });
    return opened as OpenedTokens | null;
  }

  private timeAfter(seconds: number): string {
    const bounded = Math.min(seconds, 10 * 365 * 24 * 3_600);
    return new Date(this.clock.now().getTime() + bounded * 1_000).toISOString();
  }
}
