import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import {
  AccessDenied,
  Aggregates,
  ClaimingEventStore,
  type EventStore,
  EventStoreDb,
  type SnapshotParts,
  SqliteEventStore,
} from '#event-store';
import { type Clock, isTenantryError, systemClock } from '#kernel';
import { BusRefusal, EmbeddedBus, KafkaBus, type MessageBus } from '#message-bus';
import {
  IdentifierRegistry,
  PersonalDataCodec,
  Sealer,
  SqliteKeyStore,
  type SubjectKeyStore,
} from '#privacy';
import {
  PostgresReplicas,
  RemotePart,
  RemoteReadFolder,
  SqliteReadFolder,
  singleProcess,
} from '#projections';
import { KEYS_PART, keyWriter, logWriter, messageWriter, queryWriter, type Storage } from '#storage';
import { AccessGuard } from './access/access.guard.js';
import { RequestLimits } from './access/request-limits.js';
import { Position } from './http/position.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RequestValidation } from './http/validation.js';
import { IdempotentRequests } from './idempotency/idempotent-requests.js';
import { refusedSetting } from './kafka-settings.js';
import { dataFile, logPositions, openStorage } from './open-storage.js';
import { Cascade } from './operations/cascade.js';
import { Consumers } from './operations/consumers.js';
import { HealthController } from './operations/health.controller.js';
import { Holdings } from './operations/holdings.js';
import { LogAnswers } from './operations/log-answers.js';
import { AppLogger } from './operations/logger.js';
import { Metrics, MetricsController } from './operations/metrics.js';
import { Parts } from './operations/parts.js';
import { ProjectionRuns } from './operations/projection-runs.js';
import { ProjectionsController } from './operations/projections.controller.js';
import { ReadModels } from './operations/read-models.js';
import { PostgresEngines } from './postgres-engines.js';
import { OtherServices } from './services/other-services.js';
import { InvalidSetting, type Settings } from './settings.js';
import { snapshotProviders } from './snapshots.js';
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
  STORAGE,
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

function engines(settings: Settings, clock: Clock): Provider[] {
  return [
    { provide: SETTINGS, useValue: settings },
    { provide: CLOCK, useValue: clock },
    {
      provide: STORAGE,
      useFactory: (logger: AppLogger) => openStorage(settings, logger),
      inject: [AppLogger],
    },
    {
      provide: EVENT_STORE,
      useFactory: async (logger: AppLogger, identifiers: IdentifierRegistry, storage?: Storage) =>
        new ClaimingEventStore(await openEventStore(settings, logger, storage), identifiers),
      inject: [AppLogger, IdentifierRegistry, STORAGE],
    },
    {
      provide: MESSAGE_BUS,
      useFactory: (logger: AppLogger, storage?: Storage) => openBus(settings, { clock, logger }, storage),
      inject: [AppLogger, STORAGE],
    },
    ...databases(settings, clock),
  ];
}

function databases(settings: Settings, clock: Clock): Provider[] {
  const { databaseUrl: url, keyStoreUrl, masterKey } = settings;
  const inject = [PostgresEngines, STORAGE];
  return [
    {
      provide: PostgresEngines,
      useFactory: (logger: AppLogger) => new PostgresEngines(settings, clock, logger),
      inject: [AppLogger],
    },
    {
      provide: DURABLE_DATABASE,
      useFactory: (postgres: PostgresEngines, storage?: Storage) => {
        if (url) return postgres.durableDatabase(url);
        const writer = queryWriter(embedded(storage));
        const file = dataFile(settings, 'keys');
        return new RemotePart(
          () => file,
          (queries) => writer.run(KEYS_PART, queries),
        );
      },
      inject,
    },
    {
      provide: READ_DATABASE,
      useFactory: (postgres: PostgresEngines, storage?: Storage) => {
        if (url) return postgres.readDatabase(url);
        const folder = dataFile(settings, 'read');
        if (settings.eventStoreUrl) return new SqliteReadFolder(folder);
        return new RemoteReadFolder(folder, queryWriter(embedded(storage)));
      },
      inject,
    },
    {
      provide: REPLICAS,
      useFactory: (logger: AppLogger) => (url ? new PostgresReplicas(url, logger) : singleProcess),
      inject: [AppLogger],
    },
    {
      provide: KEY_STORE,
      useFactory: (postgres: PostgresEngines, storage?: Storage) =>
        withRightKey<SubjectKeyStore>(() =>
          keyStoreUrl
            ? postgres.keyStore(keyStoreUrl)
            : SqliteKeyStore.open(dataFile(settings, 'keys'), keyWriter(embedded(storage)), {
                masterKey,
                clock,
              }),
        ),
      inject,
    },
    {
      provide: IdentifierRegistry,
      useFactory: (keys: SubjectKeyStore) => IdentifierRegistry.open(keys),
      inject: [KEY_STORE],
    },
  ];
}

function embedded(storage: Storage | undefined): Storage {
  if (!storage) throw new Error('an embedded engine has no storage');
  return storage;
}

async function openBus(
  settings: Settings,
  parts: { clock: Clock; logger: AppLogger },
  storage?: Storage,
): Promise<MessageBus> {
  const { kafka } = settings;
  if (!kafka) return EmbeddedBus.open(dataFile(settings, 'bus'), messageWriter(embedded(storage)), parts);
  try {
    const onRefused = (refusal: BusRefusal) => parts.logger.error({}, refusedSetting(refusal, kafka).message);
    return await KafkaBus.open({ ...kafka, ...parts, onRefused });
  } catch (error) {
    throw error instanceof BusRefusal ? refusedSetting(error, kafka) : error;
  }
}

/** A server that is down is waited for; one that refuses the user is a wrong setting. */
async function openEventStore(settings: Settings, logger: AppLogger, storage?: Storage): Promise<EventStore> {
  const { eventStoreUrl: url, streamPrefix } = settings;
  if (!url) {
    const writer = logWriter(embedded(storage), logPositions(settings));
    const takesClaims = settings.keyStoreUrl === undefined;
    return new SqliteEventStore(dataFile(settings, 'log'), writer, { takesClaims });
  }
  try {
    return await EventStoreDb.open(url, { logger, streamPrefix });
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
    ProjectionRuns,
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
    ...snapshotProviders,
  ];
}
