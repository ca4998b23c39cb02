import { Body, Controller, Delete, Get, Headers, HttpCode, Patch, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type CommandContext, invalidInput, notFound } from '#kernel';
import {
  CurrentAccess,
  CurrentContext,
  IdempotentPost,
  ifMatch,
  type KitTerms,
  NoQuery,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
  TakesIfMatch,
  UserId,
} from '#platform';
import { CreateTenantUser } from '../commands/create-tenant-user.js';
import { DeleteTenantUser } from '../commands/delete-tenant-user.js';
import { UpdateTenantUser } from '../commands/update-tenant-user.js';
import type { UserChanges } from '../domain/tenant-user.js';
import { AccountKits } from '../read-models/account-kits.js';
import { DELETIONS, Deletions } from '../read-models/deletions.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { UserHistory } from '../read-models/user-history.js';
import { Users } from '../read-models/users.js';
import {
  CreateUserBody,
  CreateUserQuery,
  DeletionResource,
  ListUsersQuery,
  UpdateUserBody,
  UserPage,
  UserResource,
} from './user.dto.js';
import { UserEventPage } from './user-event.dto.js';

const ById = () =>
  ApiParam({ name: 'id', description: "The user's id, or `default` for the tenant's default user." });

@ApiTags('Users')
@Controller('v1/users')
export class TenantUsersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly users: Users,
    private readonly deletions: Deletions,
    private readonly history: UserHistory,
    private readonly accountKits: AccountKits,
    private readonly position: Position,
  ) {}

  @IdempotentPost()
  @RequireScope('users:write')
  @ApiCreatedResponse({ type: UserResource })
  @ApiOkResponse({
    type: UserResource,
    description: 'The user of this external_id, as asked for with if_exists=return.',
  })
  async create(
    @Body() body: CreateUserBody,
    @Query() { if_exists: ifExists }: CreateUserQuery,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserResource> {
    const accountKitId = body.account_kit_id ?? access.defaultAccountKitId;
    const { budget } = await this.accountKit(access, accountKitId);
    const { id, position, created } = await this.commands.execute(
      new CreateTenantUser(
        {
          platformId: access.platformId,
          tenantId: access.tenant.id,
          isDefault: false,
          standing: {
            role: body.role ?? access.defaultRole,
            teams: body.teams ?? [],
            account_kit_id: accountKitId,
          },
          openingBudget: budget,
          personal: {
            external_id: body.external_id ?? null,
            email: body.email ?? null,
            username: body.username ?? null,
            first_name: body.first_name ?? null,
            middle_name: body.middle_name ?? null,
            last_name: body.last_name ?? null,
            phone_number: body.phone_number ?? null,
            label: body.label ?? null,
            metadata: body.metadata ?? {},
          },
          returnExisting: ifExists === 'return',
        },
        context,
      ),
    );
    if (!created) reply.status(200);
    reply.header('location', `/v1/users/${id}`);
    return this.answer(reply, { tenantId: access.tenant.id, userId: id, position });
  }

  @Get()
  @RequireScope('users:read')
  @ApiOkResponse({ type: UserPage })
  list(@Query() query: ListUsersQuery, @CurrentAccess() access: PlatformAccess): Promise<UserPage> {
    const { limit, cursor, order = '-created_at', ...filter } = query;
    return this.users.list(access.tenant.id, { limit, cursor, order, filter });
  }

  @Get(':id')
  @RequireScope('users:read')
  @ById()
  @ApiOkResponse({ type: UserResource })
  async get(
    @UserId() userId: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserResource> {
    const user = await this.users.get(access.tenant.id, userId);
    if (!user) throw notFound('user');
    reply.header('etag', `"${user.revision}"`);
    return user;
  }

  @Patch(':id')
  @TakesIfMatch()
  @RequireScope('users:write')
  @ById()
  @ApiOkResponse({ type: UserResource })
  async update(
    @UserId() userId: string,
    @Body() body: UpdateUserBody,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Headers('if-match') match: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserResource> {
    if (body.account_kit_id !== undefined) await this.accountKit(access, body.account_kit_id);
    const tenantId = access.tenant.id;
    const update = { tenantId, userId, changes: body as UserChanges, ...ifMatch(match) };
    const position = await this.commands.execute(new UpdateTenantUser(update, context));
    return this.answer(reply, { tenantId, userId, position });
  }

  @Delete(':id')
  @TakesIfMatch()
  @HttpCode(202)
  @RequireScope('users:write')
  @ById()
  @ApiAcceptedResponse({ type: DeletionResource })
  async delete(
    @UserId() userId: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Headers('if-match') match: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DeletionResource> {
    const tenantId = access.tenant.id;
    const command = new DeleteTenantUser({ tenantId, userId, ...ifMatch(match) }, context);
    const position = await this.commands.execute(command);
    await this.position.settle(reply, position, USER_DIRECTORY);
    await this.position.settle(reply, position, DELETIONS);
    return this.receipt(tenantId, userId);
  }

  /** The receipt; auditors may read it too. */
  @Get(':id/deletion')
  @RequireScope('users:read', 'audit:read')
  @ById()
  @ApiOkResponse({ type: DeletionResource })
  deletion(@UserId() userId: string, @CurrentAccess() access: PlatformAccess): Promise<DeletionResource> {
    return this.receipt(access.tenant.id, userId);
  }

  @Get(':id/events')
  @RequireScope('audit:read')
  @ById()
  @ApiOkResponse({ type: UserEventPage })
  events(
    @UserId() userId: string,
    @Query() query: PageQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<UserEventPage> {
    return this.history.list({ tenantId: access.tenant.id, userId }, query);
  }

  private async receipt(tenantId: string, userId: string): Promise<DeletionResource> {
    const receipt = await this.deletions.get(tenantId, userId);
    if (!receipt) throw notFound('deletion');
    return receipt;
  }

  private async answer(
    reply: FastifyReply,
    written: { tenantId: string; userId: string; position: bigint },
  ): Promise<UserResource> {
    await this.position.settle(reply, written.position, USER_DIRECTORY);
    const user = await this.users.get(written.tenantId, written.userId);
    if (!user) throw notFound('user');
    reply.header('etag', `"${user.revision}"`);
    return user;
  }

  private async accountKit({ platformId }: PlatformAccess, kitId: string): Promise<KitTerms> {
    const kit = await this.accountKits.find(platformId, kitId);
    if (!kit) throw invalidInput('account_kit_id', 'is not an account kit of this platform');
    return kit;
  }
}
