import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { EventStore } from '#event-store';
import type { MessageBus } from '#message-bus';
import type { SubjectKeyStore } from '#privacy';
import type { ReadDatabase } from '#projections';
import { EVENT_STORE, KEY_STORE, MESSAGE_BUS, READ_DATABASE } from '../tokens.js';
import { AppLogger } from './logger.js';
import { ReadModels } from './read-models.js';

export interface PartState {
  name: string;
  status: 'up' | 'down';
}

/** What the process stands on: asked for its health together, and closed together, in order. */
@Injectable()
export class Parts implements OnApplicationShutdown {
  constructor(
    @Inject(EVENT_STORE) private readonly eventStore: EventStore,
    @Inject(READ_DATABASE) private readonly readDatabase: ReadDatabase,
    @Inject(MESSAGE_BUS) private readonly messageBus: MessageBus,
    @Inject(KEY_STORE) private readonly keyStore: SubjectKeyStore,
    private readonly readModels: ReadModels,
    private readonly logger: AppLogger,
  ) {}

  async states(): Promise<PartState[]> {
    const parts = {
      event_store: this.eventStore,
      read_database: this.readDatabase,
      message_bus: this.messageBus,
      key_store: this.keyStore,
    };
    return Promise.all(Object.entries(parts).map(([name, part]) => this.state(name, part)));
  }

  /** Runs after the HTTP server and the consumers have finished what was under way. */
  async onApplicationShutdown(): Promise<void> {
    await this.readModels.stop();
    await this.messageBus.close();
    await this.readDatabase.close();
    await this.keyStore.close();
    await this.eventStore.close();
  }

  private async state(name: string, part: { ready(): Promise<void> }): Promise<PartState> {
    try {
      await part.ready();
      return { name, status: 'up' };
    } catch (error) {
      this.logger.failure(error, { part: name });
      return { name, status: 'down' };
    }
  }
}
