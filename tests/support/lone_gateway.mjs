// A gateway alone: the test tells it who serves, and its services only keep what they get.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Wire } from './conformance.mjs';
import { root } from './stack.mjs';
import { freePort, waitUntil } from './wait.mjs';

const build = process.env.BUILD_DIR ?? path.join(root, 'build');
const env = { PATH: `${process.env.PATH}:/usr/sbin`, GATEWAY_WORKERS: '1', GATEWAY_REQUESTS_PER_SECOND: '0', GATEWAY_LOG_LINES_PER_SECOND: '0' };
const answer = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

/** There is a module for this nginx (gateway/tunnel/). */
export const hasModule = existsSync(path.join(build, 'gateway-tunnel.so'));

/** The first request in `bytes`, whole, or null. */
function firstOf(bytes) {
  const end = bytes.indexOf('\r\n\r\n') + 4;
  if (end < 4) return null;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(bytes.slice(0, end))?.[1] ?? 0);
  return bytes.length < end + length ? null : bytes.slice(0, end + length);
}

/** A process of a service that answers all with 200, or its `answer`, and keeps what it got in `got`. */
export class Keeper {
  static async start() {
    const keeper = new Keeper();
    keeper.got = [];
    keeper.answer = answer;
    keeper.isBreaking = false; // it ends the connection in place of an answer
    keeper.server = net.createServer((socket) => keeper.#serve(socket));
    await new Promise((resolve) => { keeper.server.listen(0, '127.0.0.1', resolve); });
    keeper.address = `127.0.0.1:${keeper.server.address().port}`;
    return keeper;
  }

  #sockets = new Set();

  #serve(socket) {
    let bytes = '';
    this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket)));
    socket.setEncoding('latin1').on('error', () => {}).on('data', (text) => {
      bytes += text;
      for (let request; (request = firstOf(bytes)); bytes = bytes.slice(request.length)) {
        this.got.push(request);
        if (this.isBreaking) socket.destroy();
        else socket.write(this.answer);
      }
    });
  }

  /** Nobody listens here any more, and all connections are ended. */
  async stop() {
    const closed = new Promise((resolve) => { this.server.close(resolve); });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

export class LoneGateway {
  /** With our module, or as beside another nginx. edit: its configuration, which stands in that folder. */
  static async start({ isWithModule = true, edit = async () => {} } = {}) {
    // Another test may take the port meanwhile.
    for (let tries = 1; ; tries++) {
      const gateway = await LoneGateway.#tryToStart(isWithModule, edit);
      if (gateway) return gateway;
      if (tries === 3) throw new Error('nginx does not start');
    }
  }

  static async #tryToStart(isWithModule, edit) {
    const gateway = new LoneGateway();
    gateway.folder = await mkdtemp(path.join(tmpdir(), 'parley-lone-'));
    gateway.prefix = path.join(gateway.folder, 'gateway');
    gateway.port = await freePort();
    const without = path.join(gateway.folder, 'programs');
    await mkdir(without);
    await symlink(path.join(build, 'parley-settings'), path.join(without, 'parley-settings'));
    const programs = { BUILD_DIR: isWithModule ? build : without, PORT: String(gateway.port) };
    await promisify(execFile)('sh', [path.join(root, 'gateway/render.sh'), gateway.prefix], { env: { ...env, ...programs } });
    await edit(path.join(gateway.prefix, 'conf'));
    const nginx = spawn('setpriv', ['--pdeathsig', 'TERM', 'nginx', '-p', gateway.prefix, '-e', 'stderr', '-c', 'conf/nginx.conf'], { env, stdio: 'ignore' });
    const ended = new Promise((resolve) => { nginx.once('close', resolve); });
    gateway.stop = async () => {
      nginx.kill();
      await ended;
      await rm(gateway.folder, { recursive: true });
    };
    // It writes this once it has its port.
    const begun = waitUntil('nginx', () => existsSync(path.join(gateway.prefix, 'run/nginx.pid')), { within: 20000 }).then(() => true, () => false);
    if (await Promise.race([begun, ended.then(() => false)])) return gateway;
    await gateway.stop();
    await begun;
    return null;
  }

  open() { return Wire.open({ host: 'localhost', port: this.port }); }

  /** Who serves: [service, address] of each, all of them up. */
  async tell(members) {
    const file = path.join(this.prefix, 'run/members');
    await writeFile(`${file}.new`, members.map(([service, address], i) => `${service} p${i} ${address} up\n`).join(''));
    await rename(`${file}.new`, file);
  }

  /** The access log, which is written once a second. */
  async lines() {
    return (await readFile(path.join(this.prefix, 'logs/access.log'), 'utf8')).split('\n').filter(Boolean).map(JSON.parse);
  }
}
