import { Body, Controller, Get, Post, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type CommandContext, notFound, parseUsd } from '#kernel';
import { CurrentContext, PageQuery, Position, RequireRoot } from '#platform';
import { CreatePlatform } from '../commands/create-platform.js';
import { Access } from '../read-models/access.js';
import { ACCESS } from '../read-models/access.projection.js';
import { PlatformKeyRegistry } from '../read-models/platform-keys.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { CreatedPlatformResource, CreatePlatformBody, PlatformPage } from './platform.dto.js';

@ApiTags('Platforms')
@RequireRoot()
@Controller('v1/platforms')
export class PlatformsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly access: Access,
    private readonly keys: PlatformKeyRegistry,
    private readonly position: Position,
  ) {}

  @Post()
  @ApiCreatedResponse({ type: CreatedPlatformResource })
  async create(
    @Body() body: CreatePlatformBody,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CreatedPlatformResource> {
    const budget = body.settings?.default_budget_usd ?? null;
    const settings = {
      default_budget_micro_usd: budget === null ? null : parseUsd(budget, 'settings.default_budget_usd'),
      default_role: body.settings?.default_role ?? 'member',
    };
    const { id, keyId, rawKey, position } = await this.commands.execute(
      new CreatePlatform({ name: body.name, settings }, context),
    );
    await this.position.settle(reply, position, ACCESS);
    await this.position.settle(reply, position, USER_DIRECTORY);
    const created = await this.access.getPlatform(id);
    const key = await this.keys.get(id, keyId);
    if (!created || !key) throw notFound('platform');
    reply.header('location', `/v1/platforms/${id}`);
    return { ...created, api_key: { ...key, raw_key: rawKey } };
  }

  @Get()
  @ApiOkResponse({ type: PlatformPage })
  list(@Query() { limit, cursor }: PageQuery): Promise<PlatformPage> {
    return this.access.listPlatforms(limit, cursor);
  }
}
