// The real stack, started as `make run` starts it, on free ports and in a folder of its own.
// With PARLEY_URL set, the tests that only need a URL run against that one instead.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { closeAll } from './api.mjs';
import { newDatabase } from './mongo_server.mjs';
import { freePort, patience, patient, waitUntil } from './wait.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const script = path.join(root, 'deploy/local/run.sh');
/** For services that wait for MongoDB on a machine that stands still. */
const standstill = path.join(root, process.env.BUILD_DIR ?? 'build', 'standstill.so');

const databases = new Map(); // by data folder, which a second stack may take over

/** With TEST_STORE=mongo all that a stack keeps is in a MongoDB database of its own. */
async function storeSettings(dir, settings) {
  if (process.env.TEST_STORE !== 'mongo' || Object.keys(settings).some((name) => /^MONGO/.test(name))) return {};
  if (!databases.has(dir)) databases.set(dir, await newDatabase());
  return { MONGO_DB_URI: databases.get(dir) };
}

/** Environment for a stack: rates lifted, no LLM, nothing of the caller's own settings. */
async function environment(dir, port, settings) {
  const { PATH, HOME, LANG = 'C.UTF-8' } = process.env;
  // Another build, such as the one with sanitizers, is the caller's to choose.
  const kept = ['TMPDIR', 'BUILD_DIR', 'SERVICE_PRELOAD', 'ASAN_OPTIONS'].filter((name) => process.env[name]);
  const store = await storeSettings(dir, settings);
  const isOnMongo = Boolean(store.MONGO_DB_URI || settings.MONGO_DB_URI);
  return {
    PATH, HOME, LANG, ...(patience > 1 && isOnMongo && { SERVICE_PRELOAD: standstill }),
    ...Object.fromEntries(kept.map((name) => [name, process.env[name]])),
    // Folders and files of tests are theirs alone; run_user.test.mjs is about root's runs.
    RUN_USER: 'root', PORT: String(port), DATA_DIR: path.join(dir, 'data'),
    LIMIT_LOGIN_ADDRESS: '0', LIMIT_LOGIN_ACCOUNT: '0',
    LIMIT_MESSAGES_PER_SECOND: '0', LIMIT_MESSAGES_BURST: '0', LIMIT_MESSAGE_BYTES_PER_DAY: '0', LIMIT_STATUS_PER_SECOND: '0', LIMIT_MARKS_PER_SECOND: '0', LIMIT_READS_AT_ONCE: '0', LIMIT_READ_BYTES_PER_SECOND: '0', LIMIT_READ_CPU_MS: '0',
    LIMIT_PROFILE_PER_MINUTE: '0', LIMIT_AVATARS_PER_MINUTE: '0',
    ...store, ...settings,
  };
}

export class Stack {
  /** Start run.sh with `settings` in its environment, by the command `by` if given; does not wait. */
  static async spawn(settings = {}, { dir, port, by = [] } = {}) {
    const stack = new Stack();
    stack.dir = dir ?? (await mkdtemp(path.join(tmpdir(), 'parley-')));
    stack.port = port ?? (await freePort());
    stack.url = `http://localhost:${stack.port}`;
    stack.output = '';
    const env = await environment(stack.dir, stack.port, settings);
    stack.mongoUri = env.MONGO_DB_URI;
    // A test process that is killed takes its stack along.
    stack.process = spawn('setpriv', ['--pdeathsig', 'TERM', ...by, 'bash', script], {
      cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [stack.process.stdout, stack.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { stack.output += text; });
    }
    stack.ended = new Promise((resolve) => {
      stack.process.once('close', (code, signal) => { stack.exit = { code, signal }; resolve(stack.exit); });
    });
    return stack;
  }

  /** Start, and wait until it answers. */
  static async start(settings, options) {
    if (process.env.PARLEY_URL && !settings) return new GivenStack(process.env.PARLEY_URL);
    const stack = await Stack.spawn(settings, options);
    try {
      await stack.ready();
    } catch (error) {
      // A test beside this one may have drawn the same port a moment ago.
      const isTaken = !options?.port && stack.output.includes(`port ${stack.port} is in use`);
      if (!isTaken) await stack.printLogs();
      await stack.stop({ keep: isTaken && Boolean(options?.dir) });
      if (isTaken) return Stack.start(settings, options);
      throw error;
    }
    return stack;
  }

  async ready() {
    await waitUntil('the stack to be ready', () => this.exit || this.output.includes(`Parley is at ${this.url}`), { within: 30000 });
    if (this.exit) throw new Error(`run.sh ended with ${this.exit.code}`);
  }

  /** End it as Ctrl-C or systemd would; gives run.sh's exit and the milliseconds it took. */
  async stop({ signal = 'SIGTERM', keep = false } = {}) {
    const begin = Date.now();
    if (!this.exit) this.process.kill(signal);
    await this.ended;
    const took = Date.now() - begin;
    if (!keep) await rm(this.dir, { recursive: true, force: true });
    return { ...this.exit, took };
  }

  /** Processes whose command line or folder names this stack's data folder. */
  async processes() {
    const found = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const env = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      if (command.includes(this.dir) || env.includes(this.dir)) {
        found.push({ pid: Number(pid), command: command.replaceAll('\0', ' ').trim() });
      }
    }
    return found;
  }

  /** The process id of "presence1", as the supervisor wrote it down. */
  async pidOf(name) { return Number(await readFile(path.join(this.dir, 'data/run/pids', name), 'utf8')); }

  /** Where the first process of a service listens, past the gateway: what is written for Prometheus. */
  async addressOf(service) {
    const targets = JSON.parse(await readFile(path.join(this.dir, 'data/run/targets.json'), 'utf8'));
    return `http://${targets.find(({ labels }) => labels.service === service).targets[0]}`;
  }

  async logs({ tail = 6000 } = {}) {
    const folder = path.join(this.dir, 'data/run/logs');
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.log'));
    const texts = await Promise.all(names.map(async (name) =>
      `--- ${name}\n${(await readFile(path.join(folder, name), 'utf8')).slice(-tail)}`));
    return [`--- run.sh\n${this.output}`, ...texts].join('\n');
  }

  async printLogs() {
    process.stderr.write(`${await this.logs()}\n`);
  }
}

class GivenStack {
  constructor(url) {
    this.url = url.replace(/\/$/, '');
    this.port = Number(new URL(url).port || 80);
  }

  async stop() {}
  async printLogs() {}
}

/** For a test file: a stack before its tests, ended after them, its logs shown if one failed. */
export function useStack({ before, after, afterEach }, settings) {
  const holder = {};
  let failed = false;
  before(async () => { holder.stack = await Stack.start(settings); }, { timeout: patient(60000) });
  afterEach((t) => { failed ||= t.passed === false || Boolean(t.error); });
  after(async () => {
    if (failed) await holder.stack?.printLogs().catch(() => {});
    closeAll(holder.stack?.url);
    await holder.stack?.stop();
  }, { timeout: patient(30000) });
  return holder;
}
