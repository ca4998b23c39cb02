import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { MESSAGE_TYPES, type Message, type ParticipantConfirmed, TOPICS, type UserDeleted } from '#contracts';
import { Aggregates } from '#event-store';
import { type Clock, type Decider, type DomainEvent, derivedId, systemContext } from '#kernel';
import type { MessageBus } from '#message-bus';
import type { SubjectKeyStore } from '#privacy';
import { IdempotentRequests } from '../idempotency/idempotent-requests.js';
import { CLOCK, KEY_STORE, MESSAGE_BUS } from '../tokens.js';
import type { Holder, Removed } from './holder.js';

/** Ends an aggregate for ever; one that never existed too, so that nothing can begin in it later. */
export interface Close {
  kind: 'close';
  platform_id: string;
  tenant_id: string;
  at: string;
}

/** What is left of a closed aggregate. */
export interface Closed {
  lifecycle: 'closed';
  platform_id: string;
  tenant_id: string;
  /** Destroyed after the closing; null when nothing was ever sealed. */
  subject_key: string | null;
  removed: Removed;
}

/** What each participant does when a user is deleted. Every step may run twice. */
@Injectable()
export class Cascade {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly requests: IdempotentRequests,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
    @Inject(MESSAGE_BUS) private readonly bus: MessageBus,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Closes the user's aggregate, destroys its key, and confirms both under the participant's name. */
  async letGo<State extends { lifecycle: string }, Command, Event extends DomainEvent>(
    participant: string,
    decider: Decider<State, Command | Close, Event>,
    user: UserDeleted,
    cause: Message<object>,
  ): Promise<void> {
    const { platform_id, tenant_id, user_id } = user;
    const scope = { platformId: platform_id, tenantId: tenant_id };
    const close: Close = { kind: 'close', platform_id, tenant_id, at: this.clock.now().toISOString() };
    const context = systemContext(cause, scope, participant);
    const { state } = await this.aggregates.execute(decider, user_id, close, { context });
    if (!isClosed(state)) throw new Error(`what ${participant} closed is in another state`);
    await this.requests.forget(user_id);
    if (state.subject_key !== null) await this.subjectKeys.destroy([state.subject_key]);
    await this.bus.publish(TOPICS.cascade, [this.confirmation(participant, user, state, cause)]);
  }

  /** What `letGo` would confirm now; nothing changes. */
  async wouldRemove<State extends { lifecycle: string }, Command, Event extends DomainEvent>(
    decider: Decider<State, Command | Close, Event>,
    { platform_id, tenant_id, user_id }: Holder,
  ): Promise<Removed> {
    const close: Close = { kind: 'close', platform_id, tenant_id, at: this.clock.now().toISOString() };
    const state = await this.aggregates.preview(decider, user_id, close);
    if (!isClosed(state)) throw new Error('what was to be closed is in another state');
    return state.removed;
  }

  private confirmation(
    participant: string,
    { platform_id, tenant_id, user_id }: UserDeleted,
    { removed }: Closed,
    cause: Message<object>,
  ): Message<ParticipantConfirmed> {
    const type = MESSAGE_TYPES.participantConfirmed;
    return {
      // The same each time, so that a repeated confirmation can be told from another one.
      id: derivedId(createHash('sha256').update(`${type}:${participant}:${user_id}`).digest()),
      type,
      source: `/tenantry/${participant}`,
      subject: user_id,
      time: this.clock.now().toISOString(),
      correlationId: cause.correlationId,
      causationId: cause.id,
      data: { platform_id, tenant_id, user_id, participant, removed },
    };
  }
}

const isClosed = (state: { lifecycle: string }): state is Closed => state.lifecycle === 'closed';
