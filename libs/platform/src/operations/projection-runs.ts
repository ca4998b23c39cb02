import { Inject, Injectable } from '@nestjs/common';
import type { MessageBus } from '#message-bus';
import { Sealer, type SubjectKeyStore } from '#privacy';
import {
  type LogFollower,
  type LogFollowerOptions,
  type ProjectionDeps,
  type ProjectionModule,
  ProjectionRunner,
  type Projections,
  Relay,
  RemoteReadFolder,
} from '#projections';
import { RemoteProjections, type Storage } from '#storage';
import type { Settings } from '../settings.js';
import { KEY_STORE, MESSAGE_BUS, SETTINGS, STORAGE } from '../tokens.js';

type Parts = Omit<LogFollowerOptions, 'name' | 'categories' | 'handle'>;
type OnChange = (projection: string, replaced: boolean) => void;

/**
 * Starts projections and relays in the thread that writes the log, where it writes their tables and the bus too; else
 * in this one.
 */
@Injectable()
export class ProjectionRuns {
  constructor(
    @Inject(STORAGE) private readonly storage: Storage | undefined,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
    @Inject(MESSAGE_BUS) private readonly bus: MessageBus,
    private readonly sealer: Sealer,
  ) {}

  /** Resolves when they follow the log. Relays that are to run in this thread are left to the caller. */
  async start(
    modules: readonly ProjectionModule[],
    parts: Parts,
    onChange: OnChange,
  ): Promise<{ projections: Projections; relays: LogFollower[] }> {
    const relays = this.isRelayedThere() ? [] : this.relays(modules, parts);
    const { database } = parts;
    const isRemote = database instanceof RemoteReadFolder;
    if (this.storage) {
      const onReplaced = (name: string) => isRemote && database.replaced(name);
      const projections = new RemoteProjections(this.storage, onChange, onReplaced);
      await projections.start(modules);
      if (isRemote) return { projections, relays };
    }
    const made = await Promise.all(modules.map((module) => module.projections(this.deps(parts))));
    const projections = new ProjectionRunner({ ...parts, onChange, projections: made.flat() });
    await projections.start();
    return { projections, relays };
  }

  private isRelayedThere(): boolean {
    const { eventStoreUrl, kafka } = this.settings;
    return this.storage !== undefined && !eventStoreUrl && !kafka;
  }

  private relays(modules: readonly ProjectionModule[], parts: Parts): Relay[] {
    return modules.flatMap(({ relayed }) =>
      relayed ? [new Relay({ ...parts, ...relayed, publisher: this.bus })] : [],
    );
  }

  private deps({ database }: Parts): ProjectionDeps {
    return {
      dialect: database.dialect,
      open: (sealed, stream) => this.sealer.open(sealed, stream),
      secret: (name) => this.keys.secret(name),
    };
  }
}
