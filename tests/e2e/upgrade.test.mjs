// Every process is replaced by one of a newer build, one after the other, while people chat.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Person } from '../support/api.mjs';
import { processOf } from '../support/processes.mjs';
import { Stack, root } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const DRAIN_SECONDS = 2;
const programs = ['auth.so', 'message.so', 'presence.so', 'llm-responder', 'gateway-follow'];
const from = process.env.BUILD_DIR ?? path.join(root, 'build');
let stack, build;
const people = [];
const signUp = async (name) => { const p = await Person.signUp(stack.url, name); people.push(p); return p; };

/** Put a program where the run looks for it, as make does: what has the old one open keeps it. */
const install = async (name, source = path.join(from, name)) => {
  await copyFile(source, path.join(build, `${name}.new`));
  await rename(path.join(build, `${name}.new`), path.join(build, name));
};

before(async () => {
  build = await mkdtemp(path.join(tmpdir(), 'parley-build-'));
  for (const name of programs) await install(name);
  stack = await Stack.start({ BUILD_DIR: build, PRESENCE_PROCESSES: '2', MESSAGE_PROCESSES: '2', DRAIN_SECONDS: String(DRAIN_SECONDS) });
}, { timeout: patient(60000) });
let failed = false;
afterEach((t) => { failed ||= t.passed === false || Boolean(t.error); for (const p of people.splice(0)) p.close(); });
after(async () => {
  if (failed) await stack?.printLogs();
  await stack?.stop();
  await rm(build, { recursive: true, force: true });
}, { timeout: patient(30000) });

const run = (file) => path.join(stack.dir, 'data/run', file);
/** Runs upgrade.sh to its end. */
const upgrade = () => promisify(execFile)(path.join(root, 'deploy/local/upgrade.sh'),
  { env: { PATH: process.env.PATH, DATA_DIR: path.join(stack.dir, 'data') }, timeout: patient(120000) });
/** Process ids by name; not of one that goes at this moment. */
const pids = async () => Object.fromEntries((await Promise.all((await readdir(run('pids')))
  .map(async (name) => [name, await stack.pidOf(name).catch(() => null)]))).filter(([, pid]) => pid));
const services = (all) => Object.entries(all).filter(([name]) => /^(auth|message|presence|responder)/.test(name));
/** Does the process run a program of ours that is no longer in the folder? (readFile() of node 18 ends with the first page.) */
const isOutdated = (pid) => readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
  .some((line) => line.includes(build) && line.endsWith(' (deleted)'));

/** Does `ask` `perSecond` times a second until stop(), which gives all the answers. */
function keepAsking(perSecond, ask) {
  const answers = [];
  let isOver = false;
  const done = (async () => {
    for await (const _ of ticks(1000 / perSecond)) {
      if (isOver) return;
      answers.push(await ask(answers.length).catch((error) => ({ status: 0, text: String(error.cause ?? error) })));
    }
  })();
  return { answers, stop: async () => { isOver = true; await done; return answers; } };
}
/** Good, or a refusal that says when to come again. */
const isFine = ({ status, headers }) => (status >= 200 && status < 300) || (status === 503 && headers.has('retry-after'));

/** A receiver with the stock client as it comes, and what it has been told on each connection. */
async function receiver(name) {
  const person = await signUp(name);
  const socket = person.open();
  const connects = [];
  socket.on('connect', () => connects.push(socket.recovered));
  await waitUntil(`${name} to connect`, () => socket.connected, { within: 10000 });
  await waitUntil('what a recovery needs', () => socket.all('getOnlineUsers').length > 0);
  return { person, socket, connects, got: () => socket.all('newMessage').map(({ _id }) => _id) };
}

