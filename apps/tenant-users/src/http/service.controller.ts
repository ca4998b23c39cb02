import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Message } from '#contracts';
import type { EventStore } from '#event-store';
import { notFound, streamName } from '#kernel';
import { COPY_KINDS, type CopyKind, EVENT_STORE, RequireRoot } from '#platform';
import { lifecycleMessage } from '../policies/lifecycle-messages.js';
import { Access } from '../read-models/access.js';

const CATEGORIES: { [Kind in CopyKind]: readonly string[] } = {
  platform: ['platform'],
  tenant: ['tenant'],
  platform_key: ['platformKey'],
  platform_key_hash: ['platformKey'],
  account_kit: ['accountKit'],
  user: ['tenantUser', 'deletion'],
};

/** What the other services ask of this one. Not part of the public contract. */
@ApiExcludeController()
@Controller('internal')
export class ServiceController {
  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    private readonly access: Access,
  ) {}

  /** All that was ever said of one thing, in order, as the log has it now; nothing where there is no such thing. */
  @Get('messages/:kind/:id')
  @RequireRoot()
  async messages(
    @Param('kind') name: string,
    @Param('id') given: string,
  ): Promise<{ messages: Message<object>[] }> {
    const kind = COPY_KINDS.find((known) => known === name);
    if (!kind) throw notFound('kind of messages');
    const id = kind === 'platform_key_hash' ? await this.access.keyId(given) : given;
    if (id === undefined || !/^[\w-]{1,64}$/.test(id)) return { messages: [] };
    const streams = CATEGORIES[kind].map((category) => this.store.read(streamName(category, id)));
    const events = (await Promise.all(streams)).flat();
    // A deletion is announced a moment after the user's last event.
    if (events.at(-1)?.type === 'tenant-user.deleted.v1') return { messages: [] };
    const said = events.map(lifecycleMessage).filter((message) => message !== undefined);
    return { messages: said.map(({ message }) => message) };
  }
}
