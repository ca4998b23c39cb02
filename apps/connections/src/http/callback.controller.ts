import { Controller, Get, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiFoundResponse, ApiOkResponse, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Position, Public } from '#platform';
import { CompleteConnection, type CompletedConnection } from '../commands/complete-connection.js';
import { CONNECTION_LIST } from '../read-models/connections.projection.js';
import { resultPage } from './callback-page.js';
import { PublicUrl } from './public-url.js';

/** Where providers send browsers back to. The `state` that they bring is what they are known by. */
@ApiTags('Connections')
@Public()
@Controller('v1/connections/callback')
export class CallbackController {
  constructor(
    private readonly commands: CommandBus,
    private readonly position: Position,
    private readonly publicUrl: PublicUrl,
  ) {}

  /**
   * Ends what `connect` began. The browser goes on to the `redirect_uri` given there, with `connection_id`,
   * `status` and `reason` in its query, or is shown a page.
   */
  @Get()
  @ApiQuery({ name: 'state', description: 'As given to the provider; it can be used once.' })
  @ApiQuery({ name: 'code', required: false })
  @ApiQuery({ name: 'error', required: false })
  @ApiOkResponse({ description: 'A page for the user.', content: { 'text/html': {} } })
  @ApiFoundResponse({ description: 'To the redirect_uri of the connection.' })
  async complete(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    // Providers add parameters of their own, which are nothing to refuse.
    const { searchParams } = new URL(request.url, 'http://localhost');
    const callback = {
      parameters: searchParams,
      callbackUrl: this.publicUrl.callback,
      requestId: request.id,
    };
    const completed = await this.commands.execute(new CompleteConnection(callback));
    await this.position.settle(reply, completed.position, CONNECTION_LIST);
    // The address of this page holds a code, used as it may be.
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer');
    if (completed.redirectUri === null) {
      const { html, contentSecurityPolicy } = resultPage(completed);
      reply.header('content-security-policy', contentSecurityPolicy);
      await reply.type('text/html; charset=utf-8').send(html);
      return;
    }
    await reply.redirect(returnAddress(completed.redirectUri, completed), 302);
  }
}

function returnAddress(redirectUri: string, { id, status, reason }: CompletedConnection): string {
  const url = new URL(redirectUri);
  url.searchParams.set('connection_id', id);
  url.searchParams.set('status', status);
  if (reason !== null) url.searchParams.set('reason', reason);
  return url.href;
}
