// Runs bench/load.mjs, so that the load has a process of its own.
import { fork } from 'node:child_process';
import { beginUsage } from './usage.mjs';

/**
 * Puts the scenario's load on the server and answers its figures, with what the server used meanwhile.
 * The task: { scenario, users?, cursors?, firstNumber?, connections, warmUpSeconds?, tenantId? } with `seconds` or,
 * for a number of requests, `amount`. `onProgress` is told how many of those are done.
 */
export async function runLoad(server, task, onProgress = () => {}) {
  const child = fork('bench/load.mjs');
  const { url, key } = server;
  child.send({ url, key, ...task });
  const { promise: ended, resolve, reject } = Promise.withResolvers();
  let usage;
  child.on('message', ({ measuring, done, result }) => {
    if (measuring && server.eventLoop) usage = beginUsage(server);
    if (done) onProgress(done);
    if (result) resolve(result);
  });
  child.once('exit', (code) => reject(new Error(`the load process ended with ${code} before it answered`)));
  const kill = () => child.kill();
  process.once('exit', kill);
  const result = await ended.finally(() => process.off('exit', kill));
  return { ...result, ...(usage && (await (await usage)())) };
}
