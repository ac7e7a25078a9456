// Does a stack stay as it was under steady load?  make soak MINUTES=60
//
//   MINUTES=60           of load that is looked at; ten minutes of it, at most a fifth, warm the stack up before
//   RATE=1000            messages a second, each of which must reach a socket, once
//   CHURN=100000         sockets that are opened and closed meanwhile
//
// A rush comes first: as many sends as get through, 64 at once, while 2,000 sockets are open. What a process
// touched at its peak it keeps, nginx's workers above all; reached by and by, that peak would look like growth.
//
// It fails if a process' anonymous memory grows by 1 MB an hour or more (the slope of all samples; judged from
// twenty minutes on, for less is noise), if a process has more open files than before once connections that were
// kept have timed out, beside a few that it opens when it first needs them (those of the thread that empties
// SQLite's log), if a log has a warning, or if a message is lost.
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Person } from '../support/api.mjs';
import { processes } from '../support/process.mjs';
import { Stack, root } from '../support/stack.mjs';

const minutes = Number(process.env.MINUTES ?? 60);
const rate = Number(process.env.RATE ?? 1000);
const churn = Number(process.env.CHURN ?? Math.round((100000 / 60) * minutes));
const people = 64;
const sampleEverySeconds = Math.max(1, minutes / 6);
const warmMinutes = Math.min(10, minutes / 5);
const bytesAnHourMax = 1e6;
const judgedFromMinutes = 20;
const filesOnce = 8;
const [rushSends, rushSockets] = [20000, 2000];
const load = path.join(root, process.env.BUILD_DIR ?? 'build', 'tests/bench/load/load');

/** The load client at work: `ready` once it may begin, `result` what it says in the end. */
class Load {
  constructor(stack, all, args) {
    this.process = spawn(load, [stack.port, ...args].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    for (const person of all) this.process.stdin.write(`${person.id} ${person.cookie.replace('jwt=', '')}\n`);
    this.process.stdin.write('go\n');
  }

  async line() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the load client ended');
    return value;
  }

  async ready() { await this.line(); }
  async run() { this.process.stdin.write('go\n'); return JSON.parse(await this.line()); }
  stop() { this.process.stdin.end(); }
}

/** Bring each process to its peak. */
async function rush(stack, writers, comers) {
  const all = [new Load(stack, writers, ['send', rushSends, 64]), new Load(stack, comers, ['open', rushSockets, 256])];
  await Promise.all(all.map((one) => one.ready()));
  await Promise.all(all.map((one) => one.run()));
  for (const one of all) one.stop();
}

/** Each process below run.sh that lives on, by name and id. */
async function parts(stack) {
  const all = await processes();
  const within = new Set([stack.process.pid]);
  for (let before = 0; before !== within.size;) {
    before = within.size;
    for (const { pid, parent } of all) if (within.has(parent)) within.add(pid);
  }
  const named = await Promise.all([...within].map(async (pid) => {
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
    return { pid, name };
  }));
  return named.filter(({ name }) => name && !/^(bash|sleep|setpriv|node)$/.test(name));
}

async function look({ pid, name }) {
  const [rollup, files] = await Promise.all([readFile(`/proc/${pid}/smaps_rollup`, 'utf8'), readdir(`/proc/${pid}/fd`)]);
  // Pages of files, as of the program itself, become private or shared as other stacks on this machine end and begin.
  const kib = Number(/^Anonymous:\s*(\d+) kB$/m.exec(rollup)[1]);
  return { pid, name, at: performance.now() / 3.6e6, bytes: kib * 1024, files: files.length };
}

/** Bytes an hour by which samples grow: the slope of the line that lies closest to them. */
function slope(samples) {
  const mean = (of) => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [at, bytes] = [mean((s) => s.at), mean((s) => s.bytes)];
  const spread = mean((s) => (s.at - at) ** 2);
  return spread ? mean((s) => (s.at - at) * (s.bytes - bytes)) / spread : 0;
}

/** Each process once it has no more files open than before; after two minutes in any case. */
async function settled(before) {
  for (const end = Date.now() + 120000; ;) {
    const after = await Promise.all(before.map(look));
    if (after.every(({ files }, i) => files <= before[i].files + filesOnce) || Date.now() > end) return after;
    await sleep(2);
  }
}

const sleep = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
const stack = await Stack.start({ ONLINE_TTL: '86400', SOCKETS_PER_USER_MAX: '1000' });
const wrong = [];
try {
  const all = [];
  for (let i = 0; i < 2 * people; i++) all.push(await Person.signUp(stack.url, 'soak'));
  const [writers, comers] = [all.slice(0, people), all.slice(people)];
  const before = await Promise.all((await parts(stack)).map(look));
  await rush(stack, writers, comers);
  const seconds = minutes * 60;
  const sending = new Load(stack, writers, ['send', Math.round(rate * seconds), 64, rate]);
  const coming = new Load(stack, comers, ['churn', churn, 256, churn / seconds]);
  await Promise.all([sending.ready(), coming.ready()]);
  const began = Date.now();
  let isOver = false;
  const samples = new Map(before.map(({ pid }) => [pid, []]));
  const done = Promise.all([sending.run(), coming.run()]).finally(() => { isOver = true; });
  while (!isOver) {
    await Promise.race([done, sleep(sampleEverySeconds)]);
    if (Date.now() - began < warmMinutes * 60000 || isOver) continue;
    for (const part of before) samples.get(part.pid).push(await look(part));
  }
  const [sent, came] = await done;
  sending.stop();
  coming.stop();
  const after = await settled(before);
  console.log(`sent ${JSON.stringify(sent)}\nsockets ${JSON.stringify(came)}\n`);
  console.log(`${'process'.padEnd(24)}${['MB before', 'MB after', 'MB an hour', 'files before', 'after'].map((word) => word.padStart(14)).join('')}`);
  for (const [i, part] of before.entries()) {
    const growth = slope(samples.get(part.pid));
    console.log(`${`${part.name} ${part.pid}`.padEnd(24)}${[part.bytes / 1e6, after[i].bytes / 1e6, growth / 1e6].map((mb) => mb.toFixed(2).padStart(14)).join('')}${String(part.files).padStart(14)}${String(after[i].files).padStart(14)}`);
    if (growth >= bytesAnHourMax && minutes >= judgedFromMinutes) wrong.push(`${part.name} grows by ${(growth / 1e6).toFixed(2)} MB an hour`);
    if (after[i].files > part.files + filesOnce) wrong.push(`${part.name} has ${after[i].files - part.files} more open files`);
  }
  if (sent.lost > 0) wrong.push(`${sent.lost} messages were lost`);
  if (sent.doubled || sent.astray || sent.refused) wrong.push('a message was refused, came twice, or to somebody else');
  const warnings = (await stack.logs({ tail: 1e9 })).split('\n').filter((line) => /"lvl":"(?:warn|error)"/.test(line));
  for (const line of warnings.slice(0, 5)) console.log(line);
  if (warnings.length > 0) wrong.push(`${warnings.length} warnings`);
} finally {
  await stack.stop();
}
for (const text of wrong) console.log(`FAIL ${text}`);
if (wrong.length === 0) console.log('nothing grows, nothing is lost');
process.exitCode = wrong.length > 0 ? 1 : 0;
