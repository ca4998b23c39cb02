import { Body, Controller, Delete, Get, HttpCode, Patch, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { found, parseUsd } from '#kernel';
import {
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
  requirePlatformWide,
} from '#platform';
import { CreateAccountKit } from '../commands/create-account-kit.js';
import { DeleteAccountKit } from '../commands/delete-account-kit.js';
import { UpdateAccountKit } from '../commands/update-account-kit.js';
import { type KitChanges, OPEN_POLICY } from '../domain/account-kit.js';
import { ACCESS } from '../read-models/access.projection.js';
import { AccountKits } from '../read-models/account-kits.js';
import {
  AccountKitPage,
  AccountKitResource,
  CreateAccountKitBody,
  UpdateAccountKitBody,
} from './account-kit.dto.js';

/** The platform's kits hold for all of its tenants, so a key that is restricted to one only reads them. */
@ApiTags('Account kits')
@Controller('v1/account-kits')
export class AccountKitsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly kits: AccountKits,
    private readonly position: Position,
  ) {}

  @IdempotentPost()
  @RequireScope('tenants:write')
  @ApiCreatedResponse({ type: AccountKitResource })
  async create(
    @Body() body: CreateAccountKitBody,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<AccountKitResource> {
    requirePlatformWide(access);
    const { platformId } = access;
    const { name = body.name, ...given } = changesOf(body);
    const wanted = { platformId, name, policy: { ...OPEN_POLICY, ...given } };
    const { id, position } = await this.commands.execute(new CreateAccountKit(wanted, context));
    reply.header('location', `/v1/account-kits/${id}`);
    return this.written(reply, { platformId, id, position });
  }

  /** Newest first. */
  @Get()
  @RequireScope('tenants:read')
  @ApiOkResponse({ type: AccountKitPage })
  list(@Query() page: PageQuery, @CurrentAccess() access: PlatformAccess): Promise<AccountKitPage> {
    return this.kits.list(access.platformId, page);
  }

  @Get(':id')
  @RequireScope('tenants:read')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AccountKitResource })
  async get(
    @IdParam('id') id: string,
    @Query() _query: NoQuery,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<AccountKitResource> {
    return found(await this.kits.get(access.platformId, id), 'account kit');
  }

  @Patch(':id')
  @RequireScope('tenants:write')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AccountKitResource })
  async update(
    @IdParam('id') kitId: string,
    @Body() body: UpdateAccountKitBody,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<AccountKitResource> {
    requirePlatformWide(access);
    const { platformId } = access;
    const update = { platformId, kitId, changes: changesOf(body) };
    const position = await this.commands.execute(new UpdateAccountKit(update, context));
    return this.written(reply, { platformId, id: kitId, position });
  }

  /** Refused with `illegal_state` for the default kit, and while a user has it. */
  @Delete(':id')
  @HttpCode(204)
  @RequireScope('tenants:write')
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  async delete(
    @IdParam('id') kitId: string,
    @Query() _query: NoQuery,
    @CurrentCall() { access, context, reply }: Call,
  ): Promise<void> {
    requirePlatformWide(access);
    const deletion = { platformId: access.platformId, kitId };
    const position = await this.commands.execute(new DeleteAccountKit(deletion, context));
    await this.position.settle(reply, position, ACCESS);
  }

  private async written(
    reply: FastifyReply,
    { platformId, id, position }: { platformId: string; id: string; position: bigint },
  ): Promise<AccountKitResource> {
    const kit = await this.position.answer(
      reply,
      { position, projection: ACCESS },
      () => this.kits.get(platformId, id),
      () => this.kits.latest(platformId, id),
    );
    return found(kit, 'account kit');
  }
}

/** What the body names: a field that it does not name is absent, lest it hide what holds without it. */
function changesOf({ budget_usd: budget, ...rest }: UpdateAccountKitBody): KitChanges {
  const named: KitChanges = Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  );
  if (budget === undefined) return named;
  return { ...named, budget_micro_usd: budget === null ? null : parseUsd(budget, 'budget_usd') };
}
