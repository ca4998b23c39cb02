import { Body, Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import { found, invalidInput } from '#kernel';
import {
  type Call,
  CurrentAccess,
  CurrentCall,
  hashApiKey,
  IdempotentPost,
  IdParam,
  NoQuery,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
} from '#platform';
import { IssuePlatformKey } from '../commands/issue-platform-key.js';
import { RevokePlatformKey } from '../commands/revoke-platform-key.js';
import { Access } from '../read-models/access.js';
import { ACCESS } from '../read-models/access.projection.js';
import { PlatformKeyRegistry } from '../read-models/platform-keys.js';
import { IssuedPlatformKeyResource, IssuePlatformKeyBody, PlatformKeyPage } from './platform-key.dto.js';

/** A key that is restricted to a tenant manages the keys of that tenant, and knows of no others. */
@ApiTags('Platform keys')
@RequireScope('admin')
@Controller('v1/platform-keys')
export class PlatformKeysController {
  constructor(
    private readonly commands: CommandBus,
    private readonly access: Access,
    private readonly keys: PlatformKeyRegistry,
    private readonly position: Position,
  ) {}

  /** The key itself is in this answer only. */
  @IdempotentPost()
  @ApiCreatedResponse({ type: IssuedPlatformKeyResource })
  async issue(
    @Body() body: IssuePlatformKeyBody,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<IssuedPlatformKeyResource> {
    const { platformId } = access;
    const { name, scopes, expires_at: expiresAt = null } = body;
    const tenantId = await this.tenantOf(access, body.tenant_id ?? null);
    const wanted = { platformId, name, scopes, tenantId, expiresAt };
    const { id, rawKey, position } = await this.commands.execute(new IssuePlatformKey(wanted, context));
    this.access.remember(hashApiKey(rawKey), id);
    const issued = await this.position.answer(
      reply,
      { position, projection: ACCESS },
      () => this.keys.get(platformId, id),
      () => this.keys.latest(platformId, id),
    );
    return { ...found(issued, 'platform key'), raw_key: rawKey };
  }

  /** Newest first, revoked and expired ones too. */
  @Get()
  @ApiOkResponse({ type: PlatformKeyPage })
  list(@Query() page: PageQuery, @CurrentAccess() access: PlatformAccess): Promise<PlatformKeyPage> {
    return this.keys.list(access, page);
  }

  /** Holds from the next request on. Revoking a key that was revoked changes nothing. */
  @Delete(':id')
  @HttpCode(204)
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  async revoke(
    @IdParam('id') keyId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    const { platformId, onlyTenantId } = access;
    const revocation = { platformId, onlyTenantId, keyId };
    const position = await this.commands.execute(new RevokePlatformKey(revocation, context));
    await this.position.settle(reply, position, ACCESS);
  }

  /** A key that is restricted to a tenant issues keys of that tenant only, lest it widen what it may do. */
  private async tenantOf(access: PlatformAccess, wanted: string | null): Promise<string | null> {
    const { platformId, onlyTenantId } = access;
    const tenantId = wanted ?? onlyTenantId;
    if (tenantId === null || tenantId === onlyTenantId) return tenantId;
    if (onlyTenantId === null && (await this.access.hasTenant(platformId, tenantId))) return tenantId;
    throw invalidInput('tenant_id', 'is not a tenant of this platform');
  }
}
