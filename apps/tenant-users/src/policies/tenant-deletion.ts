import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { inLanes, isTenantryError, type RecordedEvent, streamId, systemContext, unavailable } from '#kernel';
import { ReadModels, SETTINGS, type Settings } from '#platform';
import { DeleteTenantUser } from '../commands/delete-tenant-user.js';
import { tenant } from '../domain/tenant.js';
import type { TenantUserCreated } from '../domain/tenant-user.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { Users } from '../read-models/users.js';

const PAGE_USERS = 1_024;
const DELETED_AT_ONCE = 32;

/**
 * Deletes each user of a deleted tenant through the user's own cascade. The users that were created before the
 * tenant's last event are those of the directory once it has passed that event; any that comes later, by a command
 * that was under way, is met in the log. Every step may run twice: after a crash it goes on with the users left.
 */
@Injectable()
export class TenantDeletionProcess implements OnModuleDestroy {
  readonly name = 'tenant-deletion';
  readonly categories = ['tenant', 'tenantUser'];
  private stopping = false;

  constructor(
    private readonly aggregates: Aggregates,
    private readonly commands: CommandBus,
    private readonly users: Users,
    private readonly readModels: ReadModels,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  onModuleDestroy(): void {
    this.stopping = true;
  }

  async handle(events: readonly RecordedEvent[]): Promise<void> {
    const stragglers = new Map<string, RecordedEvent[]>();
    for (const event of events) {
      if (event.type === 'tenant.deleted.v1') await this.deleteUsers(event);
      if (!event.type.startsWith('tenant-user.created.')) continue;
      const { tenant_id } = event.data as unknown as TenantUserCreated['data'];
      stragglers.set(tenant_id, [...(stragglers.get(tenant_id) ?? []), event]);
    }
    for (const [tenantId, created] of stragglers) {
      const { state } = await this.aggregates.load(tenant, tenantId);
      if (state.lifecycle !== 'deleted') continue;
      for (const event of created) await this.deleteUser(tenantId, streamId(event.stream), event);
    }
  }

  private async deleteUsers(event: RecordedEvent): Promise<void> {
    const tenantId = streamId(event.stream);
    // From here on this process knows the tenant as deleted, whichever process deleted it.
    await this.aggregates.refresh(tenant, tenantId);
    await this.awaitDirectory(event.position);
    for (let after = 0; ; ) {
      const users = await this.users.page(tenantId, { after, limit: PAGE_USERS });
      const last = users.at(-1);
      if (!last) return;
      await inLanes(users, DELETED_AT_ONCE, ({ id }) => {
        if (this.stopping) throw unavailable('the service is being stopped');
        return this.deleteUser(tenantId, id, event);
      });
      after = last.sequence;
    }
  }

  private async deleteUser(tenantId: string, userId: string, cause: RecordedEvent): Promise<void> {
    const { platform_id: platformId } = cause.data as { platform_id: string };
    const by = { id: cause.id, correlationId: cause.metadata.correlationId };
    const context = systemContext(by, { platformId, tenantId }, this.name);
    try {
      await this.commands.execute(new DeleteTenantUser({ tenantId, userId, withTenant: true }, context));
    } catch (error) {
      // It is gone already.
      if (!isTenantryError(error) || error.code !== 'not_found') throw error;
    }
  }

  private async awaitDirectory(position: bigint): Promise<void> {
    const { readYourWritesTimeoutMs } = this.settings;
    if (await this.readModels.waitFor(USER_DIRECTORY, position, readYourWritesTimeoutMs)) return;
    throw unavailable('the user directory has not reached this deletion yet', { code: 'projection_behind' });
  }
}
