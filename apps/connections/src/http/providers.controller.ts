import { Body, Controller, Delete, Get, HttpCode, Param, Put, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import { found } from '#kernel';
import {
  type Call,
  CurrentAccess,
  CurrentCall,
  NoQuery,
  PageQuery,
  type PlatformAccess,
  Position,
  RequireScope,
  requirePlatformWide,
} from '#platform';
import { ConfigureProvider } from '../commands/configure-provider.js';
import { RemoveProvider } from '../commands/remove-provider.js';
import { McpDiscovery } from '../outbound/mcp-discovery.js';
import { ProviderList } from '../read-models/providers.js';
import { PROVIDERS } from '../read-models/providers.projection.js';
import { ProviderPage, ProviderResource, PutProviderBody } from './provider.dto.js';
import { PROVIDER_NAME, ProviderNamePipe } from './provider-name.js';
import { discoveredSettings, isToBeDiscovered, providerSettings } from './provider-settings.js';
import { PublicUrl } from './public-url.js';

const ByName = () =>
  ApiParam({ name: 'name', schema: { type: 'string', pattern: PROVIDER_NAME.source }, example: 'github' });

/** A platform's providers serve all of its tenants, so a key that is restricted to one only reads them. */
@ApiTags('Connections')
@Controller('v1/providers')
export class ProvidersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly providers: ProviderList,
    private readonly position: Position,
    private readonly discovery: McpDiscovery,
    private readonly publicUrl: PublicUrl,
  ) {}

  /**
   * Makes the provider or replaces it as a whole, its secret too. An MCP server with nothing but a `server_url` is
   * asked for its authorization server, where a client is registered.
   */
  @Put(':name')
  @RequireScope('connections:write')
  @ByName()
  @ApiOkResponse({ type: ProviderResource })
  async put(
    @Param('name', ProviderNamePipe) name: string,
    @Body() body: PutProviderBody,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<ProviderResource> {
    requirePlatformWide(access);
    const { platformId } = access;
    const wanted = isToBeDiscovered(body)
      ? await discoveredSettings(body, this.discovery, this.publicUrl.callback)
      : providerSettings(body);
    const provider = { platformId, name, ...wanted };
    const position = await this.commands.execute(new ConfigureProvider(provider, context));
    const shown = await this.position.answer(
      reply,
      { position, projection: PROVIDERS },
      () => this.providers.get(platformId, name),
      () => this.providers.latest(platformId, name),
    );
    return found(shown, 'provider');
  }

  /** Newest first, never with secrets. */
  @Get()
  @RequireScope('connections:read')
  @ApiOkResponse({ type: ProviderPage })
  list(@Query() page: PageQuery, @CurrentAccess() access: PlatformAccess): Promise<ProviderPage> {
    return this.providers.list(access.platformId, page);
  }

  /** Its secret is destroyed. Connections stay, but their tokens can be neither refreshed nor revoked any more. */
  @Delete(':name')
  @HttpCode(204)
  @RequireScope('connections:write')
  @ByName()
  @ApiNoContentResponse()
  async delete(
    @Param('name', ProviderNamePipe) name: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    requirePlatformWide(access);
    const removal = { platformId: access.platformId, name };
    const position = await this.commands.execute(new RemoveProvider(removal, context));
    await this.position.settle(reply, position, PROVIDERS);
  }
}
