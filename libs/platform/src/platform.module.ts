import { join } from 'node:path';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import {
  AccessDenied,
  Aggregates,
  type EventStore,
  EventStoreDb,
  ExclusiveLock,
  type SnapshotParts,
  type SnapshotStore,
  SqliteEventStore,
} from '#event-store';
import { type Clock, isTenantryError, systemClock } from '#kernel';
import { BusRefusal, EmbeddedBus, KafkaBus, type MessageBus } from '#message-bus';
import { PersonalDataCodec, Sealer, SnapshotSealer, SqliteKeyStore, type SubjectKeyStore } from '#privacy';
import { PostgresReplicas, SqliteReadDatabase, singleProcess } from '#projections';
import { AccessGuard } from './access/access.guard.js';
import { RequestLimits } from './access/request-limits.js';
import { Position } from './http/position.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RequestValidation } from './http/validation.js';
import { IdempotentRequests } from './idempotency/idempotent-requests.js';
import { refusedSetting } from './kafka-settings.js';
import { Cascade } from './operations/cascade.js';
import { Consumers } from './operations/consumers.js';
import { DurableSnapshots } from './operations/durable-snapshots.js';
import { HealthController } from './operations/health.controller.js';
import { Holdings } from './operations/holdings.js';
import { LogAnswers } from './operations/log-answers.js';
import { AppLogger } from './operations/logger.js';
import { Metrics, MetricsController } from './operations/metrics.js';
import { Parts } from './operations/parts.js';
import { ProjectionsController } from './operations/projections.controller.js';
import { ReadModels } from './operations/read-models.js';
import { PostgresEngines } from './postgres-engines.js';
import { OtherServices } from './services/other-services.js';
import { InvalidSetting, type Settings } from './settings.js';
import {
  CLOCK,
  DURABLE_DATABASE,
  EVENT_STORE,
  KEY_STORE,
  MESSAGE_BUS,
  READ_DATABASE,
  REPLICAS,
  SETTINGS,
  SNAPSHOTS,
} from './tokens.js';

/** What every service stands on: the embedded engines, or those that the settings name. */
@Module({})
export class PlatformModule {
  static forRoot(settings: Settings, clock: Clock = systemClock): DynamicModule {
    const providers = [...engines(settings, clock), ...services()];
    return {
      module: PlatformModule,
      global: true,
      imports: [CqrsModule.forRoot()],
      controllers: [HealthController, MetricsController, ProjectionsController],
      providers: [
        ...providers,
        { provide: APP_FILTER, useExisting: ProblemFilter },
        { provide: APP_PIPE, useClass: RequestValidation },
        { provide: APP_GUARD, useClass: AccessGuard },
      ],
      exports: [CqrsModule, ...providers],
    };
  }
}

const file = (settings: Settings, name: string): string => join(settings.dataDir, name);

function engines(settings: Settings, clock: Clock): Provider[] {
  return [
    { provide: SETTINGS, useValue: settings },
    { provide: CLOCK, useValue: clock },
    {
      provide: EVENT_STORE,
      useFactory: (logger: AppLogger) => openEventStore(settings, logger),
      inject: [AppLogger],
    },
    {
      provide: MESSAGE_BUS,
      useFactory: (logger: AppLogger) => openBus(settings, clock, logger),
      inject: [AppLogger],
    },
    ...databases(settings, clock),
  ];
}

