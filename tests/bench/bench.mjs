// What a message costs Parley, beside others in the same run:  make bench
//
//   parley      as `make run` starts it: nginx, auth, message, presence, llm-responder, Redis, SQLite; its rates
//               are lifted, for all users come from one address here
//   lean        one Node process with the fastest of the usual libraries (peers/lean.mjs), bare
//   lean/nginx  the same process behind a plain nginx
//   mern        Express, mongoose and Socket.IO (peers/mern.mjs) on the stand-in for MongoDB
//   floor       kore, one handler, one insert (peers/floor.c) behind a plain nginx
//
//   ROUNDS=5     of all systems in turn; each figure is the median of the ratios within a round
//   COUNT=8000   messages and requests of a round; the slow one gets an eighth
//
// 64 users who all have a socket write to each other, 64 bytes a text. Processor time is that of all processes
// of a system, as the kernel counts it, and without the load client's, which is printed beside it. Each message
// must reach its receiver, once. The table goes to tests/bench/RESULTS.md as well.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, stat, writeFile, mkdir } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Person } from '../support/api.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { processes } from '../support/process.mjs';
import { Stack, root } from '../support/stack.mjs';
import { freePort, waitUntil } from '../support/wait.mjs';

const rounds = Number(process.env.ROUNDS ?? 5);
const count = Number(process.env.COUNT ?? 8000);
const users = 64;
const sockets = Number(process.env.SOCKETS ?? 5000);
const build = path.join(root, process.env.BUILD_DIR ?? 'build');
const peers = path.join(root, 'tests/bench/peers');
const dir = await mkdtemp(path.join(tmpdir(), 'parley-bench-'));
const running = [];

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

// ---- systems -----------------------------------------------------------------------------

/** A process and all below it. */
async function tree(pid) {
  const all = await processes();
  const found = [pid];
  for (let i = 0; i < found.length; i++) found.push(...all.filter(({ parent }) => parent === found[i]).map((child) => child.pid));
  return found;
}

const read = (pid, file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');

/** Of all threads that live, in ns as the scheduler counts them: a tick of 10 ms is a twentieth of a round of `hello`. */
async function cpuMs(pids) {
  const threads = await Promise.all(pids.map(async (pid) => (await readdir(`/proc/${pid}/task`).catch(() => [])).map((thread) => `${pid}/task/${thread}`)));
  const texts = await Promise.all(threads.flat().map((thread) => read(thread, 'schedstat')));
  return texts.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e6, 0);
}

async function privateBytes(pids) {
  const texts = await Promise.all(pids.map((pid) => read(pid, 'smaps_rollup')));
  return texts.flatMap((text) => [...text.matchAll(/^Private_(?:Clean|Dirty):\s*(\d+) kB$/gm)])
    .reduce((sum, [, kib]) => sum + Number(kib) * 1024, 0);
}

function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  running.push(child);
  child.lines = createInterface({ input: child.stdout });
  return child;
}

/** A peer that says "user ID TOKEN" for each user, and "listening". */
async function startPeer(file, env) {
  const child = start('node', [path.join(build, 'bench-peers', file)], { env: { PATH: process.env.PATH, USERS: String(users), NODE_ENV: 'production', ...env } });
  const people = [];
  for await (const line of child.lines) {
    if (line === 'listening') break;
    const [, id, token] = line.split(' ');
    people.push({ id, token });
  }
  return { pid: child.pid, people };
}

async function startNginx(name, upstream) {
  const [port, folder] = [await freePort(), path.join(dir, name)];
  await mkdir(folder);
  await writeFile(path.join(folder, 'nginx.conf'), `daemon off; worker_processes 2; pid nginx.pid; error_log error.log;
events { worker_connections 4096; }
http {
  access_log access.log; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream peer { server 127.0.0.1:${upstream}; keepalive 64; }
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://peer; proxy_http_version 1.1; proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }
  }
}
`);
  const child = start('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await answers(port);
  return { port, pid: child.pid };
}

const answers = (port) => waitUntil(`port ${port} to answer`, () => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false), { within: 30000 });

