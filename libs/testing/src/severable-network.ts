import { connect, type Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';

/** Connections to Kafka that can all be cut at one moment, as when a process is killed. */
export class SeverableNetwork {
  private readonly sockets = new Set<Socket>();
  private severed = false;

  readonly open: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect);
    this.sockets.add(socket);
    if (this.severed) socket.destroy(new Error('severed'));
    return socket;
  };

  sever(): void {
    this.severed = true;
    for (const socket of this.sockets) socket.destroy(new Error('severed'));
  }
}
