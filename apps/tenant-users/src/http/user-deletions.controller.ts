import { Controller, Delete, Get, Headers, HttpCode, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { found } from '#kernel';
import {
  ByUserId,
  type Call,
  CurrentAccess,
  CurrentCall,
  ifMatch,
  type PlatformAccess,
  Position,
  RequireScope,
  TakesIfMatch,
  UserId,
} from '#platform';
import { DeleteTenantUser } from '../commands/delete-tenant-user.js';
import { DeletionPreviews } from '../read-models/deletion-previews.js';
import { Deletions } from '../read-models/deletions.js';
import { DELETIONS } from '../read-models/deletions.projection.js';
import { USER_DIRECTORY } from '../read-models/user-directory.projection.js';
import { DeleteUserQuery, DeletionPreview, DeletionResource } from './user.dto.js';

/** The end of users, and its receipt. */
@ApiTags('Users')
@Controller('v1/users')
export class UserDeletionsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly deletions: Deletions,
    private readonly preview: DeletionPreviews,
    private readonly position: Position,
  ) {}

  @Delete(':id')
  @TakesIfMatch()
  @HttpCode(202)
  @RequireScope('users:write')
  @ByUserId()
  @ApiAcceptedResponse({ type: DeletionResource })
  @ApiOkResponse({
    type: DeletionPreview,
    description: 'What would be removed, as asked for with dry_run=true.',
  })
  async delete(
    @UserId() userId: string,
    @Query() { dry_run: dryRun }: DeleteUserQuery,
    @CurrentCall() { access, context, reply }: Call,
    @Headers('if-match') match: string | undefined,
  ): Promise<DeletionResource | DeletionPreview> {
    const tenantId = access.tenant.id;
    const deletion = { tenantId, userId, ...ifMatch(match) };
    if (dryRun === 'true') {
      reply.status(200);
      return { would_remove: await this.preview.of(access.platformId, deletion) };
    }
    const command = new DeleteTenantUser(deletion, context);
    const position = await this.commands.execute(command);
    await this.position.settle(reply, position, USER_DIRECTORY);
    const receipt = await this.position.answer(
      reply,
      { position, projection: DELETIONS },
      () => this.deletions.get(tenantId, userId),
      () => this.deletions.latest(tenantId, userId),
    );
    return found(receipt, 'deletion');
  }

  /** The receipt; auditors may read it too. A key of the whole platform reads those of deleted tenants as well. */
  @Get(':id/deletion')
  @RequireScope('users:read', 'audit:read')
  @ByUserId()
  @ApiOkResponse({ type: DeletionResource })
  async deletion(
    @UserId() userId: string,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<DeletionResource> {
    const tenantId = await this.deletions.tenantOf(access, userId);
    return found(await this.deletions.get(tenantId, userId), 'deletion');
  }
}
