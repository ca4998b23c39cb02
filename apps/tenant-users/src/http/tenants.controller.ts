import { Body, Controller, Delete, Get, HttpCode, Patch, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { found, notFound } from '#kernel';
import {
  type Call,
  CurrentAccess,
  CurrentCall,
  IdempotentPost,
  IdParam,
  NoQuery,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
  requirePlatformWide,
} from '#platform';
import { CreateTenant } from '../commands/create-tenant.js';
import { DeleteTenant } from '../commands/delete-tenant.js';
import { UpdateTenant } from '../commands/update-tenant.js';
import { ACCESS } from '../read-models/access.projection.js';
import { TenantDeletions } from '../read-models/tenant-deletions.js';
import { TENANT_DELETIONS } from '../read-models/tenant-deletions.projection.js';
import { Tenants } from '../read-models/tenants.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import {
  CreateTenantBody,
  TenantDeletionResource,
  TenantPage,
  TenantResource,
  UpdateTenantBody,
} from './tenant.dto.js';

/** The platform's tenants, whatever tenant the request acts in. A key of one tenant knows of no others. */
@ApiTags('Tenants')
@Controller('v1/tenants')
export class TenantsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly tenants: Tenants,
    private readonly deletions: TenantDeletions,
    private readonly position: Position,
  ) {}

  /** A new tenant has its default user at once, and can be named by `X-Tenant-Id`. */
  @IdempotentPost()
  @RequireScope('tenants:write')
  @ApiCreatedResponse({ type: TenantResource })
  async create(
    @Body() body: CreateTenantBody,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<TenantResource> {
    requirePlatformWide(access);
    const { name, external_id: externalId = null, settings = {} } = body;
    const wanted = { platformId: access.platformId, name, externalId, settings };
    const { id, position } = await this.commands.execute(new CreateTenant(wanted, context));
    await this.position.settle(reply, position, USER_DIRECTORY);
    reply.header('location', `/v1/tenants/${id}`);
    return this.written(reply, access, id, position);
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
  async get(
    @IdParam('id') id: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<TenantResource> {
    return found(await this.tenants.get(access, id), 'tenant');
  }

  @Patch(':id')
  @RequireScope('tenants:write')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: TenantResource })
  async update(
    @IdParam('id') tenantId: string,
    @Body() body: UpdateTenantBody,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<TenantResource> {
    const { platformId } = access;
    requireKnown(access, tenantId);
    const update = { platformId, tenantId, changes: { ...body } };
    const position = await this.commands.execute(new UpdateTenant(update, context));
    return this.written(reply, access, tenantId, position);
  }

  /** From the answer on the tenant is gone: its keys stop working, and its users are deleted one by one. */
  @Delete(':id')
  @HttpCode(202)
  @RequireScope('tenants:write')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiAcceptedResponse({ type: TenantDeletionResource })
  async delete(
    @IdParam('id') tenantId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<TenantDeletionResource> {
    const { platformId } = access;
    requireKnown(access, tenantId);
    const position = await this.commands.execute(new DeleteTenant({ platformId, tenantId }, context));
    await this.position.settle(reply, position, ACCESS);
    await this.position.settle(reply, position, TENANT_DELETIONS);
    return this.receipt(access, tenantId);
  }

  /** How far the deletion is; auditors may read it too. */
  @Get(':id/deletion')
  @RequireScope('tenants:read', 'audit:read')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: TenantDeletionResource })
  deletion(
    @IdParam('id') id: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<TenantDeletionResource> {
    return this.receipt(access, id);
  }

  private async receipt(access: PlatformAccess, id: string): Promise<TenantDeletionResource> {
    return found(await this.deletions.get(access, id), 'deletion');
  }

  private async written(
    reply: FastifyReply,
    access: PlatformAccess,
    id: string,
    position: bigint,
  ): Promise<TenantResource> {
    const tenant = await this.position.answer(
      reply,
      { position, projection: ACCESS },
      () => this.tenants.get(access, id),
      () => this.tenants.latest(access, id),
    );
    return found(tenant, 'tenant');
  }
}

/** A key of one tenant knows of no others. */
function requireKnown({ onlyTenantId }: PlatformAccess, tenantId: string): void {
  if (onlyTenantId !== null && tenantId !== onlyTenantId) throw notFound('tenant');
}
