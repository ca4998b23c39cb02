import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { Storage } from '#storage';
import { DURABLE_DATABASE, EVENT_STORE, KEY_STORE, MESSAGE_BUS, READ_DATABASE, STORAGE } from '../tokens.js';
import { AppLogger } from './logger.js';
import { ReadModels } from './read-models.js';

export interface PartState {
  name: string;
  status: 'up' | 'down';
}

interface Part {
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** In the order in which they are closed. */
const PARTS = {
  message_bus: MESSAGE_BUS,
  read_database: READ_DATABASE,
  durable_database: DURABLE_DATABASE,
  key_store: KEY_STORE,
  event_store: EVENT_STORE,
};

/** What the process stands on: asked for its health together, and closed together, in order. */
@Injectable()
export class Parts implements OnApplicationShutdown {
  constructor(
    private readonly modules: ModuleRef,
    private readonly readModels: ReadModels,
    private readonly logger: AppLogger,
  ) {}

  async states(): Promise<PartState[]> {
    return Promise.all(this.all().map(([name, part]) => this.state(name, part)));
  }

  /** Runs after the HTTP server and the consumers have finished what was under way. */
  async onApplicationShutdown(): Promise<void> {
    await this.readModels.stop();
    for (const [, part] of this.all()) await part.close();
    await this.modules.get<Storage | undefined>(STORAGE, { strict: false })?.close();
  }

  private all(): [name: string, part: Part][] {
    return Object.entries(PARTS).map(([name, token]) => [
      name,
      this.modules.get<Part>(token, { strict: false }),
    ]);
  }

  private async state(name: string, part: Part): Promise<PartState> {
    try {
      await part.ready();
      return { name, status: 'up' };
    } catch (error) {
      this.logger.failure(error, { part: name });
      return { name, status: 'down' };
    }
  }
}
