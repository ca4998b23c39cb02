import type { IncomingMessage, ServerResponse } from 'node:http';
import { type HttpServer, serve } from './authorization-server.js';

export type Script = (request: { path: string; body: URLSearchParams }, response: ServerResponse) => void;

export interface ScriptedProvider extends HttpServer {
  settings: { authorize_url: string; token_url: string; revoke_url: string; client_id: string };
  /** What is answered from now on. */
  script: Script;
  /** Every request so far. */
  requests: { path: string; body: URLSearchParams; headers: IncomingMessage['headers'] }[];
}

export const sendJson =
  (status: number, body: object): Script =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** A stand-in for what no well-behaved authorization server can be brought to do. */
export async function startScriptedProvider(): Promise<ScriptedProvider> {
  const requests: ScriptedProvider['requests'] = [];
  const server = await serve(() => async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = new URLSearchParams(Buffer.concat(chunks).toString());
    const path = request.url ?? '';
    requests.push({ path, body, headers: request.headers });
    scripted.script({ path, body }, response);
  });
  const { url } = server;
  const settings = {
    authorize_url: `${url}/authorize`,
    token_url: `${url}/token`,
    revoke_url: `${url}/revoke`,
    client_id: 'client',
  };
  const scripted: ScriptedProvider = { ...server, settings, requests, script: sendJson(200, {}) };
  return scripted;
}
