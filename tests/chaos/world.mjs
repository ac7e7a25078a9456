// The real stack, with a hand on each of its parts: our own Redis, proxies where connections can be
// cut, a model that is slow, fails and falls silent, and the database's lock.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, readlink } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LlmServer, answer, say, silence } from '../support/llm_server.mjs';
import { MongoServer } from '../support/mongo_server.mjs';
import { Stack } from '../support/stack.mjs';
import { freePort, waitUntil, withDeadline } from '../support/wait.mjs';
import { Proxy } from '../support/proxy.mjs';
import { Random } from '../support/random.mjs';

const later = (ms, behaviour) => (request, response) => setTimeout(() => behaviour(request, response), ms);

/* A stock client whose connection breaks in the middle of its upgrade notices by its heartbeat alone:
 * within the time that a world has to heal. */
const heartbeat = { PING_INTERVAL_MS: '4000', PING_TIMEOUT_MS: '4000' };

/** What becomes of a request to the model: mostly an answer within a second. The shares of others: */
const usualModel = { silent: 0.01, broken: 0.02, slow: 0.03 };

function modelBehaviour(random, { silent, broken, slow }) {
  let x = random.next();
  if ((x -= silent) < 0) return silence();
  if ((x -= broken) < 0) return answer(500, { error: 'broken' });
  if ((x -= slow) < 0) return later(2000 + random.below(4000), say('Slow, but here.'));
  return later(random.below(600), say('I am busy and will answer later.'));
}

/** A Redis that comes back when it dies, as the supervisor of a real one sees to. */
class Redis {
  static async start(dir) {
    const redis = new Redis();
    Object.assign(redis, { dir, port: await freePort() });
    await mkdir(dir, { recursive: true });
    redis.#spawn();
    await redis.ready();
    return redis;
  }

  #spawn() {
    const words = ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.dir, '--save', '', '--appendonly', 'yes'];
    this.process = spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', ...words], { stdio: 'ignore' });
    this.ended = new Promise((resolve) => { this.process.once('close', resolve); });
    this.ended.then(() => { if (!this.isStopping) setTimeout(() => this.isStopping || this.#spawn(), 300); });
  }

  /** One command; gives the reply's first line. */
  async command(text) {
    const socket = net.connect(this.port, '127.0.0.1').setEncoding('utf8');
    try {
      await withDeadline('Redis to take a connection', once(socket, 'connect'), 2000);
      socket.write(`${text}\r\n`);
      return (await withDeadline('Redis to answer', once(socket, 'data'), 2000))[0].split('\r\n')[0];
    } finally {
      socket.destroy();
    }
  }

  ready() {
    return waitUntil('Redis to answer', () => this.command('PING').then((line) => line === '+PONG', () => false), { within: 10000 });
  }

  /** Where it is away or stopped right now there is nobody to ask: the fault was already there. */
  flush() { return this.command('FLUSHALL').catch(() => {}); }

  async stop() {
    this.isStopping = true;
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** The embedded store: another program, a backup perhaps, may hold its write lock. */
class Sqlite {
  constructor(file) { this.file = file; }

  lock() {
    this.unlock();
    this.holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'sqlite3', '-batch', this.file], { stdio: ['pipe', 'ignore', 'ignore'] });
    this.holder.on('error', () => {}).stdin.on('error', () => {});
    this.holder.stdin.write('.timeout 1000\nBEGIN IMMEDIATE;\n');
  }

  unlock() {
    this.holder?.kill('SIGKILL');
    this.holder = undefined;
  }

  stop() { this.unlock(); }
}

/** The stand-in for MongoDB, on disk, behind a proxy. */
class Mongo {
  static async start(dir) {
    const mongo = new Mongo();
    mongo.server = await MongoServer.start({ file: path.join(dir, 'mongo.h2') });
    mongo.proxy = await Proxy.start({ host: '127.0.0.1', port: mongo.server.port });
    return mongo;
  }

  get pid() { return this.server.process.pid; }
  get uri() { return `mongodb://127.0.0.1:${this.proxy.port}/parley`; }

  /** Not twice at once; one that stands still ends when it goes on. */
  restart() {
    this.restarting ??= this.server.stop().then(() => this.server.start()).finally(() => { this.restarting = undefined; });
  }

  async stop() {
    await this.restarting;
    await this.proxy.stop();
    await this.server.kill();
  }
}

export class World {
  static async start(seed, { store = 'sqlite', model = usualModel, settings = {} } = {}) {
    const world = new World();
    const random = new Random(seed ^ 0x5eed);
    world.dir = await mkdtemp(path.join(tmpdir(), 'parley-chaos-'));
    try {
      world.llm = await LlmServer.start();
      world.llm.usual = (request, response) => modelBehaviour(random, model)(request, response);
      world.redis = await Redis.start(path.join(world.dir, 'redis'));
      const toRedis = await Proxy.start({ host: '127.0.0.1', port: world.redis.port });
      world.proxies = { 'service-redis': toRedis };
      if (store === 'mongo') {
        world.database = await Mongo.start(world.dir);
        world.proxies['service-db'] = world.database.proxy;
      } else {
        world.database = new Sqlite(path.join(world.dir, 'data/parley.db'));
      }
      world.stack = await Stack.start({
        REDIS_URL: `redis://127.0.0.1:${toRedis.port}`,
        MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2', RESPONDER_PROCESSES: '2',
        ...heartbeat, LLM_API_URL: `${world.llm.url}/v1`, LLM_CONCURRENCY: '32', LIMIT_LLM_SENDER: '0', LIMIT_LLM_USER: '0',
        MONGO_DB_URI: store === 'mongo' ? world.database.uri : '', ...settings,
      }, { dir: world.dir });
      world.proxies['client-gateway'] = await Proxy.start({ host: '127.0.0.1', port: world.stack.port });
      world.url = `http://127.0.0.1:${world.proxies['client-gateway'].port}`;
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async #pidOf(name) {
    if (name === 'redis') return this.redis.process.pid;
    if (name === 'database') return this.database.pid;
    return Number(await readFile(path.join(this.dir, 'data/run/pids', name), 'utf8'));
  }

  /** To a process with all its workers; nothing where it is dead at the moment. */
  async signal(name, signal) {
    const pid = await this.#pidOf(name);
    if (name === 'redis' || name === 'database') {
      process.kill(pid, signal); // our own child
      return;
    }
    // The number may be another's by now: what is ours works in our folder.
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (folder.startsWith(this.dir)) process.kill(-pid, signal);
  }

  /** To everything that runs here: processes, Redis, the database. */
  async signalAll(signal) {
    const names = [...await readdir(path.join(this.dir, 'data/run/pids')), 'redis', ...this.database.pid ? ['database'] : []];
    for (const name of names) await this.signal(name, signal).catch(() => {});
  }

  async stop() {
    await this.proxies?.['client-gateway']?.stop();
    await this.stack?.stop();
    await this.database?.stop();
    await this.proxies?.['service-redis']?.stop();
    await this.redis?.stop();
    await this.llm?.stop();
  }
}
