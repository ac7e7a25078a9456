// What a request costs, in processor time of each part of the stack:  make bench-routes
//
//   REQUESTS=N    of each kind (4000; logins, which hash, an eighth of it)
//   AT_ONCE=N     clients that ask at the same time (32)
//   SOCKETS=N     of which it tells the memory (1000)
//
// Processor time is what plans a site: it hardly changes with what else the machine does. Many at once
// share commits and wake-ups, as under load; so one alone costs more. Memory is what a process has for
// itself and its part of what it shares (Pss), so that the parts can be added up. TEST_STORE=mongo: with the
// stand-in for MongoDB as the store.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Person } from '../support/api.mjs';
import { treeBytes, treeUsedMs } from '../support/process.mjs';
import { Stack } from '../support/stack.mjs';

const requests = Number(process.env.REQUESTS ?? 4000);
const atOnce = Number(process.env.AT_ONCE ?? 32);
const people = 16;
const sockets = Number(process.env.SOCKETS ?? 1000);
const parts = { gateway: 'gateway', auth: 'auth1', message: 'message1', presence: 'presence1', redis: 'redis' };

/** Processor time used so far, by part, in ms. */
async function used(stack) {
  const entries = await Promise.all(Object.entries(parts).map(async ([part, name]) => [part, await treeUsedMs(await stack.pidOf(name))]));
  return Object.fromEntries(entries);
}

/** Ask `count` times, `atOnce` at a time. */
async function repeat(count, ask) {
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const { status, text } = await ask(left);
      if (status >= 300) throw new Error(`${status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

async function measure(stack, title, count, ask) {
  await repeat(Math.min(count, 200), ask); // connections, caches
  const [before, began] = [await used(stack), performance.now()];
  await repeat(count, ask);
  const [seconds, after] = [(performance.now() - began) / 1000, await used(stack)];
  const costs = Object.keys(parts).map((part) => String(Math.round(((after[part] - before[part]) * 1000) / count)).padStart(9));
  console.log(`${title.padEnd(42)}${costs.join('')}${(count / seconds).toFixed(0).padStart(9)}`);
}

/** Bytes of SQLite's store, with all that was written moved from its log into it. */
async function storedBytes(stack) {
  const file = path.join(stack.dir, 'data/parley.db');
  await promisify(execFile)('sqlite3', [file, 'PRAGMA wal_checkpoint(TRUNCATE)']);
  return (await stat(file)).size;
}

async function showMemory(stack, title) {
  const sizes = await Promise.all(Object.values(parts).map(async (name) => treeBytes(await stack.pidOf(name))));
  console.log(`${title.padEnd(42)}${sizes.map((bytes) => (bytes / 1024 / 1024).toFixed(1).padStart(9)).join('')}`);
}

const stack = await Stack.start({ ONLINE_TTL: '86400', SOCKETS_PER_USER_MAX: String(sockets) });
try {
  const all = await Promise.all(Array.from({ length: people }, () => Person.signUp(stack.url, 'bench')));
  const [away, here] = [all.slice(0, people / 2), all.slice(people / 2)];
  const pick = (list, i) => list[i % list.length];
  const text = 'A message of the usual length, some eighty bytes: see you at the station at eight.';
  await showMemory(stack, 'MiB of memory at the start');
  console.log(`${'us of processor time a request'.padEnd(42)}${[...Object.keys(parts), 'a second'].map((word) => word.padStart(9)).join('')}`);
  await measure(stack, 'login', Math.ceil(requests / 8), (i) => pick(all, i).logIn());
  const isSqlite = !stack.mongoUri;
  const empty = isSqlite && await storedBytes(stack);
  await measure(stack, 'send, the recipient is away', requests, (i) => pick(all, i).send(pick(away, i + 1), text));
  if (isSqlite) console.log(`  the store grew by ${Math.round((await storedBytes(stack) - empty) / requests)} bytes a message`);
  await Promise.all(here.map((person) => person.connect({ transports: ['websocket'] })));
  await measure(stack, 'send, and newMessage to one socket', requests, (i) => pick(away, i).send(pick(here, i + 1), text));
  await measure(stack, 'history, a page of 50', requests, (i) => pick(away, i).history(pick(here, i + 1), '?limit=50'));
  await measure(stack, 'who am I', requests, (i) => pick(all, i).get('/api/auth/me'));
  await measure(stack, 'the status of a user', requests, (i) => pick(all, i).get(`/api/users/${pick(here, i).id}`));
  await measure(stack, `all users, ${people}`, requests, (i) => pick(all, i).get('/api/users'));
  await showMemory(stack, 'MiB of memory after it');
  await Promise.all(Array.from({ length: sockets }, (_, i) => pick(away, i).connect({ transports: ['websocket'] })));
  await showMemory(stack, `MiB with ${sockets} WebSockets more`);
  for (const person of all) person.close();
} finally {
  await stack.stop();
}
