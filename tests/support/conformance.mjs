// The conformance server for a test file, and clients that speak to it byte by byte.
// With CONFORMANCE_URL set, the tests run against that server instead.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import WebSocket from 'ws';
import { root } from './stack.mjs';
import { freePort, waitUntil, withDeadline } from './wait.mjs';

/** What the caller may choose: a build, and how it is run. */
const kept = () => Object.fromEntries(['TMPDIR', 'BUILD_DIR', 'SERVICE_PRELOAD', 'ASAN_OPTIONS', 'LOG_LEVEL']
  .filter((name) => process.env[name]).map((name) => [name, process.env[name]]));

/** Times so long that a machine which stops for seconds changes no test's result. */
export const calm = { PING_INTERVAL_MS: '60000', PING_TIMEOUT_MS: '60000', CONNECT_TIMEOUT_MS: '60000' };

export class ConformanceServer {
  /** With `times` in its environment: calm ones, or {} for those that suites meet. */
  static async start(times = calm) {
    if (process.env.CONFORMANCE_URL) return Object.assign(new ConformanceServer(), { url: process.env.CONFORMANCE_URL.replace(/\/$/, '') });
    // Another test may take the port meanwhile.
    for (let tries = 1; ; tries++) {
      const { server, hasEnded } = await ConformanceServer.#tryToStart(times);
      if (!hasEnded) return server;
      if (tries === 3) throw new Error(`it ended: ${server.output}`);
    }
  }

  static async #tryToStart(times) {
    const server = new ConformanceServer();
    const port = await freePort();
    server.url = `http://127.0.0.1:${port}`;
    server.output = '';
    server.process = spawn('bash', [path.join(root, 'tests/conformance/run.sh')], {
      env: { PATH: process.env.PATH, ...kept(), ...times, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [server.process.stdout, server.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { server.output += text; });
    }
    server.ended = once(server.process, 'close');
    const hasEnded = () => server.process.exitCode !== null;
    await waitUntil('the conformance server', () => hasEnded() || fetch(`${server.url}/engine.io/`).then(() => true, () => false), { within: 10000 });
    return { server, hasEnded: hasEnded() };
  }

  get address() {
    const { hostname, port } = new URL(this.url);
    return { host: hostname, port: Number(port) };
  }

  async stop() {
    if (!this.process) return;
    this.process.kill('SIGTERM');
    await withDeadline('the conformance server to end', this.ended, 10000);
  }
}

/** For a test file: the server before its tests, ended after them. */
export function useConformanceServer({ before, after }, times) {
  const hold = {};
  before(async () => { hold.server = await ConformanceServer.start(times); hold.url = hold.server.url; });
  after(() => hold.server?.stop());
  return hold;
}

/** A WebSocket whose messages are taken one by one. */
export class Socket {
  constructor(url, options = {}) {
    this.messages = [];
    this.waiting = [];
    this.ws = new WebSocket(url.replace(/^http/, 'ws'), { perMessageDeflate: false, ...options });
    this.opened = once(this.ws, 'open');
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.ws.once('close', (code) => { this.isClosed = true; resolve(code); });
      this.ws.once('error', () => {});
    });
    this.ws.on('message', (data, isBinary) => {
      const message = isBinary ? data : data.toString();
      const next = this.waiting.shift();
      if (next) next(message); else this.messages.push(message);
    });
  }

  send(data) { this.ws.send(data); }

  /** The next message. */
  take(within = 10000) {
    if (this.messages.length > 0) return Promise.resolve(this.messages.shift());
    return withDeadline('a message', new Promise((resolve) => this.waiting.push(resolve)), within);
  }

  end(within = 10000) { return withDeadline('the end of the WebSocket', this.closed, within); }

  close() { this.ws.close(); }
}

