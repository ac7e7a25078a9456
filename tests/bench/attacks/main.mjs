// Does anybody notice an attack?  make attacks
//
//   SECONDS_EACH=4   of each round of an attack, with half as much of quiet before and after
//   ROUNDS=7         of an attack at most; three if these agree
//   ONLY=watch       those with that in their names
//   BUSY_MACHINE=1   on a machine that others work on, too: the attack goes on beside them
//
// The stack runs with its default limits, each process with the memory that its package allows (groups.mjs).
// Others (others.mjs) send, read, and hear events all the time. An attack fails if a process is another one
// afterwards, if the kernel ended one for its memory or one held more than it may, if one of their requests
// fails, or if the p99 of what they wait for is more than twice that of the quiet around it: in the median round, and
// of all waits of all rounds together, too. Below the rounds: both ratios; how far apart two quiets in a row were,
// which is the noise; and ms of a processor a second that each process takes, in quiet and in the attack.
//
// Noise: an attacker has a machine of their own. Here their clients are on that of the stack, and what they take of
// its processors is no harm that a server does or could mend. With two processors others waited up to 1.6 times as
// long for clients that asked a server of their own: "nothing of ours", which stays the first attack and shows what
// is left of it. So the attackers' clients have what the stack and the others leave of the processors (groups, by
// root alone), and the others what they want of them. What is asked still costs the stack all that it costs. Is that
// enough for an attack? Its counts say so. Quiet and attack take turns, and each round is compared with the quiet
// right before and after it, which is as long as it in all. A p99 of one round is its few longest waits, and one
// standstill of the machine is several of them: so others are many and none is at their limits, a round says
// nothing if its two quiets are further apart than an attack may be from them (marked, and not counted if three
// others are left), and there are three rounds, and two more as long as the rounds do not agree. Neither one lucky
// round nor one unlucky one decides. What a limit lets through at once, such as the first log-ins of a user, shows in
// the first round most; a user has a part of it again in the next.
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Person } from '../../support/api.mjs';
import { storeManyUsers } from '../../support/database.mjs';
import { processes, usedMs } from '../../support/process.mjs';
import { Stack } from '../../support/stack.mjs';
import { waitUntil } from '../../support/wait.mjs';
import { Groups, isBusyMachine, kindOf } from './groups.mjs';
import { kinds, ofMany } from './kinds.mjs';

const ms = Number(process.env.SECONDS_EACH ?? 4) * 1000;
const roundsMost = Number(process.env.ROUNDS ?? 7);
const roundsLeast = Math.min(3, roundsMost);
const ratioMax = 2;
const manyUsers = 50000;
const pairCount = 15;
const [MB, KiB] = [1e6, 1024];
const lifted = ['LIMIT_LOGIN_ADDRESS', 'LIMIT_LOGIN_ACCOUNT', 'LIMIT_MESSAGES_PER_SECOND', 'LIMIT_MESSAGES_BURST', 'LIMIT_MESSAGE_BYTES_PER_DAY',
  'LIMIT_STATUS_PER_SECOND', 'LIMIT_MARKS_PER_SECOND', 'LIMIT_READS_AT_ONCE', 'LIMIT_READ_BYTES_PER_SECOND', 'LIMIT_READ_CPU_MS'];
