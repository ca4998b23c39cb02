import {
  applyDecorators,
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Put,
  Query,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import {
  ByUserId,
  type Call,
  CurrentAccess,
  CurrentCall,
  NoQuery,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
  UserDirectory,
  UserId,
} from '#platform';
import { DeleteSecret } from '../commands/delete-secret.js';
import { PutSecret } from '../commands/put-secret.js';
import { ReadSecret } from '../commands/read-secret.js';
import { Secrets } from '../read-models/secrets.js';
import { SECRETS } from '../read-models/secrets.projection.js';
import { SECRET_NAME, SecretNamePipe } from './secret-name.js';
import { PutSecretBody, SecretPage, SecretResource } from './vault.dto.js';

const ByName = () =>
  applyDecorators(
    ByUserId(),
    ApiParam({
      name: 'name',
      schema: { type: 'string', pattern: SECRET_NAME.source },
      example: 'bank.api-token',
    }),
  );

@ApiTags('Vault')
@Controller('v1/users/:id/vault')
export class VaultController {
  constructor(
    private readonly commands: CommandBus,
    private readonly secrets: Secrets,
    private readonly users: UserDirectory,
    private readonly position: Position,
  ) {}

  /** Makes the secret or replaces it. */
  @Put(':name')
  @HttpCode(204)
  @RequireScope('vault:write')
  @ByName()
  @ApiNoContentResponse()
  async put(
    @UserId() userId: string,
    @Param('name', SecretNamePipe) name: string,
    @Body() { value }: PutSecretBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    const owner = await this.users.owner(access, userId);
    const secret = { ...owner, platformId: access.platformId, name, value };
    const position = await this.commands.execute(new PutSecret(secret, context));
    await this.position.settle(reply, position, SECRETS);
  }

  /** Names and times, never values. */
  @Get()
  @RequireScope('vault:read')
  @ByUserId()
  @ApiOkResponse({ type: SecretPage })
  async list(
    @UserId() userId: string,
    @Query() page: PageQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<SecretPage> {
    return this.secrets.list(await this.users.owner(access, userId), page);
  }

  /** Each reading is on record in the log before the value is answered. */
  @Get(':name')
  @RequireScope('vault:read')
  @Header('cache-control', 'no-store')
  @ByName()
  @ApiOkResponse({ type: SecretResource })
  async get(
    @UserId() userId: string,
    @Param('name', SecretNamePipe) name: string,
    @CurrentCall() { access, context }: Call,
  ): Promise<SecretResource> {
    const owner = await this.users.owner(access, userId);
    return this.commands.execute(new ReadSecret({ ...owner, name }, context));
  }

  @Delete(':name')
  @HttpCode(204)
  @RequireScope('vault:write')
  @ByName()
  @ApiNoContentResponse()
  async delete(
    @UserId() userId: string,
    @Param('name', SecretNamePipe) name: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    const owner = await this.users.owner(access, userId);
    const position = await this.commands.execute(new DeleteSecret({ ...owner, name }, context));
    await this.position.settle(reply, position, SECRETS);
  }
}