// ---- RFC 6455 over a bare TCP connection ------------------------------------------------

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A client's frame; `raw` overrides what a good one has: {fin, rsv, mask, lengthBytes}. */
export function frame(op, payload = '', { fin = true, rsv = 0, mask = true, lengthBytes } = {}) {
  const body = Buffer.from(payload);
  const size = lengthBytes ?? (body.length < 126 ? 0 : body.length < 65536 ? 2 : 8);
  const head = Buffer.alloc(2 + size);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | op;
  head[1] = (mask ? 0x80 : 0) | (size === 0 ? body.length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(body.length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(body.length), 2);
  if (!mask) return Buffer.concat([head, body]);
  const key = crypto.randomBytes(4);
  return Buffer.concat([head, key, body.map((byte, i) => byte ^ key[i % 4])]);
}

export function closeFrame(code, reason = '', options) {
  const body = Buffer.alloc(2 + Buffer.byteLength(reason));
  body.writeUInt16BE(code);
  body.write(reason, 2);
  return frame(opcode.close, body, options);
}

const hexPort = (port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;

/** The kernel's TCP connections: [n, local, remote, state, unacknowledged:unread, ...]. */
// By readFileSync(), for Node 18's readFile() gives only the first page of such a file.
const tcpRows = () => ['tcp', 'tcp6'].filter((name) => existsSync(`/proc/net/${name}`))
  .flatMap((name) => readFileSync(`/proc/net/${name}`, 'utf8').split('\n'))
  .map((line) => line.trim().split(/\s+/)).filter((row) => row.length > 4);

/** A TCP connection that keeps what came. */
export class Wire {
  static async open({ host, port }) {
    const wire = new Wire();
    wire.bytes = Buffer.alloc(0);
    wire.changed = () => {};
    wire.socket = net.connect(port, host);
    wire.socket.setNoDelay(true);
    wire.socket.on('data', (data) => { wire.bytes = Buffer.concat([wire.bytes, data]); wire.changed(); });
    wire.socket.on('error', () => {});
    wire.socket.once('end', () => { wire.isEnded = true; wire.changed(); });
    wire.socket.once('close', () => { wire.isEnded = true; wire.isClosed = true; wire.changed(); });
    await once(wire.socket, 'connect');
    return wire;
  }

  write(bytes) { this.socket.write(bytes); }

  /** Wait until `probe`, looked at whenever something came, gives something truthy. */
  async until(what, probe, within = 10000) {
    let isOver = false;
    const found = async () => {
      for (let result; !isOver;) {
        if ((result = probe())) return result;
        await new Promise((resolve) => { this.changed = resolve; });
      }
    };
    return withDeadline(what, found(), within).finally(() => { isOver = true; });
  }

  /**
   * Wait until the server's program has read all that was written here: what is sent on other
   * connections from now on comes after it. (Both ends of a loopback connection stand in the
   * kernel's table, with the bytes that were not acknowledged and those that were not read.)
   */
  async isRead() {
    const here = hexPort(this.socket.localPort);
    const there = hexPort(this.socket.remotePort);
    await waitUntil('the server to read', async () => {
      const rows = tcpRows();
      const bytes = (from, to) => rows.find(([, local, remote]) => local.endsWith(from) && remote.endsWith(to))?.[4];
      return /^0+:/.test(bytes(here, there) ?? '') && /:0+$/.test(bytes(there, here) ?? ':0');
    });
  }

  /** The head of an HTTP answer: its status and its lines. */
  async head() {
    await this.until('an answer', () => this.bytes.includes('\r\n\r\n') || this.isEnded);
    const end = this.bytes.indexOf('\r\n\r\n');
    const lines = this.bytes.subarray(0, end).toString().split('\r\n');
    this.bytes = this.bytes.subarray(end + 4);
    return { status: Number(lines[0].split(' ')[1]), lines };
  }

  /** An HTTP answer with its body. */
  async answer() {
    const head = await this.head();
    const length = Number(head.lines.find((line) => /^content-length:/i.test(line)).split(':')[1]);
    await this.until('the body', () => this.bytes.length >= length || this.isEnded);
    const body = this.bytes.subarray(0, length).toString();
    this.bytes = this.bytes.subarray(length);
    return { ...head, body };
  }

  /** The next frame from the server, or null at the end. */
  async frame() {
    let found = null;
    await this.until('a frame', () => { found = this.#cut(); return found || this.isEnded; });
    return found ?? this.#cut();
  }

  #cut() {
    const b = this.bytes;
    if (b.length < 2) return null;
    let [length, at] = [b[1] & 0x7f, 2];
    if (length === 126) { if (b.length < 4) return null; length = b.readUInt16BE(2); at = 4; }
    else if (length === 127) { if (b.length < 10) return null; length = Number(b.readBigUInt64BE(2)); at = 10; }
    if (b.length < at + length) return null;
    const result = {
      op: b[0] & 0x0f, fin: b[0] >= 0x80, rsv: (b[0] >> 4) & 7, masked: b[1] >= 0x80, data: b.subarray(at, at + length),
    };
    this.bytes = b.subarray(at + length);
    return result;
  }

  /** Wait for the server's Close and the end of the connection; gives the code. */
  async closeCode() {
    for (;;) {
      const f = await this.frame();
      if (!f) return undefined;
      if (f.op !== opcode.close) continue;
      await this.isGone();
      return f.data.length >= 2 ? f.data.readUInt16BE(0) : 1005;
    }
  }

  /** Wait until the server has ended the connection. */
  isGone(within) { return this.until('the end of the connection', () => this.isEnded, within); }

  end() { this.socket.destroy(); }
}

/** Lines of a good opening handshake; `change` replaces (or with null removes) headers. */
export function handshake(pathname, change = {}, { method = 'GET', version = 'HTTP/1.1', more = [] } = {}) {
  const headers = {
    Host: 'localhost', Upgrade: 'websocket', Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13', ...change,
  };
  const lines = Object.entries(headers).filter(([, v]) => v !== null).map(([k, v]) => `${k}: ${v}`);
  return `${[`${method} ${pathname} ${version}`, ...lines, ...more].join('\r\n')}\r\n\r\n`;
}
