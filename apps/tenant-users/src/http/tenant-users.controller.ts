import { Body, Controller, Get, Headers, Patch, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Aggregate } from '#event-store';
import { type CommandContext, invalidInput, notFound } from '#kernel';
import {
  ByUserId,
  CurrentAccess,
  CurrentContext,
  IdempotentPost,
  ifMatch,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
  requireScope,
  TakesIfMatch,
  UserId,
} from '#platform';
import { CreateTenantUser } from '../commands/create-tenant-user.js';
import { UpdateTenantUser } from '../commands/update-tenant-user.js';
import { notAKit } from '../domain/account-kit.js';
import type { TenantUserState, UserChanges } from '../domain/tenant-user.js';
import { AccountKits, type StartingTerms } from '../read-models/account-kits.js';
import { Deletions } from '../read-models/deletions.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { UserHistory } from '../read-models/user-history.js';
import { decidedResource } from '../read-models/user-resource.js';
import { Users } from '../read-models/users.js';
import {
  CreateUserBody,
  CreateUserQuery,
  GetUserQuery,
  ListUsersQuery,
  UpdateUserBody,
  UserPage,
  UserResource,
} from './user.dto.js';
import { UserEventPage } from './user-event.dto.js';

@ApiTags('Users')
@Controller('v1/users')
export class TenantUsersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly users: Users,
    private readonly history: UserHistory,
    private readonly deletions: Deletions,
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
    const starting = await this.accountKit(access, accountKitId);
    const { id, user, created } = await this.commands.execute(
      new CreateTenantUser(
        {
          platformId: access.platformId,
          tenantId: access.tenant.id,
          isDefault: false,
          accountKitId,
          openingBudget: starting.budget,
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
            role: body.role ?? starting.role,
            teams: body.teams ?? [],
          },
          returnExisting: ifExists === 'return',
        },
        context,
      ),
    );
    if (!created) reply.status(200);
    reply.header('location', `/v1/users/${id}`);
    return this.answer(reply, { tenantId: access.tenant.id, userId: id }, user);
  }

  @Get()
  @RequireScope('users:read')
  @ApiOkResponse({ type: UserPage })
  async list(
    @Query() query: ListUsersQuery,
    @CurrentAccess() access: PlatformAccess,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Uint8Array> {
    const { limit, cursor, order = '-created_at', external_id: externalId, ...filter } = query;
    const wanted = { limit, cursor, order, filter, externalId };
    const body = await this.users.list(access.tenant.id, wanted);
    reply.type('application/json; charset=utf-8');
    return body;
  }

  /** As it is, or as it was at a time or a revision. */
  @Get(':id')
  @RequireScope('users:read')
  @ByUserId()
  @ApiOkResponse({ type: UserResource })
  async get(
    @UserId() userId: string,
    @Query() { at, revision }: GetUserQuery,
    @CurrentAccess() access: PlatformAccess,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserResource> {
    const moment = momentOf(at, revision);
    if (moment) requireScope(access, 'audit:read');
    const place = { tenantId: access.tenant.id, userId };
    const user = moment ? await this.users.asOf(place, moment) : await this.users.get(place.tenantId, userId);
    if (!user) throw notFound('user');
    reply.header('etag', `"${user.revision}"`);
    return user;
  }

  @Patch(':id')
  @TakesIfMatch()
  @RequireScope('users:write')
  @ByUserId()
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
    const user = await this.commands.execute(new UpdateTenantUser(update, context));
    return this.answer(reply, { tenantId, userId }, user);
  }

  @Get(':id/events')
  @RequireScope('audit:read')
  @ByUserId()
  @ApiOkResponse({ type: UserEventPage })
  async events(
    @UserId() userId: string,
    @Query() query: PageQuery,
    @CurrentAccess() access: PlatformAccess,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Uint8Array> {
    const place = { tenantId: await this.deletions.tenantOf(access, userId), userId };
    const body = await this.users.events(place, query);
    reply.type('application/json; charset=utf-8');
    return body;
  }

  /** What the command has made of the user; what can't be opened is told by the log, which may know some of it. */
  private async answer(
    reply: FastifyReply,
    place: { tenantId: string; userId: string },
    made: Aggregate<TenantUserState>,
  ): Promise<UserResource> {
    await this.position.settle(reply, made.position, USER_DIRECTORY);
    const user = decidedResource(place.userId, made) ?? (await this.history.latest(place));
    reply.header('etag', `"${user.revision}"`);
    return user;
  }

  private async accountKit({ platformId }: PlatformAccess, kitId: string): Promise<StartingTerms> {
    const kit = await this.accountKits.find(platformId, kitId);
    if (!kit) throw notAKit();
    return kit;
  }
}

/** What the query asks for; undefined for the present. Throws `invalid_input` for both at once. */
function momentOf(at?: string, revision?: number): { at: string } | { revision: number } | undefined {
  if (at === undefined) return revision === undefined ? undefined : { revision };
  if (revision !== undefined) throw invalidInput('revision', 'cannot be given together with at');
  return { at };
}
