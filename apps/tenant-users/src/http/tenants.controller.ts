import { Body, Controller, Get, Patch, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type CommandContext, notFound } from '#kernel';
import {
  CurrentAccess,
  CurrentContext,
  IdempotentPost,
  IdParam,
  NoQuery,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
} from '#platform';
import { CreateTenant } from '../commands/create-tenant.js';
import { UpdateTenant } from '../commands/update-tenant.js';
import { ACCESS } from '../read-models/access.projection.js';
import { Tenants } from '../read-models/tenants.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { requirePlatformWide } from './platform-wide.js';
import { CreateTenantBody, TenantPage, TenantResource, UpdateTenantBody } from './tenant.dto.js';

/** The platform's tenants, whatever tenant the request acts in. A key of one tenant knows of no others. */
@ApiTags('Tenants')
@Controller('v1/tenants')
export class TenantsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly tenants: Tenants,
    private readonly position: Position,
  ) {}

  /** A new tenant has its default user at once, and can be named by `X-Tenant-Id`. */
  @IdempotentPost()
  @RequireScope('tenants:write')
  @ApiCreatedResponse({ type: TenantResource })
  async create(
    @Body() body: CreateTenantBody,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantResource> {
    requirePlatformWide(access);
    const { name, external_id: externalId = null, settings = {} } = body;
    const wanted = { platformId: access.platformId, name, externalId, settings };
    const { id, position } = await this.commands.execute(new CreateTenant(wanted, context));
    await this.position.settle(reply, position, ACCESS);
    await this.position.settle(reply, position, USER_DIRECTORY);
    reply.header('location', `/v1/tenants/${id}`);
    return this.tenant(access, id);
  }

  /** Newest first. */
  @Get()
  @RequireScope('tenants:read')
  @ApiOkResponse({ type: TenantPage })
  list(@Query() page: PageQuery, @CurrentAccess() access: PlatformAccess): Promise<TenantPage> {
    return this.tenants.list(access, page);
  }

  @Get(':id')
  @RequireScope('tenants:read')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: TenantResource })
  get(
    @IdParam('id') id: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<TenantResource> {
    return this.tenant(access, id);
  }

  @Patch(':id')
  @RequireScope('tenants:write')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: TenantResource })
  async update(
    @IdParam('id') tenantId: string,
    @Body() body: UpdateTenantBody,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantResource> {
    const { platformId, onlyTenantId } = access;
    if (onlyTenantId !== null && tenantId !== onlyTenantId) throw notFound('tenant');
    const update = { platformId, tenantId, changes: { ...body } };
    const position = await this.commands.execute(new UpdateTenant(update, context));
    await this.position.settle(reply, position, ACCESS);
    return this.tenant(access, tenantId);
  }

  private async tenant(access: PlatformAccess, id: string): Promise<TenantResource> {
    const found = await this.tenants.get(access, id);
    if (!found) throw notFound('tenant');
    return found;
  }
}