test('while people chat: no request fails, each socket recovers, and no message is lost or comes twice', async (t) => {
  const receivers = [];
  for (let i = 0; i < 8; i++) receivers.push(await receiver(`reader${i}`));
  const senders = [await signUp('ann'), await signUp('bob'), await signUp('eve')];
  const busy = await signUp('busy');
  await busy.setStatus('BUSY');
  const before = await pids();
  const asking = {
    sends: keepAsking(30, (n) => senders[n % 3].send(receivers[n % 8].person, `m${n}`)),
    busy: keepAsking(3, (n) => senders[0].send(busy, `to be answered ${n}`)),
    reads: keepAsking(20, (n) => receivers[n % 8].person.history(senders[n % 3], '?limit=50')),
    lists: keepAsking(5, () => senders[1].get('/api/users')),
    logins: keepAsking(3, () => senders[2].logIn()),
  };
  let answers;
  try {
    await waitUntil('all to get some', () => receivers.every(({ got }) => got().length >= 3), { within: 15000 });
    for (const name of programs) await install(name);
    if (process.getuid() === 0) for (const [name, pid] of services(before)) assert.ok(isOutdated(pid), name);
    t.diagnostic((await upgrade()).stdout.trim());
    const counts = receivers.map(({ got }) => got().length);
    await waitUntil('all to be back and get more', () => receivers.every(({ socket, got }, i) => socket.connected && got().length >= counts[i] + 3), { within: 20000 });
  } finally {
    answers = Object.fromEntries(await Promise.all(Object.entries(asking).map(async ([what, one]) => [what, await one.stop()])));
  }

  const now = await pids();
  assert.equal(services(now).length, services(before).length, 'as many as there were');
  for (const name of ['redis', 'gateway']) assert.equal(now[name], before[name], `${name} stays`);
  assert.notEqual(now.follower, before.follower);
  for (const [name, pid] of [...services(now), ['follower', now.follower]]) {
    assert.ok(!Object.values(before).includes(pid), `${name} is an old one`);
    if (process.getuid() === 0) assert.equal(isOutdated(pid), false, `${name} runs the old program`);
  }
  assert.doesNotMatch(stack.output, /reads its new configuration/, 'an idle connection would be closed for nothing');
  for (const [name] of services(before)) assert.match(stack.output, new RegExp(`^parley: ${name} has ended \\(0\\)$`, 'm'));

  for (const [what, all] of Object.entries(answers)) {
    t.diagnostic(`${what}: ${all.length}, of them 503 with Retry-After: ${all.filter(({ status }) => status === 503).length}`);
    assert.deepEqual(all.filter((answer) => !isFine(answer)).map(({ status, text }) => `${status} ${text}`), [], what);
  }

  const sent = answers.sends.filter(({ status }) => status === 201).map(({ json }) => json);
  const connects = receivers.flatMap((one) => one.connects.slice(1));
  t.diagnostic(`${sent.length} messages, ${connects.length} reconnections of ${receivers.length} sockets`);
  assert.ok(connects.length >= receivers.length, 'each had to move');
  assert.ok(connects.every((recovered) => recovered === true));
  for (const { person, got } of receivers) {
    const ids = sent.filter(({ receiverId }) => receiverId === person.id).map(({ _id }) => _id);
    await waitUntil('the last', () => ids.every((id) => got().includes(id)), { within: 10000 });
    assert.equal(new Set(got()).size, got().length, 'none twice');
    const kept = (await Promise.all(senders.map(async (sender) => (await person.history(sender)).json))).flat().map(({ _id }) => _id);
    assert.deepEqual(kept.filter((id) => ids.includes(id)).sort(), [...ids].sort(), 'the history has each once');
  }
  const asked = answers.busy.filter(({ status }) => status === 201).map(({ json }) => json._id).sort();
  const replies = async () => (await senders[0].history(busy)).json.flatMap(({ autoReply }) => (autoReply ? [autoReply.inReplyTo] : []));
  await waitUntil('a reply to each', async () => (await replies()).length >= asked.length, { within: 12000 });
  assert.deepEqual((await replies()).sort(), asked, 'one each');
});

test('a process that ends says so at once, and has ended within DRAIN_SECONDS and 5 more', async () => {
  const person = await signUp('ann');
  // Another one, if it was gone before this process, which stood still, could ask it.
  await waitUntil('503 of one that ends', async () => {
    const [, name] = /^presence (p\d) \S+ up$/m.exec(await readFile(run('gateway/run/members'), 'utf8'));
    const { targets: [address] } = JSON.parse(await readFile(run('targets.json'), 'utf8')).find(({ labels }) => labels.instance === `presence${name[1]}`);
    const pid = await stack.pidOf(`presence${name[1]}`);
    await waitUntil(`a socket on ${name}`, async () => {
      const socket = await person.connect({ transports: ['websocket'], reconnection: false });
      return socket.io.engine.id.startsWith(name);
    }, { within: 10000 });
    const ready = async () => (await fetch(`http://${address}/readyz`)).status;
    await waitUntil('it to be ready', async () => await ready() === 200);
    const told = stack.output.length;
    process.kill(pid, 'SIGTERM');
    let status;
    await waitUntil('it to be ready no more', async () => (status = await ready().catch(() => 'gone')) !== 200, { within: DRAIN_SECONDS * 1000 });
    await waitUntil('its end', () => stack.output.slice(told).includes(`presence${name[1]} ended (0)`), { within: DRAIN_SECONDS * 1000 + 5000 });
    await waitUntil('another', async () => (await stack.pidOf(`presence${name[1]}`)) !== pid);
    return status === 503;
  }, { within: 20000 });
});

