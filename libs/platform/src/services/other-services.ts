import { Inject, Injectable } from '@nestjs/common';
import { MESSAGE_TYPES, type Message, type UserUpdated } from '#contracts';
import { notFound, TenantryError, unavailable } from '#kernel';
import type { Holder, Removed } from '../operations/holder.js';
import { AppLogger } from '../operations/logger.js';
import type { Settings } from '../settings.js';
import { SETTINGS } from '../tokens.js';
import { askService, type OtherService, type ServiceAnswer } from './ask-service.js';

/** Messages after which somebody may do less than before. */
const TAKING_AWAY: readonly string[] = [
  MESSAGE_TYPES.tenantDeleted,
  MESSAGE_TYPES.platformKeyRevoked,
  MESSAGE_TYPES.accountKitUpdated,
  MESSAGE_TYPES.accountKitDeleted,
  MESSAGE_TYPES.userUpdated,
  MESSAGE_TYPES.userDeleted,
];

/** As many as fit into the body of one request. What is not told directly comes by the bus. */
const MAX_WAITING = 400;

const WHAT_OTHERS_HEED = ['status', 'account_kit_id'];

const matters = ({ type, data }: Message<object>): boolean => {
  if (!TAKING_AWAY.includes(type)) return false;
  if (type !== MESSAGE_TYPES.userUpdated) return true;
  return (data as UserUpdated).changed.some((field) => WHAT_OTHERS_HEED.includes(field));
};

/**
 * The services that run in processes of their own, as the tenant-users service sees them; none where all run in this
 * one. The bus tells them everything; what takes something away they are told directly too, before the one who asked
 * for it is answered, so that it holds from the next request on.
 */
@Injectable()
export class OtherServices {
  private readonly mailboxes: Mailbox[];

  constructor(
    @Inject(SETTINGS) { serviceUrls = [], rootKey }: Settings,
    private readonly logger: AppLogger,
  ) {
    this.mailboxes = serviceUrls.map((url) => new Mailbox({ url, rootKey }));
  }

  /** Resolves when each has taken them; one that does not answer in 2 s learns of them by the bus. */
  async tell(messages: readonly Message<object>[]): Promise<void> {
    const telling = messages.filter(matters);
    if (telling.length === 0) return;
    const outcomes = await Promise.allSettled(this.mailboxes.map((mailbox) => mailbox.send(telling)));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue;
      const service = this.mailboxes[index]?.service.url;
      this.logger.failure(outcome.reason, { service, correlationId: telling[0]?.correlationId });
    }
  }

  /** What each holds for the user. Rejects with `unavailable` if one can't tell. */
  holdings(user: Holder): Promise<Removed[]> {
    const ask = async ({ service }: Mailbox) =>
      expectOk(await askService(service, 'POST', '/internal/holdings', user));
    return Promise.all(this.mailboxes.map(ask)) as Promise<Removed[]>;
  }

  /** Rejects with `unavailable` if one can't tell. */
  async projections<State>(): Promise<State[]> {
    const ask = async ({ service }: Mailbox) => expectOk(await askService(service, 'GET', '/v1/projections'));
    const lists = (await Promise.all(this.mailboxes.map(ask))) as { data: State[] }[];
    return lists.flatMap(({ data }) => data);
  }

  /** The answer of the service that has the projection; throws `not_found` where none has. */
  async ofProjection(method: 'GET' | 'POST', name: string, body?: object): Promise<unknown> {
    for (const { service } of this.mailboxes) {
      const answer = await askService(
        service,
        method,
        `/v1/projections/${encodeURIComponent(name)}/rebuild`,
        body,
      );
      if (answer.status === 404) continue;
      if (answer.status === 409) throw new TenantryError('illegal_state', detailOf(answer));
      return expectOk(answer);
    }
    throw notFound('projection');
  }
}

/** Sends one service what there is to tell, together while the one before is under way, and so in order. */
class Mailbox {
  private waiting: Message<object>[] = [];
  private next: Promise<void> | undefined;
  private underWay: Promise<void> = Promise.resolve();

  constructor(readonly service: OtherService) {}

  /** Rejects with `unavailable` where it does not take them, or too many wait. */
  send(messages: readonly Message<object>[]): Promise<void> {
    if (this.waiting.length + messages.length > MAX_WAITING) {
      return Promise.reject(unavailable('too much is waiting to be told to another service of Tenantry'));
    }
    this.waiting.push(...messages);
    this.next ??= this.underWay.catch(() => undefined).then(() => this.deliver());
    return this.next;
  }

  private deliver(): Promise<void> {
    const messages = this.waiting;
    this.waiting = [];
    this.next = undefined;
    this.underWay = askService(this.service, 'POST', '/internal/messages', { messages }).then(
      ({ status }) => {
        if (status !== 204) throw unavailable(`another service of Tenantry answered ${status}`);
      },
    );
    return this.underWay;
  }
}

function expectOk(answer: ServiceAnswer): unknown {
  if (answer.status >= 300) throw unavailable(`another service of Tenantry answered ${answer.status}`);
  return answer.body;
}

const detailOf = ({ body }: ServiceAnswer): string =>
  (body as { detail?: string } | undefined)?.detail ?? 'refused';
