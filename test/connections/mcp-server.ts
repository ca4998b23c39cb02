import type { IncomingMessage, RequestListener } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { type HttpServer, serve } from './authorization-server.js';

export const MCP_SERVER = { name: 'weather', version: '1.4.0' };

/** A real MCP server (`@modelcontextprotocol/sdk`) that takes the requests that `isAllowed` says. */
export const startMcpServer = (
  isAllowed: (request: IncomingMessage) => Promise<boolean> | boolean,
  authorizationServer?: string,
): Promise<HttpServer> =>
  serve((url) => {
    const protect = listener(isAllowed);
    const metadata = { resource: `${url}/mcp`, authorization_servers: [authorizationServer] };
    return (request, response) => {
      const isMetadata = request.url?.startsWith('/.well-known/oauth-protected-resource');
      if (!isMetadata || !authorizationServer) return protect(request, response);
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify(metadata));
    };
  });

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
