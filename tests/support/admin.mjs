// parley-admin on the store of a stack, as an operator types it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { root } from './stack.mjs';
import { withDeadline } from './wait.mjs';

export const program = path.resolve(root, process.env.BUILD_DIR ?? 'build', 'parley-admin');

/** Its environment for a stack that runs, or that did. */
export const settingsOf = (stack) => ({
  DATA_DIR: path.join(stack.dir, 'data'), REDIS_URL_FILE: path.join(stack.dir, 'data/run/redis.url'),
  ...(stack.mongoUri && { MONGO_DB_URI: stack.mongoUri }),
});

/** Run it: { code, out, errors }. `input` becomes its standard input. */
export async function runAdmin(settings, args, input = '', by = []) {
  const [command, ...rest] = [...by, program, ...args];
  const child = spawn(command, rest, { env: { PATH: process.env.PATH, MONGOC_DISABLE_SHM: '1', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...settings } });
  const run = { out: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => { run.out += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { run.errors += text; });
  child.stdin.on('error', () => {}); // it may have ended by then
  child.stdin.end(input);
  [run.code] = await withDeadline(`parley-admin ${args[0]}`, once(child, 'close'), 30000);
  return run;
}

export const admin = (stack, ...args) => runAdmin(settingsOf(stack), args);

/** The same, where it must be done; gives what is on standard output, without the last newline. */
export async function adminDone(stack, ...args) {
  const { code, out, errors } = await admin(stack, ...args);
  if (code !== 0) throw new Error(`parley-admin ${args.join(' ')}: ${code} ${errors}`);
  return out.replace(/\n$/, '');
}
