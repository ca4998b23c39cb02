import { Injectable } from '@nestjs/common';
import type { BusServer, ConsumerStatus } from '#message-bus';

/** The bus consumers that run in this process. */
@Injectable()
export class Consumers {
  private readonly servers: BusServer[] = [];

  add(server: BusServer): void {
    this.servers.push(server);
  }

  async statuses(): Promise<ConsumerStatus[]> {
    return (await Promise.all(this.servers.map((server) => server.statuses()))).flat();
  }
}
