import { Inject, Injectable } from '@nestjs/common';
import { type RecordedEvent, streamId, systemContext } from '#kernel';
import { KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { Revocations } from '../commands/revocations.js';
import type { ConnectionRemoved } from '../domain/connections.js';
import type { ProviderRemoved } from '../domain/provider.js';

/** Follows the log, so that a crash right after a removal only delays what goes with it. */
@Injectable()
export class ConnectionCleanup {
  readonly name = 'connection-cleanup';
  readonly categories = ['connections', 'provider'];

  constructor(
    private readonly revocations: Revocations,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
  ) {}

  async handle(events: readonly RecordedEvent[]): Promise<void> {
    const removals = events.filter(({ type }) => type === 'connections.connection-removed.v1');
    await Promise.all(removals.map((event) => this.revoke(event)));
    const keys = events
      .filter(({ type }) => type === 'provider.removed.v1')
      .map(({ data }) => (data as unknown as ProviderRemoved['data']).subject_key);
    await this.subjectKeys.destroy(keys);
  }

  private async revoke(event: RecordedEvent): Promise<void> {
    const { connection_id, platform_id, tenant_id } = event.data as unknown as ConnectionRemoved['data'];
    const cause = { id: event.id, correlationId: event.metadata.correlationId };
    const context = systemContext(cause, { platformId: platform_id, tenantId: tenant_id }, this.name);
    await this.revocations.settle(streamId(event.stream), connection_id, context);
  }
}