async function startFloor() {
  const [port, folder] = [await freePort(), path.join(dir, 'kore')];
  await mkdir(folder);
  await writeFile(path.join(folder, 'kore.conf'), `server main {
  bind 127.0.0.1 ${port}
  tls no
}
load ${path.join(build, 'tests/bench/peers/floor.so')}
workers 1
worker_max_connections 4096
worker_set_affinity 0
pidfile kore.pid
http_keepalive_time 600
http_header_timeout 600
http_body_max 4096
websocket_timeout 600
domain * {
  attach main
  route /hello floor_hello
  restrict /hello get
  route /socket.io/ floor_socket
  restrict /socket.io/ get
  route ^/api/messages/send/[0-9a-f]{24}$ floor_send
  restrict ^/api/messages/send/[0-9a-f]{24}$ post
}
`);
  const child = start('kore', ['-f', '-n', '-r', '-q', '-c', 'kore.conf'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'], env: { PATH: process.env.PATH, FLOOR_DB: path.join(folder, 'floor.db') } });
  await answers(port);
  const nginx = await startNginx('floor', port);
  const people = Array.from({ length: users }, (_, i) => { const id = (i + 1).toString(16).padStart(24, '0'); return { id, token: id }; });
  return { name: 'floor', port: nginx.port, roots: [nginx.pid, child.pid], people };
}

async function startParley() {
  const stack = await Stack.start({ ONLINE_TTL: '86400', SOCKETS_PER_USER_MAX: '1000', GATEWAY_REQUESTS_PER_SECOND: '0' });
  running.push({ kill: () => stack.stop() });
  const people = [];
  for (let i = 0; i < users; i++) people.push(await Person.signUp(stack.url, 'bench'));
  return {
    name: 'parley', port: stack.port, roots: [stack.process.pid], stack,
    people: people.map(({ id, cookie }) => ({ id, token: cookie.replace('jwt=', '') })),
  };
}

async function startLean() {
  const port = await freePort();
  const folder = path.join(dir, 'lean');
  await mkdir(folder);
  const { pid, people } = await startPeer('lean.mjs', { PORT: String(port), FOLDER: folder });
  const nginx = await startNginx('lean-nginx', port);
  return [{ name: 'lean', port, roots: [pid], people }, { name: 'lean/nginx', port: nginx.port, roots: [nginx.pid, pid], people }];
}

async function startMern() {
  const port = await freePort();
  const { pid, people } = await startPeer('mern.mjs', { PORT: String(port), MONGO_DB_URI: await newDatabase() });
  return { name: 'mern', port, roots: [pid], people };
}

// ---- measuring ---------------------------------------------------------------------------

/** The load client on one system; gives what it says, and the system's processor time meanwhile, in ms. */
async function measure(system, args, look = () => {}) {
  const child = spawn(path.join(build, 'tests/bench/load/load'), [system.port, ...args].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the load of ${system.name} ended`);
    return value;
  };
  for (const { id, token } of system.people) child.stdin.write(`${id} ${token}\n`);
  child.stdin.write('go\n');
  await next();
  const pids = (await Promise.all(system.roots.map(tree))).flat();
  const before = await cpuMs(pids);
  child.stdin.write('go\n');
  const result = JSON.parse(await next());
  result.cpuMs = await cpuMs(pids) - before;
  result.looked = await look(pids);
  child.stdin.end();
  await new Promise((resolve) => { child.once('close', resolve); });
  return result;
}

async function send(system, args = [], way = 'send') {
  const messages = system.name === 'mern' ? Math.ceil(count / 8) : count;
  const result = await measure(system, [way, messages, 32, ...args]);
  if (result.lost + result.doubled + result.refused + result.astray > 0) throw new Error(`${system.name}: ${JSON.stringify(result)}`);
  return { us: (result.cpuMs * 1000) / result.messages, rate: result.messages / result.seconds, p99: result.delivery.p99, own: (result.ownCpuMs * 1000) / result.messages };
}

async function get(system, url) {
  const result = await measure(system, ['get', count, 32, url]);
  if (result.refused > 0) throw new Error(`${system.name} ${url}: refused`);
  return (result.cpuMs * 1000) / result.messages;
}

// ---- what is shown -----------------------------------------------------------------------

const rows = [];
const row = (measureName, values, bar, digits = 2) => {
  const sorted = values.toSorted((a, b) => a - b);
  rows.push({ name: measureName, value: median(values).toFixed(digits), spread: `${sorted[0].toFixed(digits)} – ${sorted.at(-1).toFixed(digits)}`, bar });
};
const ratios = (a, b) => a.map((value, i) => value / b[i]);

try {
  const [parley, floor, [lean, leanBehind], mern] = await Promise.all([startParley(), startFloor(), startLean(), startMern()]);
  const systems = [parley, floor, lean, leanBehind, mern];
  const sends = new Map(systems.map(({ name }) => [name, []]));
  const gets = { hello: [], me: [], page: [] };
  const due = { parley: [], floor: [] };
  const emits = { parley: [], lean: [] };
  for (const system of systems) await send(system); // caches, and the compilers of those in JavaScript
  for (let sent = count; sent < (users * (users - 1) / 2) * 60; sent += count) await send(parley); // so that a page of 50 has 50
  for (let i = 0; i < rounds; i++) {
    for (const system of systems) sends.get(system.name).push(await send(system));
    emits.parley.push(await send(parley, [], 'emit'));
    emits.lean.push(await send(lean, [], 'emit'));
    gets.hello.push(await get(floor, '/hello'));
    gets.me.push(await get(parley, '/api/auth/me'));
    gets.page.push(await get(parley, '/api/messages/:other?limit=50'));
    // The first of a pair still has the disk busy with what came before: each is it once.
    for (const pair of [[parley, floor], [floor, parley]]) for (const system of pair) due[system.name].push((await send(system, [2000])).p99);
  }
  const cost = (name) => sends.get(name).map(({ us }) => us);
  for (const { name } of systems) {
    row(`CPU a delivered message, us: ${name}`, cost(name), '', 0);
    row(`messages a second, 32 under way: ${name}`, sends.get(name).map(({ rate }) => rate), '', 0);
  }
  row('the load client itself, us a message', sends.get('parley').map(({ own }) => own), '', 0);
  row('CPU a delivered message: parley over floor', ratios(cost('parley'), cost('floor')), '1.6');
  row('parley over lean', ratios(cost('parley'), cost('lean')), '1.15');
  row('parley over lean/nginx', ratios(cost('parley'), cost('lean/nginx')), '0.75');
  row('parley over mern', ratios(cost('parley'), cost('mern')), '0.056', 3);
  row('messages a second: parley over lean', ratios(sends.get('parley').map(({ rate }) => rate), sends.get('lean').map(({ rate }) => rate)), '0.9 at least');
  for (const [name, results] of Object.entries(emits)) {
    row(`CPU a message sent by socket, us: ${name}`, results.map(({ us }) => us), '', 0);
    row(`messages sent by socket a second: ${name}`, results.map(({ rate }) => rate), '', 0);
  }
  row('a send by socket: parley over lean', ratios(emits.parley.map(({ us }) => us), emits.lean.map(({ us }) => us)), '0.9');
  row('GET /api/auth/me over hello', ratios(gets.me, gets.hello), '3');
  row('a page of 50 over hello', ratios(gets.page, gets.hello), '5');
  row('delivery p99 at 2,000 a second: parley over floor', ratios(due.parley, due.floor), '2');

  const base = await privateBytes((await Promise.all(parley.roots.map(tree))).flat());
  const opened = await measure(parley, ['open', sockets, 64], async (pids) => { await new Promise((resolve) => { setTimeout(resolve, 15000); }); return privateBytes(pids); });
  row('an idle socket, private memory of all processes, KB', [(opened.looked - base) / sockets / 1000], '14', 1);
  row(`CPU to open ${sockets} sockets, s`, [opened.cpuMs / 1000], '2.2');
  const file = path.join(parley.stack.dir, 'data/parley.db');
  execFileSync('sqlite3', [file, 'PRAGMA wal_checkpoint(TRUNCATE)']);
  const stored = Number(execFileSync('sqlite3', [file, 'SELECT count(*) FROM messages'], { encoding: 'utf8' }));
  row(`SQLite, bytes a message of 64, of ${stored}`, [(await stat(file)).size / stored], '240', 0);

  const head = `${cpus().length} cores, ${cpus()[0].model}, load ${loadavg()[0].toFixed(2)}, ${new Date().toISOString().slice(0, 10)}, ${rounds} rounds of ${count}`;
  const lines = [`| measure | median | least – most | bar |`, '| --- | --- | --- | --- |', ...rows.map((r) => `| ${r.name} | ${r.value} | ${r.spread} | ${r.bar} |`)];
  console.log(`${head}\n\n${lines.join('\n')}`);
  if (process.env.WRITE) {
    const results = path.join(root, 'tests/bench/RESULTS.md');
    const text = await readFile(results, 'utf8');
    await writeFile(results, text.replace(/<!-- table -->[\s\S]*<!-- end -->/, `<!-- table -->\n${head}\n\n${lines.join('\n')}\n<!-- end -->`));
  }
} finally {
  for (const child of running) await child.kill();
  await rm(dir, { recursive: true, force: true });
}
process.exit();
