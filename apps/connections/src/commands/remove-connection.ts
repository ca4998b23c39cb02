import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { connections } from '../domain/connections.decide.js';
import { type ConnectionPlace, ConnectionProcess } from './connection-process.js';
import { type Revocation, Revocations } from './revocations.js';

export interface Removal extends Revocation {
  position: bigint;
}

export class RemoveConnection extends ContextCommand<ConnectionPlace, Removal> {}

@CommandHandler(RemoveConnection)
export class RemoveConnectionHandler implements ICommandHandler<RemoveConnection> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly process: ConnectionProcess,
    private readonly revocations: Revocations,
  ) {}

  /** Gone for good before the provider is told. Throws `not_found` when there is no such connection. */
  async execute({ given: place, context }: RemoveConnection): Promise<Removal> {
    const { userId, connectionId } = place;
    const revocation = await this.revocations.settle(userId, connectionId, context, () =>
      this.process.execute(place, { kind: 'remove' }, context),
    );
    const { position } = await this.aggregates.peek(connections, userId);
    return { ...revocation, position };
  }
}
