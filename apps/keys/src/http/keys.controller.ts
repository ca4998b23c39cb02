import { Body, Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import {
  ByUserId,
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
  UserDirectory,
  UserId,
} from '#platform';
import { type IssuedKey, IssueKey } from '../commands/issue-key.js';
import { RevokeKey } from '../commands/revoke-key.js';
import { RotateKey } from '../commands/rotate-key.js';
import { KEY_REGISTRY } from '../read-models/key-registry.projection.js';
import { Keys } from '../read-models/keys.js';
import { KitScopes } from '../read-models/kit-scopes.js';
import { IssuedKeyResource, IssueKeyBody, KeyPage, RotateKeyBody } from './key.dto.js';

const DEFAULT_NAME = 'Key';

@ApiTags('Keys')
@Controller('v1/users/:id/keys')
export class KeysController {
  constructor(
    private readonly commands: CommandBus,
    private readonly keys: Keys,
    private readonly users: UserDirectory,
    private readonly kitScopes: KitScopes,
    private readonly position: Position,
  ) {}

  /** The key itself is in this answer only. */
  @IdempotentPost()
  @RequireScope('keys:write')
  @ByUserId()
  @ApiCreatedResponse({ type: IssuedKeyResource })
  async issue(
    @UserId() userId: string,
    @Body() body: IssueKeyBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<IssuedKeyResource> {
    const { platformId, tenant } = access;
    const { accountKitId } = await this.users.require(tenant.id, userId);
    const scopes = await this.kitScopes.granted({ platformId, accountKitId }, body.scopes);
    const { name = DEFAULT_NAME, expires_at: expiresAt = null } = body;
    const wanted = { platformId, tenantId: tenant.id, userId, name, scopes, expiresAt };
    const issued = await this.commands.execute(new IssueKey(wanted, context));
    await this.position.settle(reply, issued.position, KEY_REGISTRY);
    return shown(userId, issued);
  }

  /**
   * A new key with the name, scopes and expiry of the old one, which ends after the grace: at once when none is
   * given. 409 for a key that has ended or was rotated before.
   */
  @IdempotentPost(':key_id/rotate')
  @RequireScope('keys:write')
  @ByUserId()
  @ApiParam({ name: 'key_id', format: 'uuid' })
  @ApiCreatedResponse({ type: IssuedKeyResource })
  async rotate(
    @UserId() userId: string,
    @IdParam('key_id') keyId: string,
    @Body() { grace_seconds: graceSeconds = 0 }: RotateKeyBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<IssuedKeyResource> {
    const owner = await this.users.owner(access, userId);
    const rotated = await this.commands.execute(new RotateKey({ ...owner, keyId, graceSeconds }, context));
    await this.position.settle(reply, rotated.position, KEY_REGISTRY);
    return shown(userId, rotated);
  }

  @Get()
  @RequireScope('keys:read')
  @ByUserId()
  @ApiOkResponse({ type: KeyPage })
  async list(
    @UserId() userId: string,
    @Query() page: PageQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<KeyPage> {
    return this.keys.list(await this.users.owner(access, userId), page);
  }

  /** Holds from the next verification on. Revoking a key that was revoked or has expired changes nothing. */
  @Delete(':key_id')
  @HttpCode(204)
  @RequireScope('keys:write')
  @ByUserId()
  @ApiParam({ name: 'key_id', format: 'uuid' })
  @ApiNoContentResponse()
  async revoke(
    @UserId() userId: string,
    @IdParam('key_id') keyId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    const owner = await this.users.owner(access, userId);
    const position = await this.commands.execute(new RevokeKey({ ...owner, keyId }, context));
    await this.position.settle(reply, position, KEY_REGISTRY);
  }
}

const shown = (userId: string, key: IssuedKey): IssuedKeyResource => ({
  id: key.id,
  user_id: userId,
  name: key.name,
  key_prefix: key.prefix,
  scopes: key.scopes,
  status: 'active',
  created_at: key.issuedAt,
  expires_at: key.expiresAt,
  last_used_at: null,
  raw_key: key.rawKey,
});
