import type { AddressInfo } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SETTINGS, type Settings } from '#platform';

const ANY_ADDRESS = ['0.0.0.0', '::', ''];

/** Where browsers and providers reach this service. */
@Injectable()
export class PublicUrl {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** The address that providers send browsers back to; it is to be registered there. */
  get callback(): string {
    return `${this.settings.publicUrl ?? this.listeningAt()}/v1/connections/callback`;
  }

  private listeningAt(): string {
    const { host, port } = this.settings;
    const address = this.adapterHost.httpAdapter.getHttpServer().address() as AddressInfo | null;
    const name = ANY_ADDRESS.includes(host) ? 'localhost' : host;
    return `http://${name.includes(':') ? `[${name}]` : name}:${address?.port ?? port}`;
  }
}
