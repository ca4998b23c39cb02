import { Client, SdkHttpError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '#platform';
import type { McpServer } from '../domain/connections.js';
import { boundedFetch, type Fetch } from './bounded-fetch.js';
import { failureIn, ProviderFailure } from './provider-failure.js';

export interface HttpHeader {
  name: string;
  value: string;
}

const MAX_TEXT = 200;

/** Speaks to MCP servers over Streamable HTTP. */
@Injectable()
export class McpClient {
  private readonly fetch: Fetch;
  private readonly timeoutMs: number;

  constructor(@Inject(SETTINGS) { providerTimeoutMs }: Settings) {
    this.timeoutMs = providerTimeoutMs;
    this.fetch = boundedFetch(providerTimeoutMs);
  }

  /** Initializes a session, ends it, and answers what the server said of itself. Throws ProviderFailure. */
  async check(serverUrl: string, { name, value }: HttpHeader): Promise<McpServer> {
    const client = new Client({ name: 'tenantry', version: '1' });
    let failure: ProviderFailure | undefined;
    const transport = new StreamableHTTPClientTransport(new URL(serverUrl), {
      fetch: async (url, init) => {
        try {
          return await this.fetch(url, init);
        } catch (error) {
          failure ??= failureIn(error);
          throw error;
        }
      },
      requestInit: { headers: { [name]: value }, redirect: 'manual' },
      reconnectionOptions: {
        maxRetries: 0,
        initialReconnectionDelay: 1_000,
        maxReconnectionDelay: 1_000,
        reconnectionDelayGrowFactor: 1,
      },
    });
    try {
      // Each exchange has a time-out of its own, which tells more than this one.
      await client.connect(transport, { timeout: 2 * this.timeoutMs });
      return described(client);
    } catch (error) {
      throw failure ?? failureIn(error) ?? refusal(error);
    } finally {
      // A server that can't end a session ends it by itself in time.
      await transport.terminateSession().catch(() => undefined);
      await client.close();
    }
  }
}

function described(client: Client): McpServer {
  const { name = '', version = '' } = client.getServerVersion() ?? {};
  const text = (value: string): string => value.slice(0, MAX_TEXT).toWellFormed().replaceAll('\0', '');
  return {
    name: text(name),
    version: text(version),
    protocol_version: text(client.getNegotiatedProtocolVersion() ?? ''),
  };
}

function refusal(error: unknown): ProviderFailure {
  const isUnauthorized =
    (error instanceof SdkHttpError && (error.status === 401 || error.status === 403)) ||
    (error instanceof Error && error.constructor.name === 'UnauthorizedError');
  return new ProviderFailure(isUnauthorized ? 'mcp_unauthorized' : 'mcp_initialize_failed');
}
