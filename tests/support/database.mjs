// What only the embedded store sees, and what auth says of its own times.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Made by bcryptjs 3, as the MERN app does: hashSync(password, 10), of api.mjs' password. */
export const bcryptHash = '$2b$10$R5kXp3l7iE6IwZplB44DQuLcU6wDJEa/r77QTGXqFfWlUcsOgZqny';

/** What one SQL statement says of a stack's store. */
export function query(stack, sql) {
  const file = path.join(stack.dir, 'data/parley.db');
  return execFileSync('sqlite3', ['-cmd', '.timeout 10000', file, sql], { encoding: 'utf8' }).trim();
}

/** Take the store's write lock, as a program of someone else's would; release() gives it back. */
export async function holdDatabase(stack) {
  const shell = spawn('sqlite3', ['-cmd', '.timeout 10000', path.join(stack.dir, 'data/parley.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.write('BEGIN EXCLUSIVE;\nSELECT 1;\n');
  await once(shell.stdout, 'data');
  return {
    async release() {
      shell.stdin.end('ROLLBACK;\n');
      await once(shell, 'close');
    },
  };
}

/** At whole multiples of which auth answers logins that fail. */
export async function failurePeriodMs(stack) {
  const log = await readFile(path.join(stack.dir, 'data/run/logs/auth1.log'), 'utf8');
  return Number(/"period_ms":(\d+)/.exec(log)[1]);
}
