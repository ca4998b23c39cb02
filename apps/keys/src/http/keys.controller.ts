import { Body, Controller, Delete, Get, HttpCode, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { CommandContext } from '#kernel';
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
  UserDirectory,
  UserId,
} from '#platform';
import { IssueKey } from '../commands/issue-key.js';
import { RevokeKey } from '../commands/revoke-key.js';
import { KEY_REGISTRY } from '../read-models/key-registry.projection.js';
import { type KeyOwner, Keys } from '../read-models/keys.js';
import { IssuedKeyResource, IssueKeyBody, KeyPage } from './key.dto.js';

const DEFAULT_NAME = 'Key';

const ByUser = () =>
  ApiParam({ name: 'id', description: "The user's id, or `default` for the tenant's default user." });

@ApiTags('Keys')
@Controller('v1/users/:id/keys')
export class KeysController {
  constructor(
    private readonly commands: CommandBus,
    private readonly keys: Keys,
    private readonly users: UserDirectory,
    private readonly position: Position,
  ) {}

  /** The key itself is in this answer only. */
  @IdempotentPost()
  @RequireScope('keys:write')
  @ByUser()
  @ApiCreatedResponse({ type: IssuedKeyResource })
  async issue(
    @UserId() userId: string,
    @Body() body: IssueKeyBody,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedKeyResource> {
    const owner = await this.owner(access, userId);
    const { name = DEFAULT_NAME, scopes = [], expires_at = null } = body;
    const wanted = { ...owner, platformId: access.platformId, name, scopes, expiresAt: expires_at };
    const issued = await this.commands.execute(new IssueKey(wanted, context));
    await this.position.settle(reply, issued.position, KEY_REGISTRY);
    return {
      id: issued.id,
      user_id: userId,
      name,
      key_prefix: issued.prefix,
      scopes,
      status: 'active',
      created_at: issued.issuedAt,
      expires_at: issued.expiresAt,
      last_used_at: null,
      raw_key: issued.rawKey,
    };
  }

  @Get()
  @RequireScope('keys:read')
  @ByUser()
  @ApiOkResponse({ type: KeyPage })
  async list(
    @UserId() userId: string,
    @Query() page: PageQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<KeyPage> {
    return this.keys.list(await this.owner(access, userId), page);
  }

  /** Holds from the next verification on. Revoking a key that was revoked or has expired changes nothing. */
  @Delete(':key_id')
  @HttpCode(204)
  @RequireScope('keys:write')
  @ByUser()
  @ApiParam({ name: 'key_id', format: 'uuid' })
  @ApiNoContentResponse()
  async revoke(
    @UserId() userId: string,
    @IdParam('key_id') keyId: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
    @CurrentContext() context: CommandContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const owner = await this.owner(access, userId);
    const position = await this.commands.execute(new RevokeKey({ ...owner, keyId }, context));
    await this.position.settle(reply, position, KEY_REGISTRY);
  }

  /** Throws `not_found` unless the tenant has this user. */
  private async owner(access: PlatformAccess, userId: string): Promise<KeyOwner> {
    const tenantId = access.tenant.id;
    await this.users.require(tenantId, userId);
    return { tenantId, userId };
  }
}
