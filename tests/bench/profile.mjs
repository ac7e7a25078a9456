// Where the processor time of a request goes:  make profile
//
//   COUNT=8000    sends, /me and pages; AT_ONCE=32 of them under way
//   SOCKETS=2000  sockets that are opened
//   TOP=8         functions that are listed below each table; 0: none
//
// One table each for a send, GET /api/auth/me, a page of 50 and an opened socket: microseconds of
// processor time, by process (lines) and by whose code it is (columns), from samples of perf, which
// counts the time in the kernel as well. It needs the right to do so (root, or perf_event_paranoid 1 or
// less). Without perf there are two columns, from /proc: the kernel's, and all others'.
import { execFile, spawn } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Person } from '../support/api.mjs';
import { treeOf } from '../support/process.mjs';
import { Stack, root } from '../support/stack.mjs';

const run = promisify(execFile);
const count = Number(process.env.COUNT ?? 8000);
const atOnce = Number(process.env.AT_ONCE ?? 32);
const sockets = Number(process.env.SOCKETS ?? 2000);
const top = Number(process.env.TOP ?? 8);
const build = path.join(root, process.env.BUILD_DIR ?? 'build');
const parts = { gateway: 'gateway', auth: 'auth1', message: 'message1', presence: 'presence1', redis: 'redis' };
const samplesASecond = 4999; // not in step with a timer

