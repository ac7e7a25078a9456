// A TCP proxy on the loopback whose connections can be cut.
import net from 'node:net';
import { once } from 'node:events';

export class Proxy {
  /** To `target`, {host, port}; on a free port unless one is named. */
  static async start(target) {
    const proxy = new Proxy();
    Object.assign(proxy, { target, pairs: new Set(), refuses: false });
    proxy.server = net.createServer((socket) => proxy.#take(socket)).listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  #take(client) {
    if (this.refuses) { client.on('error', () => {}).resetAndDestroy(); return; }
    const server = net.connect(this.target.port, this.target.host);
    const pair = [client, server];
    this.pairs.add(pair);
    for (const [from, to] of [pair, [server, client]]) {
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => { to.destroy(); this.pairs.delete(pair); });
      from.pipe(to);
    }
  }

  /** Break all connections, mid-stream, and take no new ones until mend(). */
  cut() {
    this.refuses = true;
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  mend() { this.refuses = false; }

  async stop() {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}
