import { Injectable } from '@nestjs/common';
import { OAuthClient, type OAuthServer, type Tokens } from '../outbound/oauth-client.js';
import { AuthorizationState, type AwaitedConsent } from './authorization-state.js';

/** The user's consent at the provider: asked for by an address, brought back by the browser. */
@Injectable()
export class Consent {
  constructor(
    private readonly oauth: OAuthClient,
    private readonly authorization: AuthorizationState,
  ) {}

  /** Where the browser is to go. `callbackUrl` is where it comes back to. */
  askingUrl(
    server: OAuthServer,
    awaited: AwaitedConsent,
    callbackUrl: string,
    scopes: readonly string[],
  ): Promise<string> {
    return this.oauth.authorizationUrl(server, { ...this.request(awaited, callbackUrl), scopes });
  }

  /** Which consent a callback is about; undefined unless this service asked for it. */
  read(callback: URLSearchParams): AwaitedConsent | undefined {
    const [state = '', ...more] = callback.getAll('state');
    return more.length === 0 ? this.authorization.read(state) : undefined;
  }

  /** Throws ProviderFailure, also for consent that was denied. */
  redeem(
    server: OAuthServer,
    awaited: AwaitedConsent,
    callbackUrl: string,
    callback: URLSearchParams,
  ): Promise<Tokens> {
    return this.oauth.exchange(server, callback, this.request(awaited, callbackUrl));
  }

  private request(awaited: AwaitedConsent, redirectUri: string) {
    return {
      redirectUri,
      state: this.authorization.stateOf(awaited),
      codeVerifier: this.authorization.codeVerifierOf(awaited.connectionId),
    };
  }
}