/** Whose code a file's is; the first that fits. */
const kinds = [
  ['kernel', /^\[/],
  ['libc', /^(libc|ld-linux|libm|libpthread)[.-]/],
  ['nginx', /^nginx$/],
  ['Lua', /lua/i],
  ['pcre', /^libpcre/],
  ['SQLite', /^libsqlite3/],
  ['kore', /^kore$/],
  ['own', /^(auth|message|presence|llm-responder)\.so$|^(libparley|parley)/],
  ['crypto', /^lib(crypto|ssl|sodium|jwt)/],
  ['redis', /^redis/],
  ['other', /./],
];
const kindOf = (file) => kinds.find(([, pattern]) => pattern.test(file))[0];

const hasPerf = await run('perf', ['record', '-q', '-e', 'cpu-clock', '-o', '/dev/null', '--', 'true']).then(() => true, () => false);

// ---- one load, watched ---------------------------------------------------------------------

/** Pids by part: what of the stack works on requests. */
async function pidsOf(stack) {
  const entries = await Promise.all(Object.entries(parts).map(async ([part, name]) => [part, await treeOf(await stack.pidOf(name))]));
  return Object.fromEntries(entries);
}

const threadsOf = async (pid) => (await readdir(`/proc/${pid}/task`)).map(Number);

/** A sampler of these processes, once it is at work; gives where it has written when it is asked to end. */
async function sample(pids, file) {
  const child = spawn('perf', ['record', '-q', '-e', 'cpu-clock', '-F', samplesASecond, '-o', file, '-p', pids.join(','), '--', 'sleep', '600'].map(String), { stdio: 'ignore' });
  await new Promise((resolve) => { setTimeout(resolve, 1000); });
  return () => new Promise((resolve) => {
    child.once('close', resolve);
    child.kill('SIGINT');
  });
}

/** The load client's answer; `watch` gives a function that ends the watching. */
async function load(port, people, args, watch) {
  const child = spawn(path.join(build, 'tests/bench/load/load'), [port, ...args].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  for (const { id, cookie } of people) child.stdin.write(`${id} ${cookie.replace('jwt=', '')}\n`);
  child.stdin.write('go\n');
  await lines.next();
  const end = await watch();
  child.stdin.write('go\n');
  const { value, done } = await lines.next();
  await end();
  child.stdin.end();
  if (done) throw new Error('the load client ended');
  return JSON.parse(value);
}

// ---- tables --------------------------------------------------------------------------------

const addTo = (sums, key, value) => sums.set(key, (sums.get(key) ?? 0) + value);

/** Microseconds by part and kind, and by function, from what perf wrote. */
async function readSamples(file, partOf) {
  const { stdout } = await run('perf', ['report', '-i', file, '--stdio', '-g', 'none', '--show-total-period', '--sort', 'pid,dso,sym', '-t', ';'], { maxBuffer: 1 << 28 });
  const table = new Map();
  const functions = new Map();
  for (const line of stdout.split('\n')) {
    // share; period in ns; thread:name; file; [k] function
    const [, period, who, dso, name] = line.split(';').map((field) => field.trim());
    const part = who && partOf.get(Number.parseInt(who, 10));
    if (!part) continue;
    const kind = kindOf(path.basename(dso));
    addTo(table, `${part} ${kind}`, Number(period) / 1000);
    addTo(functions, `${part}: ${kind} ${name.replace(/^\[.\] /, '')}`, Number(period) / 1000);
  }
  return { table, functions };
}

/** Microseconds by part, the kernel's and others'. */
async function readTimes(pids) {
  const table = new Map();
  for (const [part, list] of Object.entries(pids))
    for (const pid of list) {
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
      addTo(table, `${part} user`, Number(fields[11]) * 10000);
      addTo(table, `${part} kernel`, Number(fields[12]) * 10000);
    }
  return table;
}

function print(title, table, functions, requests) {
  const each = (sum) => sum / requests;
  const columns = [...kinds.map(([kind]) => kind), 'user'].filter((kind) => Object.keys(parts).some((part) => each(table.get(`${part} ${kind}`) ?? 0) >= 0.05));
  const cell = (value) => value.toFixed(1).padStart(8);
  console.log(`\n${title}, us\n${''.padEnd(10)}${[...columns, 'all'].map((word) => word.padStart(8)).join('')}`);
  const line = (name, of) => {
    const values = columns.map((kind) => each(of.reduce((sum, part) => sum + (table.get(`${part} ${kind}`) ?? 0), 0)));
    const sum = values.reduce((a, b) => a + b, 0);
    if (sum >= 0.05) console.log(`${name.padEnd(10)}${values.map(cell).join('')}${cell(sum)}`);
  };
  for (const part of Object.keys(parts)) line(part, [part]);
  line('all', Object.keys(parts));
  for (const [name, sum] of [...functions].toSorted((a, b) => b[1] - a[1]).slice(0, top)) console.log(`  ${each(sum).toFixed(1).padStart(6)}  ${name}`);
}

async function profile(stack, people, title, args, requests) {
  const pids = await pidsOf(stack);
  const threads = Object.fromEntries(await Promise.all(Object.entries(pids).map(async ([part, list]) => [part, (await Promise.all(list.map(threadsOf))).flat()])));
  const partOf = new Map(Object.entries(threads).flatMap(([part, list]) => list.map((thread) => [thread, part])));
  const file = path.join(stack.dir, 'perf.data');
  let before;
  let after;
  await load(stack.port, people, args, async () => {
    if (hasPerf) return sample(Object.values(pids).flat(), file);
    before = await readTimes(pids);
    return async () => { after = await readTimes(pids); };
  });
  if (hasPerf) {
    const { table, functions } = await readSamples(file, partOf);
    print(title, table, functions, requests);
    await rm(file);
  } else {
    print(title, new Map([...after].map(([key, value]) => [key, value - (before.get(key) ?? 0)])), new Map(), requests);
  }
}

const stack = await Stack.start({ ONLINE_TTL: '86400', SOCKETS_PER_USER_MAX: '1000', GATEWAY_REQUESTS_PER_SECOND: '0' });
try {
  const people = await Promise.all(Array.from({ length: 64 }, () => Person.signUp(stack.url, 'bench')));
  if (!hasPerf) console.log('perf is not here, or may not look: the kernel and all others alone');
  await profile(stack, people, 'a send, and newMessage to one socket', ['send', count, atOnce], count);
  await profile(stack, people, 'GET /api/auth/me', ['get', count, atOnce, '/api/auth/me'], count);
  const few = people.slice(0, 8); // whose conversations are long enough
  await load(stack.port, few, ['send', 50 * 8 * 8, atOnce], async () => () => {});
  await profile(stack, few, 'a page of 50', ['get', count, atOnce, '/api/messages/:other?limit=50'], count);
  await profile(stack, people, 'an opened socket', ['open', sockets, atOnce], sockets);
} finally {
  await stack.stop();
}
