import type { IncomingMessage, RequestListener } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { type HttpServer, serve } from './authorization-server.js';

export const MCP_SERVER = { name: 'weather', version: '1.4.0' };

/** A real MCP server (`@modelcontextprotocol/sdk`) that takes the requests that `isAllowed` says. */
export const startMcpServer = (
  isAllowed: (request: IncomingMessage) => Promise<boolean> | boolean,
): Promise<HttpServer> => serve(() => listener(isAllowed));

const listener =
  (isAllowed: (request: IncomingMessage) => Promise<boolean> | boolean): RequestListener =>
  async (request, response) => {
    if (!(await isAllowed(request))) {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      return;
    }
    const server = new McpServer(MCP_SERVER);
    server.registerTool('forecast', { description: 'Rain, mostly' }, async () => ({ content: [] }));
    const transport = new StreamableHTTPServerTransport();
    response.on('close', () => {
      void transport.close();
      void server.close();
    });
    await server.connect(transport);
    await transport.handleRequest(request, response);
  };
