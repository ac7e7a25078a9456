// A TCP proxy on the loopback, as bad as a network can be: it cuts connections, stalls, delays.
import net from 'node:net';
import { once } from 'node:events';

/* Node 20 never closes a socket that is reset while its end() is under way, and then spins when the
 * process should end. */
const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());

export class Proxy {
  /** To `target`, {host, port}, from a free port. */
  static async start(target) {
    const proxy = new Proxy();
    Object.assign(proxy, { target, pairs: new Set(), refuses: false, stalls: false, drops: false, delayMs: 0, bytesPerMs: Infinity, passed: 0 });
    proxy.server = net.createServer((socket) => proxy.#take(socket)).listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.server.unref();
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  #take(client) {
    if (this.refuses) { reset(client.on('error', () => {})); return; }
    const server = net.connect(this.target.port, this.target.host);
    const pair = [client, server];
    this.pairs.add(pair);
    for (const [from, to] of [pair, [server, client]]) {
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => { to.destroy(); this.pairs.delete(pair); });
      from.on('data', (bytes) => this.#pass(bytes, from, to, from === server));
      if (this.stalls) from.pause();
    }
  }

  #pass(bytes, from, to, isAnswer) {
    if (isAnswer && this.drops) return;
    this.passed += bytes.length;
    if (this.passed >= this.stallsAt) this.stall();
    const write = () => {
      if (to.destroyed || to.write(bytes)) return;
      from.pause();
      to.once('drain', () => { if (!this.stalls) from.resume(); });
    };
    if (this.delayMs === 0 && this.bytesPerMs === Infinity && !from.later) { write(); return; }
    // In their order, also once the delay is over.
    const due = Date.now() + this.delayMs;
    const later = (from.later ?? Promise.resolve())
      .then(() => new Promise((resolve) => { setTimeout(resolve, Math.max(due - Date.now(), bytes.length / this.bytesPerMs)); })).then(write)
      .then(() => { if (from.later === later) from.later = undefined; });
    from.later = later;
  }

  /** Break all connections, mid-stream, and take no new ones until mend(). */
  cut() {
    this.refuses = true;
    for (const pair of this.pairs) for (const socket of pair) reset(socket);
  }

  mend() { this.refuses = false; }

  /** Keep connections, and take new ones, and pass nothing on until flow(). */
  stall() {
    this.stalls = true;
    for (const pair of this.pairs) for (const socket of pair) socket.pause();
  }

  flow() {
    this.stalls = false;
    this.stallsAt = undefined;
    for (const pair of this.pairs) for (const socket of pair) socket.resume();
  }

  /** What the target answers gets lost, while what it is asked arrives. */
  dropAnswers(drops = true) { this.drops = drops; }

  /** Stall once that many more bytes have passed. */
  stallAfter(bytes) { this.stallsAt = this.passed + bytes; }

  /** Pass each piece on so much later. */
  delay(ms) { this.delayMs = ms; }

  /** Pass no more than so much on, each way of each connection. */
  narrow(bytesPerMs) { this.bytesPerMs = bytesPerMs; }

  async stop() {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}