function databases(settings: Settings, clock: Clock): Provider[] {
  const { databaseUrl: url, keyStoreUrl } = settings;
  const inject = [PostgresEngines];
  return [
    {
      provide: PostgresEngines,
      useFactory: (logger: AppLogger) => new PostgresEngines(settings, clock, logger),
      inject: [AppLogger],
    },
    {
      provide: DURABLE_DATABASE,
      useFactory: (postgres: PostgresEngines) =>
        url
          ? postgres.durableDatabase(url)
          : SqliteReadDatabase.open(file(settings, 'requests.db'), { durable: true }),
      inject,
    },
    {
      provide: READ_DATABASE,
      useFactory: (postgres: PostgresEngines) =>
        url ? postgres.readDatabase(url) : SqliteReadDatabase.open(file(settings, 'read.db')),
      inject,
    },
    {
      provide: REPLICAS,
      useFactory: (logger: AppLogger) => (url ? new PostgresReplicas(url, logger) : singleProcess),
      inject: [AppLogger],
    },
    {
      provide: KEY_STORE,
      useFactory: (postgres: PostgresEngines) =>
        withRightKey<SubjectKeyStore>(() =>
          keyStoreUrl
            ? postgres.keyStore(keyStoreUrl)
            : SqliteKeyStore.open(file(settings, 'keys.db'), settings.masterKey, { clock }),
        ),
      inject,
    },
  ];
}

async function openBus(settings: Settings, clock: Clock, logger: AppLogger): Promise<MessageBus> {
  const { kafka } = settings;
  if (!kafka) return EmbeddedBus.open(file(settings, 'bus.db'), { clock, logger });
  try {
    const onRefused = (refusal: BusRefusal) => logger.error({}, refusedSetting(refusal, kafka).message);
    return await KafkaBus.open({ ...kafka, clock, logger, onRefused });
  } catch (error) {
    throw error instanceof BusRefusal ? refusedSetting(error, kafka) : error;
  }
}

/** A server that is down is waited for; one that refuses the user is a wrong setting. */
async function openEventStore(settings: Settings, logger: AppLogger): Promise<EventStore> {
  const { eventStoreUrl: url, streamPrefix } = settings;
  if (!url) return SqliteEventStore.open(file(settings, 'log.db'), { logNumber: settings.logNumber });
  // What else is in the data dir has one process to write it, wherever the log is.
  const lock = ExclusiveLock.acquire(file(settings, 'data-dir.lock'), 'the data dir');
  try {
    return await EventStoreDb.open(url, { logger, streamPrefix, onClosed: () => lock.release() });
  } catch (error) {
    if (!(error instanceof AccessDenied)) throw error;
    throw new InvalidSetting('EVENT_STORE_URL', error.message);
  }
}

async function withRightKey<Store>(open: () => Store | Promise<Store>): Promise<Store> {
  try {
    return await open();
  } catch (error) {
    if (!isTenantryError(error) || error.code !== 'illegal_state') throw error;
    throw new InvalidSetting('TENANTRY_MASTER_KEY', 'is not the key that the key store was made with');
  }
}

function services(): Provider[] {
  return [
    AppLogger,
    Cascade,
    Holdings,
    OtherServices,
    IdempotentRequests,
    LogAnswers,
    ReadModels,
    Consumers,
    Parts,
    Metrics,
    Position,
    RequestLimits,
    ProblemFilter,
    { provide: Sealer, useFactory: (keys: SubjectKeyStore) => new Sealer(keys), inject: [KEY_STORE] },
    {
      provide: Aggregates,
      useFactory: (store: EventStore, sealer: Sealer, clock: Clock, snapshots: SnapshotParts) =>
        new Aggregates(store, new PersonalDataCodec(sealer), clock, { snapshots }),
      inject: [EVENT_STORE, Sealer, CLOCK, SNAPSHOTS],
    },
    DurableSnapshots,
    {
      provide: SnapshotSealer,
      useFactory: (sealer: Sealer, keys: SubjectKeyStore) => new SnapshotSealer(sealer, keys),
      inject: [Sealer, KEY_STORE],
    },
    {
      provide: SNAPSHOTS,
      useFactory: (store: SnapshotStore, codec: SnapshotSealer, logger: AppLogger): SnapshotParts => ({
        store,
        codec,
        onFailure: (err, stream) => logger.warn({ stream, err }, 'a snapshot could not be made or used'),
      }),
      inject: [DurableSnapshots, SnapshotSealer, AppLogger],
    },
  ];
}
