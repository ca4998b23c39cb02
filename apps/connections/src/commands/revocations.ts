import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { type CommandContext, notFound } from '#kernel';
import { connections } from '../domain/connections.decide.js';
import type { LeftOver, RevocationOutcome } from '../domain/connections.js';
import { OAuthClient, type OAuthServer } from '../outbound/oauth-client.js';
import { failureIn, ProviderFailure } from '../outbound/provider-failure.js';
import { ProviderAccess } from './provider-access.js';
import { type OpenedTokens, type TokenPlace, TokenVault } from './token-vault.js';

export interface Revocation {
  outcome: RevocationOutcome | 'nothing_to_revoke';
  reason: string | null;
}

const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 100;
const LANES = 8;

/**
 * Tells providers that tokens are not needed any more (RFC 7009), a bounded number of times, and records what
 * came of it. The connection is gone before that, so a provider that is down holds nothing up.
 */
@Injectable()
export class Revocations {
  private readonly running = new Map<string, Promise<Revocation>>();

  constructor(
    private readonly aggregates: Aggregates,
    private readonly providers: ProviderAccess,
    private readonly vault: TokenVault,
    private readonly oauth: OAuthClient,
  ) {}

  /**
   * Revokes what the connection left over, after `first`. One run at a time for each connection: others get the
   * same answer.
   */
  async settle(
    userId: string,
    connectionId: string,
    context: CommandContext,
    first: () => Promise<unknown> = async () => undefined,
  ): Promise<Revocation> {
    const running = this.running.get(connectionId);
    if (running) return running;
    const run = first().then(() => this.run(userId, connectionId, context));
    this.running.set(connectionId, run);
    try {
      return await run;
    } finally {
      this.running.delete(connectionId);
    }
  }

  /** All that the user's connections left over. */
  async settleAll(userId: string, context: CommandContext): Promise<void> {
    const { state } = await this.aggregates.load(connections, userId);
    if (state.lifecycle === 'absent') return;
    const ids = state.left_over.keys();
    const lane = async (): Promise<void> => {
      for (const id of ids) await this.settle(userId, id, context);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }

  /** Tokens that found no place in the log: nobody will ask for them again. */
  async discard(server: OAuthServer, tokens: OpenedTokens): Promise<void> {
    await this.revoke(server, tokens).catch((error: unknown) => {
      if (!failureIn(error)) throw error;
    });
  }

  private async run(userId: string, connectionId: string, context: CommandContext): Promise<Revocation> {
    const { state } = await this.aggregates.load(connections, userId);
    if (state.lifecycle === 'absent') throw notFound('connection');
    const leftOver = state.left_over.get(connectionId);
    if (!leftOver) return { outcome: 'nothing_to_revoke', reason: null };
    const reason = await this.attempt({ userId, connectionId }, state.platform_id, leftOver);
    const outcome = reason === null ? ('revoked' as const) : ('not_revoked' as const);
    const tenant_id = state.tenant_id;
    const record = { kind: 'record-revocation' as const, tenant_id, connection_id: connectionId };
    await this.aggregates.execute(connections, userId, { ...record, outcome, reason }, { context });
    return { outcome, reason };
  }

  /** Null where it worked, else why not. */
  private async attempt(place: TokenPlace, platformId: string, leftOver: LeftOver): Promise<string | null> {
    const provider = await this.providers.find(platformId, leftOver.provider);
    if (!provider?.server) return 'provider_removed';
    const tokens = await this.vault.open(place, leftOver.sealed);
    if (!tokens) return 'key_destroyed';
    try {
      await this.revoke(provider.server, tokens);
      return null;
    } catch (error) {
      const failure = failureIn(error);
      if (!failure) throw error;
      return failure.reason;
    }
  }

  /** The refresh token first: with it most providers end all that came from the same consent. */
  private async revoke(server: OAuthServer, { refresh_token, access_token }: OpenedTokens): Promise<void> {
    if (refresh_token !== null) {
      await insist(() => this.oauth.revoke(server, refresh_token, 'refresh_token'));
    }
    await insist(() => this.oauth.revoke(server, access_token, 'access_token'));
  }
}

async function insist(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const isPassing = error instanceof ProviderFailure && error.isPassing;
      if (!isPassing || attempt === MAX_ATTEMPTS) throw error;
      await sleep(FIRST_DELAY_MS * 2 ** (attempt - 1));
    }
  }
}
