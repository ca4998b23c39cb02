import { Inject, Injectable } from '@nestjs/common';
import { type Message, validateMessage } from '#contracts';
import { unavailable } from '#kernel';
import { askService } from '../services/ask-service.js';
import type { Settings } from '../settings.js';
import { SETTINGS } from '../tokens.js';
import type { CopyKind } from './copy.js';

/** Asks the tenant-users service for what the bus has not told yet. */
@Injectable()
export class TenantUsersClient {
  constructor(@Inject(SETTINGS) private readonly settings: Settings) {}

  /** What there is to say of one thing, in order; nothing where there is none. Rejects with `unavailable`. */
  async messages(kind: CopyKind, id: string): Promise<Message<object>[]> {
    const { tenantUsersUrl: url, rootKey } = this.settings;
    const path = `/internal/messages/${kind}/${id}`;
    const answer = await askService({ url: url ?? '', rootKey }, 'GET', path);
    const messages = (answer.body as { messages?: unknown }).messages;
    if (
      answer.status !== 200 ||
      !Array.isArray(messages) ||
      messages.some((one) => validateMessage(one).length)
    ) {
      throw unavailable('the tenant-users service gave no usable answer');
    }
    return messages as Message<object>[];
  }
}
