// A server that speaks MongoDB's wire protocol: mongo-java-server (tests/support/mongo), on a free
// port of the loopback. It dies with the test process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { withDeadline } from './wait.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'mongo/serve.sh');

export class MongoServer {
  /** In memory, or in `file`, where stop() loses nothing and kill() the last 10 ms. */
  constructor({ file } = {}) {
    this.file = file;
    this.port = 0; // drawn at the first start, then kept
  }

  static async start(options) {
    const server = new MongoServer(options);
    await server.start();
    return server;
  }

  async start() {
    const args = ['--pdeathsig', 'KILL', 'bash', script, String(this.port)];
    this.process = spawn('setpriv', this.file ? [...args, this.file] : args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = once(this.process, 'close');
    let errors = '';
    this.process.stderr.setEncoding('utf8').on('data', (text) => { errors += text; });
    const said = new Promise((resolve) => {
      let output = '';
      this.process.stdout.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (output.includes('\n')) resolve(output);
      });
    });
    const line = await withDeadline('the MongoDB stand-in to start', Promise.race([said, this.ended.then(() => '')]), 30000);
    const [, port] = /^listening on (\d+)\n/.exec(line) ?? [];
    if (!port) throw new Error(`the MongoDB stand-in does not start (make build/mongo/ready makes it): ${errors}`);
    this.port = Number(port);
    // A test process may end while it runs.
    for (const handle of [this.process, this.process.stdout, this.process.stderr]) handle.unref();
  }

  uri(database) { return `mongodb://127.0.0.1:${this.port}/${database}`; }
  pause() { this.process.kill('SIGSTOP'); }
  resume() { this.process.kill('SIGCONT'); }
  stop() { return this.#end('SIGTERM'); }
  kill() { return this.#end('SIGKILL'); }

  async #end(signal) {
    this.process.kill(signal);
    await withDeadline('the MongoDB stand-in to end', this.ended, 30000);
  }
}

let shared;
let databases = 0;

/** The address of a new database on the one server that this test process keeps. */
export async function newDatabase() {
  shared ??= MongoServer.start();
  return (await shared).uri(`parley${++databases}`);
}
