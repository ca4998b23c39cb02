import { Inject, Injectable } from '@nestjs/common';
import type { MessageBus } from '#message-bus';
import { PersonalDataCodec, Sealer, type SubjectKeyStore } from '#privacy';
import {
  LocalQueries,
  type LogFollower,
  type LogFollowerOptions,
  type ProjectionDeps,
  type ProjectionModule,
  ProjectionRunner,
  type Projections,
  type QueryRunner,
  Relay,
  RemoteReadFolder,
} from '#projections';
import { Reader, RemoteProjections, type Storage } from '#storage';
import { dataFile } from '../open-storage.js';
import type { Settings } from '../settings.js';
import { KEY_STORE, MESSAGE_BUS, SETTINGS, STORAGE } from '../tokens.js';
import { AppLogger } from './logger.js';

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
    private readonly logger: AppLogger,
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

  /** Answers what the modules' queries ask: in a thread that reads, where the tables and keys are files. */
  async queries(modules: readonly ProjectionModule[], { database, store }: Parts): Promise<QueryRunner> {
    const failed = (error: unknown) => this.logger.failure(error, { part: 'queries' });
    if (!(database instanceof RemoteReadFolder) || this.settings.keyStoreUrl)
      return LocalQueries.make(modules, {
        database,
        open: (sealed, stream) => this.sealer.openOrNull(sealed, stream, { remember: false }),
        log: store,
        codec: new PersonalDataCodec(this.sealer),
        secret: (name) => this.keys.secret(name),
        failed,
      });
    const { masterKey } = this.settings;
    const fileOf = (name: 'read' | 'keys' | 'log') => dataFile(this.settings, name);
    const files = { folder: fileOf('read'), keys: fileOf('keys'), log: fileOf('log') };
    return new Reader({ ...files, masterKey, modules: modules.map(({ url }) => url) }, failed);
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
      open: (sealed, stream) => this.sealer.openOrNull(sealed, stream, { remember: false }),
      secret: (name) => this.keys.secret(name),
    };
  }
}
