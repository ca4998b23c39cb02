import { Body, Controller, Delete, Get, Header, HttpCode, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import { found } from '#kernel';
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
import { IssueToken } from '../commands/issue-token.js';
import { RemoveConnection } from '../commands/remove-connection.js';
import { RequestConnection } from '../commands/request-connection.js';
import { Connections } from '../read-models/connections.js';
import { CONNECTION_LIST } from '../read-models/connections.projection.js';
import {
  AccessToken,
  ConnectBody,
  ConnectionPage,
  ConnectionResource,
  RemovedConnection,
  RequestedConnection,
} from './connection.dto.js';
import { PublicUrl } from './public-url.js';

const ById = () => ApiParam({ name: 'connection_id', format: 'uuid' });

@ApiTags('Connections')
@ByUserId()
@Controller('v1/users/:id/connections')
export class ConnectionsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly connections: Connections,
    private readonly users: UserDirectory,
    private readonly position: Position,
    private readonly publicUrl: PublicUrl,
  ) {}

  /**
   * Begins a connection: send the user's browser to `connect_url` within ten minutes. An MCP server with a static
   * header needs no consent and answers as `active` or `failed` at once.
   */
  @IdempotentPost('connect')
  @RequireScope('connections:write')
  @ApiCreatedResponse({ type: RequestedConnection })
  async connect(
    @UserId() userId: string,
    @Body() body: ConnectBody,
    @Query() _query: NoQuery,
    @CurrentCall() { access: { platformId, tenant }, context, reply }: Call,
  ): Promise<RequestedConnection> {
    const owner = { tenantId: tenant.id, userId };
    const wanted = {
      ...owner,
      platformId,
      provider: body.provider,
      redirectUri: body.redirect_uri ?? null,
      scopes: body.scopes,
      callbackUrl: this.publicUrl.callback,
    };
    const { id, connectUrl, position } = await this.commands.execute(new RequestConnection(wanted, context));
    const connection = await this.position.answer(
      reply,
      { position, projection: CONNECTION_LIST },
      () => this.connections.get(owner, id),
      () => this.connections.latest(owner, id),
    );
    reply.header('location', `/v1/users/${userId}/connections/${id}`);
    return { ...found(connection, 'connection'), connect_url: connectUrl };
  }

  /** Newest first. */
  @Get()
  @RequireScope('connections:read')
  @ApiOkResponse({ type: ConnectionPage })
  async list(
    @UserId() userId: string,
    @Query() page: PageQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<ConnectionPage> {
    return this.connections.list(await this.users.owner(access, userId), page);
  }

  @Get(':connection_id')
  @RequireScope('connections:read')
  @ById()
  @ApiOkResponse({ type: ConnectionResource })
  async get(
    @UserId() userId: string,
    @IdParam('connection_id') connectionId: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<ConnectionResource> {
    const owner = await this.users.owner(access, userId);
    return found(await this.connections.get(owner, connectionId), 'connection');
  }

  /** What to send to the provider, refreshed where it is about to expire. */
  @Post(':connection_id/token')
  @HttpCode(200)
  @RequireScope('vault:read')
  @Header('cache-control', 'no-store')
  @ById()
  @ApiOkResponse({ type: AccessToken })
  async token(
    @UserId() userId: string,
    @IdParam('connection_id') connectionId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context }: Call,
  ): Promise<AccessToken> {
    const { platformId, tenant } = access;
    const wanted = { platformId, tenantId: tenant.id, userId, connectionId };
    return this.commands.execute(new IssueToken(wanted, context));
  }

  /** Removes the connection, then revokes its tokens at the provider (RFC 7009) and tells whether that worked. */
  @Delete(':connection_id')
  @RequireScope('connections:write')
  @ById()
  @ApiOkResponse({ type: RemovedConnection })
  async delete(
    @UserId() userId: string,
    @IdParam('connection_id') connectionId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<RemovedConnection> {
    const owner = await this.users.owner(access, userId);
    const { provider } = found(await this.connections.find(owner, connectionId), 'connection');
    const removal = new RemoveConnection({ ...owner, connectionId }, context);
    const { position, outcome, reason } = await this.commands.execute(removal);
    await this.position.settle(reply, position, CONNECTION_LIST);
    return { id: connectionId, provider, status: 'removed', revocation: { outcome, reason } };
  }
}