const groups = new Groups();
groups.prefer('others', process.pid);
const sleep = (time) => new Promise((resolve) => { setTimeout(resolve, time); });
const child = (name, who) => {
  const one = fork(new URL(name, import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  groups.prefer(who, one.pid);
  return one;
};
/** What a child says next. */
const told = async (other) => {
  const abort = new AbortController();
  const end = once(other, 'exit', { signal: abort.signal }).then(() => { throw new Error('it ended'); });
  try { return (await Promise.race([once(other, 'message', { signal: abort.signal }), end]))[0]; } finally { abort.abort(); end.catch(() => {}); }
};

/** Each process of the stack that lives on, by name: ids of the first and of all below it. */
async function family(stack) {
  const all = await processes();
  const folder = path.join(stack.dir, 'data/run/pids');
  const found = {};
  for (const name of (await readdir(folder)).sort()) {
    const ids = [Number(await readFile(path.join(folder, name), 'utf8'))];
    for (let i = 0; i < ids.length; i++) ids.push(...all.filter(({ parent }) => parent === ids[i]).map(({ pid }) => pid));
    found[name] = ids;
  }
  return found;
}
const firsts = (found) => Object.fromEntries(Object.entries(found).map(([name, [pid]]) => [name, pid]));

const sql = (stack, input) => execFileSync('sqlite3', ['-cmd', '.timeout 20000', path.join(stack.dir, 'data/parley.db')],
  { input, encoding: 'utf8', maxBuffer: 1e8 }).trim();
let stored = 0;

/** Messages as if they had been sent: [sender, receiver] of each, oldest first, the last one a second ago. */
function storeMessages(stack, count, bytes, senderOf, receiver) {
  const begin = Date.now() - 1000 - count;
  const rows = Array.from({ length: count }, (_, i) => `(x'${Math.floor(begin / 1000).toString(16).padStart(8, '0')}${(++stored).toString(16).padStart(16, '0')}',`
    + `x'${senderOf(i)}',x'${receiver}',lower(hex(randomblob(${bytes / 2}))),${begin + i})`);
  sql(stack, `BEGIN; INSERT INTO messages (id, sender, receiver, text, created) VALUES ${rows.join(',\n')};`
    + `INSERT OR IGNORE INTO correspondents (user, other) SELECT DISTINCT receiver, sender FROM messages WHERE receiver = x'${receiver}';`
    + `INSERT OR IGNORE INTO correspondents (user, other) SELECT DISTINCT sender, receiver FROM messages WHERE receiver = x'${receiver}'; COMMIT;`);
  return begin;
}

const idsOf = (stack, count) => sql(stack, `SELECT lower(hex(id)) FROM users WHERE username LIKE 'many-%' LIMIT ${count}`).split('\n');

/** All who are there, and what attacks need in the store. */
async function prepare(stack) {
  let serial = 0;
  const signUp = async (name) => {
    const address = `198.51.100.${++serial}`;
    const person = await Person.signUp(stack.url, name, {}, { 'x-forwarded-for': address });
    return { id: person.id, cookie: person.cookie, username: person.user.username, address };
  };
  const pairs = [];
  for (let i = 0; i < pairCount; i++) pairs.push([await signUp('ann'), await signUp('bob')]);
  const eves = [];
  for (let i = 0; i < 6; i++) eves.push(await signUp('eve'));
  const reader = await signUp('reader');
  const receivers = [];
  for (let i = 0; i < 4; i++) receivers.push(await signUp('receiver'));
  storeManyUsers(stack, manyUsers);
  const many = idsOf(stack, 3000);
  storeMessages(stack, 450, 64000, () => eves[5].id, reader.id);
  const before = storeMessages(stack, 430, 64000, () => eves[5].id, eves[0].id);
  for (const eve of eves.slice(1, 3)) storeMessages(stack, 400, 1000, (i) => many[i], eve.id);
  return {
    pairs, given: {
      port: stack.port, eves, receivers, before, many, victims: pairs.map(([, bob]) => bob.id), longWith: eves[5].id, longReader: reader.cookie,
    },
  };
}

const p99 = (times) => [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? NaN;
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const waits = ['send', 'event', 'history', 'me'];

/** ms of a processor a second that each process of the stack took during `work`, by name. */
async function usedDuring(found, work) {
  const used = async () => Object.fromEntries(await Promise.all(Object.entries(found).map(async ([name, ids]) => {
    const each = await Promise.all(ids.map((pid) => usedMs(pid).catch(() => 0)));
    return [name, each.reduce((sum, one) => sum + one, 0)];
  })));
  const [before, begin] = [await used(), performance.now()];
  await work();
  const [after, seconds] = [await used(), (performance.now() - begin) / 1000];
  return Object.fromEntries(Object.keys(found).map((name) => [name, (after[name] - before[name]) / seconds]));
}

/** What others wait for, for a time, and what that took of the processors. */
async function measure({ others, stack }, time) {
  let times;
  const used = await usedDuring(await family(stack), async () => { others.send({ measure: time }); times = await told(others); });
  return { ...times, used };
}

/** One round of an attack, after `quiet`; gives what happened, what of it may not, and the quiet after it. */
async function attack(kind, { stack, groups, given, quiet, ...means }) {
  const before = await family(stack);
  const attacker = child('./attacker.mjs', 'attackers');
  attacker.send({ kind, given });
  await sleep(300);
  groups.peaks = {};
  let isOver = false;
  const watched = (async () => { while (!isOver) { await groups.sample(firsts(before)); await sleep(100); } })();
  const loud = await measure({ stack, ...means }, ms);
  isOver = true;
  await watched;
  attacker.send({});
  const counts = await told(attacker);
  await sleep(500);
  const calm = await measure({ stack, ...means }, ms / 2);
  const after = await family(stack);
  const wrong = [];
  for (const name of Object.keys(before)) {
    if (String(before[name]) !== String(after[name])) wrong.push(`${name} was ${before[name]}, is ${after[name]}`);
    if (groups.peaks[name] > groups.limits[kindOf(name)]) wrong.push(`${name} held ${groups.peaks[name]} bytes`);
    if (groups.kills(kindOf(name)) > 0) wrong.push(`${name} had no memory left`);
  }
  if (loud.failed.length > 0) wrong.push(`${loud.failed.length} failed: ${loud.failed[0]}`);
  const times = waits.map((what) => {
    const [first, last, both] = [quiet[what], calm[what], [...quiet[what], ...calm[what]]].map(p99);
    return { what, quiet: both, loud: p99(loud[what]), isNoisy: Math.max(first, last) > ratioMax * Math.min(first, last) };
  });
  return { times, counts, wrong, peaks: { ...groups.peaks }, waited: { quiet, calm, loud }, calm, used: { quiet: calm.used, loud: loud.used } };
}

/** How many times as long as in quiet one waited for `what`: in each round that says something. */
function ratiosOf(rounds, what) {
  const all = rounds.map(({ times }) => times.find((one) => one.what === what));
  const calm = all.filter(({ isNoisy }) => !isNoisy);
  return (calm.length >= roundsLeast ? calm : all).map(({ quiet, loud }) => loud / quiet);
}

/** The same of all waits of all rounds together. */
function ratioOfAll(rounds, what) {
  const all = (...when) => p99(rounds.flatMap(({ waited }) => when.flatMap((one) => waited[one][what])));
  return all('loud') / all('quiet', 'calm');
}

/** How many times as long one waited in the longer of two quiets in a row. */
const noiseOf = (rounds, what) => median(rounds.map(({ waited: { quiet, calm } }) => {
  const [first, last] = [quiet, calm].map((times) => p99(times[what]));
  return Math.max(first, last) / Math.min(first, last);
}));

/** Whether another round could say something new: they do not agree, or too few say anything. */
const isOpen = (rounds) => rounds.length < roundsLeast || waits.some((what) => {
  const slow = ratiosOf(rounds, what).filter((ratio) => !(ratio <= ratioMax)).length;
  const counted = rounds.filter(({ times }) => !times.find((one) => one.what === what).isNoisy).length;
  return slow > 0 && (slow < ratiosOf(rounds, what).length || counted < roundsLeast);
});

/** Rounds of an attack, each shown by `show`. */
async function attackInRounds(kind, show, means) {
  const rounds = [];
  let quiet = await measure(means, ms / 2);
  while (rounds.length < roundsMost && (rounds.length % 2 === 0 || isOpen(rounds))) {
    const round = await attack(kind, { ...means, quiet });
    quiet = round.calm;
    rounds.push(round);
    show(round, rounds.length);
    if (round.wrong.length > 0) break;
  }
  return rounds;
}

const dir = mkdtempSync(path.join(isBusyMachine ? '/dev/shm' : tmpdir(), 'parley-attacks-'));
groups.writeStarter(path.join(dir, 'bin'));
process.env.PATH = `${path.join(dir, 'bin')}:${process.env.PATH}`;
const failed = [];
let stack, others;
try {
  stack = await Stack.start({ ...Object.fromEntries(lifted.map((name) => [name, undefined])), GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1', MONGO_DB_URI: '' }, { dir });
  const { pairs, given } = await prepare(stack);
  others = child('./others.mjs', 'others');
  groups.putFirst(others.pid);
  others.send({ open: { url: stack.url, port: stack.port, pairs } });
  await told(others);
  await measure({ others, stack }, 1500);
  await waitUntil('everybody to be findable', async () => {
    await fetch(`${stack.url}/api/users?q=nobodyatall`, { headers: { cookie: pairs[0][0].cookie } });
    return sql(stack, 'SELECT (SELECT count(*) FROM people) = (SELECT count(*) FROM users)') === '1';
  }, { within: 120000 });
  const names = Object.keys(firsts(await family(stack))).filter((name) => groups.limits[kindOf(name)]);
  console.log(groups.areReal ? 'Memory is limited by control groups.' : 'No control groups: memory is looked at, ten times a second.');
  console.log(`MB at most: ${names.map((name) => `${name} ${Math.round(groups.limits[kindOf(name)] / KiB / KiB)} MiB`).join(', ')}\n`);
  console.log(`${'attack'.padEnd(28)}${waits.map((what) => `p99 ${what}`.padStart(16)).join('')}   ${names.map((name) => name.slice(0, 8).padStart(9)).join('')}`);
  for (const kind of Object.keys(kinds).filter((name) => name.includes(process.env.ONLY ?? ''))) {
    const show = ({ times, peaks, counts }, round) => console.log(
      `${(round > 1 ? `  round ${round}` : kind).padEnd(28)}${times.map(({ quiet, loud, isNoisy }) => `${quiet.toFixed(1)} > ${loud.toFixed(1)}${isNoisy ? '?' : ' '}`.padStart(16)).join('')}   `
      + `${names.map((name) => (peaks[name] / MB).toFixed(0).padStart(9)).join('')}   ${JSON.stringify(counts)}`);
    const rounds = await attackInRounds(kind, show, { stack, groups, others, given });
    const ratios = waits.map((what) => ({ what, median: median(ratiosOf(rounds, what)), all: ratioOfAll(rounds, what), noise: noiseOf(rounds, what) }));
    const showRatios = (name, which) => console.log(`${`  ${name}`.padEnd(28)}${ratios.map((one) => `${one[which].toFixed(2)} `.padStart(16)).join('')}`);
    showRatios('median', 'median');
    showRatios('of all waits', 'all');
    showRatios('quiet, twice', 'noise');
    const took = (name, when) => median(rounds.map(({ used }) => used[when][name])).toFixed(0);
    console.log(`${'  ms of a processor a second'.padEnd(28 + 64)}   ${names.map((name) => `${took(name, 'quiet')}>${took(name, 'loud')}`.padStart(9)).join('')}`);
    const slow = ofMany.includes(kind) ? [] : ratios.filter((one) => !(one.median <= ratioMax || one.all <= ratioMax));
    const wrong = [...rounds.at(-1).wrong, ...slow.map((one) => `p99 of ${one.what} was ${one.median.toFixed(1)} times that of quiet`)];
    if (wrong.length > 0) failed.push(`${kind}: ${wrong.join('; ')}`);
  }
  console.log(`\nprocesses ${JSON.stringify(firsts(await family(stack)))}, all as at the beginning unless told`);
} finally {
  others?.kill();
  if (failed.length > 0 && process.env.LOGS) await stack?.printLogs();
  await stack?.stop();
  groups.remove();
}
for (const text of failed) console.log(`FAIL ${text}`);
if (failed.length === 0) console.log('nobody noticed');
process.exitCode = failed.length > 0 ? 1 : 0;
