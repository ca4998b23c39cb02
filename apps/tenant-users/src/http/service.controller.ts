import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Message } from '#contracts';
import { Aggregates, type EventStore } from '#event-store';
import { notFound, type RecordedEvent, streamName } from '#kernel';
import { COPY_KINDS, type CopyKind, EVENT_STORE, RequireRoot } from '#platform';
import { accountKit } from '../domain/account-kit.js';
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
    private readonly aggregates: Aggregates,
  ) {}

  /** What there is to say of one thing, in order, as the log has it now; nothing where there is no such thing. */
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
    const streams = CATEGORIES[kind].map((category) => this.ends(streamName(category, id)));
    const events = (await Promise.all(streams)).flat();
    // A deletion is announced a moment after the user's last event.
    if (events.at(-1)?.type === 'tenant-user.deleted.v1') return { messages: [] };
    const said = events.map(lifecycleMessage).filter((message) => message !== undefined);
    const messages = said.map(({ message }) => message);
    return { messages: kind === 'account_kit' ? await this.ofKit(id, messages) : messages };
  }

  /** The first and the last event: what lies between them, the last one tells too. */
  private async ends(stream: string): Promise<RecordedEvent[]> {
    const [last] = await this.store.read(stream, { backwards: true, limit: 1 });
    if (!last || last.revision === 0) return last ? [last] : [];
    return [...(await this.store.read(stream, { limit: 1 })), last];
  }

  /** But a change of a kit holds only what changed: its whole terms are told as if it had been made with them. */
  private async ofKit(id: string, messages: Message<object>[]): Promise<Message<object>[]> {
    const { state, revision } = await this.aggregates.load(accountKit, id);
    const [created] = messages;
    if (state.lifecycle !== 'alive' || !created) return messages;
    const { key_scopes, rate_limits, allowed_providers } = state;
    const terms = { key_scopes, rate_limits, allowed_providers };
    return [{ ...created, data: { ...created.data, revision, terms } }];
  }
}
