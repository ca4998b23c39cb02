import { Body, Controller, Get, Patch, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type CommandContext, found, notFound, parseUsd } from '#kernel';
import {
  type Caller,
  CurrentCaller,
  CurrentContext,
  IdempotentPost,
  IdParam,
  NoQuery,
  PageQuery,
  Position,
  RequireRoot,
  RequireScopeOrRoot,
  requirePlatformWide,
} from '#platform';
import { CreatePlatform } from '../commands/create-platform.js';
import { UpdatePlatform } from '../commands/update-platform.js';
import type { PlatformSettings } from '../domain/platform.js';
import { ACCESS } from '../read-models/access.projection.js';
import { PlatformKeyRegistry } from '../read-models/platform-keys.js';
import { Platforms } from '../read-models/platforms.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import {
  CreatedPlatformResource,
  CreatePlatformBody,
  PlatformPage,
  PlatformResource,
  UpdatePlatformBody,
} from './platform.dto.js';

@ApiTags('Platforms')
@Controller('v1/platforms')
export class PlatformsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly platforms: Platforms,
    private readonly keys: PlatformKeyRegistry,
    private readonly position: Position,
  ) {}

  @IdempotentPost()
  @RequireRoot()
  @ApiCreatedResponse({ type: CreatedPlatformResource })
  async create(
    @Body() body: CreatePlatformBody,
    @Query() _query: NoQuery,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CreatedPlatformResource> {
    const settings = { default_budget_micro_usd: null, default_role: 'member', ...settingsOf(body) };
    const { id, keyId, rawKey, position } = await this.commands.execute(
      new CreatePlatform({ name: body.name, settings }, context),
    );
    await this.position.settle(reply, position, USER_DIRECTORY);
    const key = await this.position.answer(
      reply,
      { position, projection: ACCESS },
      () => this.keys.get(id, keyId),
      () => this.keys.latest(id, keyId),
    );
    reply.header('location', `/v1/platforms/${id}`);
    const platform = await this.written(reply, id, position);
    return { ...platform, api_key: { ...found(key, 'platform key'), raw_key: rawKey } };
  }

  @Get()
  @RequireRoot()
  @ApiOkResponse({ type: PlatformPage })
  list(@Query() page: PageQuery): Promise<PlatformPage> {
    return this.platforms.list(page);
  }

  /** With the root key, or an `admin` key of this platform. */
  @Get(':id')
  @RequireScopeOrRoot('admin')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: PlatformResource })
  async get(
    @IdParam('id') id: string,
    @Query() _query: NoQuery,
    @CurrentCaller() { access }: Caller,
  ): Promise<PlatformResource> {
    if (access && access.platformId !== id) throw notFound('platform');
    return found(await this.platforms.get(id), 'platform');
  }

  /** With the root key, or an `admin` key of this platform. Of the settings too, only what is given changes. */
  @Patch(':id')
  @RequireScopeOrRoot('admin')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: PlatformResource })
  async update(
    @IdParam('id') id: string,
    @Body() body: UpdatePlatformBody,
    @Query() _query: NoQuery,
    @CurrentCaller() { access }: Caller,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PlatformResource> {
    if (access && access.platformId !== id) throw notFound('platform');
    if (access) requirePlatformWide(access);
    const changes = { ...(body.name !== undefined && { name: body.name }), settings: settingsOf(body) };
    const position = await this.commands.execute(new UpdatePlatform({ platformId: id, changes }, context));
    return this.written(reply, id, position);
  }

  private async written(reply: FastifyReply, id: string, position: bigint): Promise<PlatformResource> {
    const platform = await this.position.answer(
      reply,
      { position, projection: ACCESS },
      () => this.platforms.get(id),
      () => this.platforms.latest(id),
    );
    return found(platform, 'platform');
  }
}

/** The settings that the body names. */
function settingsOf({ settings = {} }: UpdatePlatformBody): Partial<PlatformSettings> {
  const { default_budget_usd: budget, default_role } = settings;
  return {
    ...(budget !== undefined && {
      default_budget_micro_usd: budget === null ? null : parseUsd(budget, 'settings.default_budget_usd'),
    }),
    ...(default_role !== undefined && { default_role }),
  };
}
