import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, isTenantryError } from '#kernel';
import { PostgresKeyStore } from '#privacy';
import { PostgresPool, PostgresReadDatabase, preparePostgres } from '#projections';
import type { AppLogger } from './operations/logger.js';
import { InvalidSetting, type Settings } from './settings.js';

const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
const KEY_CONNECTIONS = 4;
/** Commands wait for the keys. */
const KEY_TIMEOUT_MS = 5_000;

/** What stands on PostgreSQL where the settings name a server. */
export class PostgresEngines {
  constructor(
    private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly logger: AppLogger,
  ) {}

  async readDatabase(url: string): Promise<PostgresReadDatabase> {
    await this.reach('DATABASE_URL', url);
    return PostgresReadDatabase.open(url);
  }

  /** In a schema of its own, so that it can be kept safe by itself. */
  async durableDatabase(url: string): Promise<PostgresReadDatabase> {
    await this.reach('DATABASE_URL', url);
    return PostgresReadDatabase.open(url, { durable: true, part: 'requests' });
  }

  /** In a schema of its own too. */
  async keyStore(url: string): Promise<PostgresKeyStore> {
    const variable = url === this.settings.databaseUrl ? 'DATABASE_URL' : 'TENANTRY_KEY_STORE_URL';
    await this.reach(variable, url, 'keys');
    const pool = new PostgresPool(url, { part: 'keys', max: KEY_CONNECTIONS, timeoutMs: KEY_TIMEOUT_MS });
    return PostgresKeyStore.open(pool, this.settings.masterKey, { clock: this.clock });
  }

  /** Waits for a server that is only down; whoever has it started reads why nothing happens. */
  private async reach(variable: string, url: string, part?: string): Promise<void> {
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      try {
        return await preparePostgres(url, part);
      } catch (error) {
        if (!isTenantryError(error)) throw error;
        if (error.kind !== 'unavailable') throw new InvalidSetting(variable, error.message);
        this.logger.warn(
          { setting: variable, retryDelayMs: delayMs },
          `${variable}: ${error.message}; trying again`,
        );
      }
      await sleep(delayMs * (0.5 + Math.random() / 2));
    }
  }
}
