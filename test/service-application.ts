import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Clock } from '#kernel';
import type { ConsumerOptions } from '#message-bus';
import { createApp, loadSettings, PlatformModule, startFollowing } from '#platform';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface CallOptions {
  key?: string;
  /** Named in `X-Tenant-Id`. */
  tenant?: string;
  headers?: Record<string, string>;
}

interface ServiceParts {
  modules: Type[];
  consumers: readonly ConsumerOptions[];
  clock: Clock;
  /** Settings beside the data dir. */
  env?: Record<string, string>;
  /** Runs before it follows the log. */
  prepare?(app: NestFastifyApplication): void;
}

export type ServiceApplication = Awaited<ReturnType<typeof openService>>;

/** A service in this process on the embedded engines, in a folder of its own; `open` it again to see it restart. */
export async function openService(parts: ServiceParts, folder?: string) {
  const { modules, consumers, clock, env } = parts;
  const dataDir = folder ?? (await mkdtemp(join(tmpdir(), 'tenantry-service-')));
  const settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent', ...env });
  class TestModule {}
  const imports = [PlatformModule.forRoot(settings, clock), ...modules];
  const app = await createApp({ module: TestModule, imports }, [...consumers]);
  parts.prepare?.(app);
  await startFollowing(app);

  const call = async (method: Method, url: string, body?: object, by: CallOptions = {}) => {
    const headers = {
      ...(by.key !== undefined && { authorization: `Bearer ${by.key}` }),
      ...(by.tenant !== undefined && { 'x-tenant-id': by.tenant }),
      ...by.headers,
    };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    const text = answer.body;
    return {
      status: answer.statusCode,
      body: text === '' ? undefined : answer.json(),
      headers: answer.headers,
    };
  };
  return {
    app,
    dataDir,
    rootKey: settings.rootKey,
    call,
    /** A platform with its first key, which may do everything. */
    newPlatform: async () => {
      const { body } = await call('POST', '/v1/platforms', { name: 'Acme' }, { key: settings.rootKey });
      return body as {
        id: string;
        default_tenant_id: string;
        api_key: { id: string; raw_key: string };
      };
    },
    close: () => app.close(),
    remove: async () => {
      await app.close();
      await rm(dataDir, { recursive: true });
    },
  };
}