test('a new configuration of the gateway is read, and sockets stay', async () => {
  const master = await stack.pidOf('gateway');
  const workers = async () => (await readFile(`/proc/${master}/task/${master}/children`, 'utf8')).trim().split(' ');
  const before = await workers();
  const socket = await (await signUp('ann')).connect({ transports: ['websocket'], reconnection: false });
  const ended = new Promise((resolve) => { socket.once('disconnect', () => resolve(Date.now())); });
  const service = `presence${processOf(socket).slice(1)}`;
  // What runs is made the older one, by a line that is not in the tree.
  const file = run('gateway/conf/nginx.conf');
  const text = await readFile(file, 'utf8');
  await writeFile(file, `${text}# older\n`);
  const upgrading = upgrade();
  await waitUntil('new workers', async () => (await workers()).some((pid) => !before.includes(pid)), { within: 10000 });
  assert.equal(await readFile(file, 'utf8'), text);
  await upgrading;
  // Its own process, which is replaced after that, has moved the socket, and nobody before it.
  const endings = (await readFile(run(`logs/${service}.log`), 'utf8')).split('\n').filter((line) => line.includes('"msg":"worker is ending"'));
  assert.ok(await withDeadline('its end', ended) >= Date.parse(JSON.parse(endings.at(-1)).t));
  const page = await (await fetch(`${stack.url}/`)).text();
  const [, module] = /src="([^"]+)"/.exec(page);
  assert.equal((await fetch(new URL(module, stack.url))).status, 200, 'the page is there');
  assert.equal(await stack.pidOf('gateway'), master);
});

test('a page that is open goes on with the modules of its version for a week, and the one that is served stays', async () => {
  const page = (...parts) => run(path.join('gateway/page', ...parts));
  const served = async () => /src="\/v\/([0-9a-f]+)\/main.js"/.exec(await (await fetch(`${stack.url}/`)).text())?.[1];
  const age = async (version) => { const at = Date.now() / 1000 - 20 * 86400; await utimes(page('v', version), at, at); };
  const now = await served();
  // What runs is made a page of another version, which has been served for long; and one is made that was before it.
  const [before, long] = ['0123456789ab', '0123456789aa'];
  await rename(page('v', now), page('v', before));
  await rm(page('v', before, 'main.js.gz'));
  await writeFile(page('v', before, 'main.js'), 'of before');
  await mkdir(page('v', long));
  const index = await readFile(page('index.html'), 'utf8');
  await writeFile(page('index.html'), index.replaceAll(`/v/${now}/`, `/v/${before}/`));
  for (const version of [before, long]) await age(version);
  assert.equal(await served(), before);

  await upgrade();
  assert.equal(await served(), now);
  assert.equal(await (await fetch(`${stack.url}/v/${before}/main.js`)).text(), 'of before');
  assert.deepEqual((await readdir(page('v'))).sort(), [now, before].sort(), 'whose week is over is gone');
  // As long again, and nothing new: the version that is served is not over, however old.
  for (const version of [now, before]) await age(version);
  await upgrade();
  assert.deepEqual(await readdir(page('v')), [now]);
  const { status, headers } = await fetch(`${stack.url}/v/${now}/main.js`);
  assert.equal(status, 200);
  assert.match(headers.get('cache-control'), /immutable/);
});

test('to a build that does not start: it says why, and the old processes go on', async () => {
  const before = services(await pids());
  const broken = path.join(stack.dir, 'broken.so');
  await writeFile(broken, 'no program');
  await install('presence.so', broken);
  try {
    await assert.rejects(upgrade(), ({ code, stderr }) => code === 1 && /^upgrade: presence\d does not start: .+\n$/.test(stderr));
  } finally {
    await install('presence.so');
  }
  await waitUntil('the new one to be forgotten', async () => services(await pids()).length === before.length);
  assert.deepEqual(services(await pids()), before);
  const ann = await signUp('ann');
  assert.equal((await ann.logIn()).status, 200);
  await upgrade();
  for (const [, pid] of services(await pids())) assert.ok(!before.some(([, old]) => old === pid));
  assert.equal((await ann.logIn()).status, 200);
});
