import { join } from 'node:path';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { Aggregates, type EventStore, SqliteEventStore } from '#event-store';
import { type Clock, isTenantryError, systemClock } from '#kernel';
import { BusRefusal, EmbeddedBus, KafkaBus, type MessageBus } from '#message-bus';
import { PersonalDataCodec, Sealer, SqliteKeyStore, type SubjectKeyStore } from '#privacy';
import { SqliteReadDatabase } from '#projections';
import { AccessGuard } from './access/access.guard.js';
import { RequestLimits } from './access/request-limits.js';
import { Position } from './http/position.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RequestValidation } from './http/validation.js';
import { IdempotentRequests } from './idempotency/idempotent-requests.js';
import { refusedSetting } from './kafka-settings.js';
import { Cascade } from './operations/cascade.js';
import { Consumers } from './operations/consumers.js';
import { HealthController } from './operations/health.controller.js';
import { Holdings } from './operations/holdings.js';
import { AppLogger } from './operations/logger.js';
import { Metrics, MetricsController } from './operations/metrics.js';
import { Parts } from './operations/parts.js';
import { ProjectionsController } from './operations/projections.controller.js';
import { ReadModels } from './operations/read-models.js';
import { InvalidSetting, type Settings } from './settings.js';
import {
  CLOCK,
  DURABLE_DATABASE,
  EVENT_STORE,
  KEY_STORE,
  MESSAGE_BUS,
  READ_DATABASE,
  SETTINGS,
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
    { provide: EVENT_STORE, useFactory: () => SqliteEventStore.open(file(settings, 'log.db')) },
    {
      provide: DURABLE_DATABASE,
      useFactory: () => SqliteReadDatabase.open(file(settings, 'requests.db'), { durable: true }),
    },
    { provide: READ_DATABASE, useFactory: () => SqliteReadDatabase.open(file(settings, 'read.db')) },
    {
      provide: MESSAGE_BUS,
      useFactory: (logger: AppLogger) => openBus(settings, clock, logger),
      inject: [AppLogger],
    },
    {
      provide: KEY_STORE,
      useFactory: () => openKeyStore(settings, clock),
    },
  ];
}

async function openBus(settings: Settings, clock: Clock, logger: AppLogger): Promise<MessageBus> {
  const { kafka } = settings;
  if (!kafka) return EmbeddedBus.open(file(settings, 'bus.db'), { clock, logger });
  try {
    return await KafkaBus.open({ ...kafka, clock, logger });
  } catch (error) {
    throw error instanceof BusRefusal ? refusedSetting(error, kafka) : error;
  }
}

function openKeyStore(settings: Settings, clock: Clock): SqliteKeyStore {
  try {
    return SqliteKeyStore.open(file(settings, 'keys.db'), settings.masterKey, { clock });
  } catch (error) {
    if (!isTenantryError(error) || error.code !== 'illegal_state') throw error;
    throw new InvalidSetting(
      'TENANTRY_MASTER_KEY',
      'is not the key that keys.db in the data dir was made with',
    );
  }
}

function services(): Provider[] {
  return [
    AppLogger,
    Cascade,
    Holdings,
    IdempotentRequests,
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
      useFactory: (store: EventStore, sealer: Sealer, clock: Clock) =>
        new Aggregates(store, new PersonalDataCodec(sealer), clock),
      inject: [EVENT_STORE, Sealer, CLOCK],
    },
  ];
}
