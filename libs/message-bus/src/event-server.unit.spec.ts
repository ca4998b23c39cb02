import { describe, expect, it } from '@jest/globals';
import type { Message } from '#contracts';
import { EventServer } from './event-server.js';

class TestServer extends EventServer {
  listen(): void {}
  close(): void {}
  heeds(data: unknown): boolean {
    return this.handlersOf({ type: 'happened', data } as Message<object>).length > 0;
  }
}

describe('the handlers of a message', () => {
  it('given some that a handler skips, then those have none, and damaged ones are not skipped', () => {
    const server = new TestServer();
    const handler = async (): Promise<void> => undefined;
    server.addHandler('happened', handler as never, true, { skips: ({ budget }) => budget === null });
    const all = [{ budget: null }, { budget: 1 }, {}, null, 'text'];
    expect(all.map((data) => server.heeds(data))).toEqual([false, true, true, true, true]);
  });
});
