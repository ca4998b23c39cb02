import { Controller, Get, Injectable, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { Public } from '../access/requirement.js';
import { Consumers } from './consumers.js';
import { ReadModels } from './read-models.js';

/** Prometheus metrics. Labels are routes, names and states: never ids of tenants or users. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly requests: Histogram;

  constructor(
    private readonly readModels: ReadModels,
    private readonly consumers: Consumers,
  ) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Histogram({
      name: 'tenantry_http_request_duration_seconds',
      help: 'Time from the request to the end of the answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    const lag = new Gauge({
      name: 'tenantry_projection_lag',
      help: 'Positions between a projection or follower and the head of the log.',
      labelNames: ['name', 'state'],
      registers,
      collect: async () => {
        lag.reset();
        // While the log does not answer there is no lag to tell; the other metrics are told all the same.
        const statuses = await this.readModels.statuses().catch(() => []);
        for (const { name, state, lag: behind } of statuses) {
          lag.set({ name, state }, behind);
        }
      },
    });
    this.observeConsumers();
  }

  /** Measures the requests of one route; to be called once an answer has been sent. */
  ofRoute(method: string, route: string): (reply: FastifyReply) => void {
    // Looking a series up by its labels costs more than to observe it.
    const byStatus = new Map<number, Histogram.Internal<string>>();
    return ({ statusCode, elapsedTime }) => {
      let series = byStatus.get(statusCode);
      if (!series) {
        series = this.requests.labels({ method, route, status: String(statusCode) });
        byStatus.set(statusCode, series);
      }
      series.observe(elapsedTime / 1_000);
    };
  }

  private observeConsumers(): void {
    const registers = [this.registry];
    const deadLettered = new Gauge({
      name: 'tenantry_dead_lettered_messages',
      help: 'Messages given up since the process started.',
      labelNames: ['group', 'topic'],
      registers,
    });
    const lag = new Gauge({
      name: 'tenantry_consumer_lag',
      help: 'Messages that a consumer group has not handled yet.',
      labelNames: ['group', 'topic'],
      registers,
      collect: async () => {
        for (const { group, topic, lag: behind, deadLettered: given } of await this.consumers.statuses()) {
          lag.set({ group, topic }, behind);
          deadLettered.set({ group, topic }, given);
        }
      },
    });
  }
}

@ApiExcludeController()
@Public()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  async scrape(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    reply.header('content-type', this.metrics.registry.contentType);
    return this.metrics.registry.metrics();
  }
}
