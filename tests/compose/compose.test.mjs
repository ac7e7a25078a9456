// docker-compose.yml as an operator runs it: hardened, scaled and killed under load. Started by
// deploy/docker/compose_test.sh, which says where it is.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { Person, call } from '../support/api.mjs';
import { root } from '../support/stack.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

const { PARLEY_URL: url, DOCKER: docker, COMPOSE, STORE } = process.env;
const [composeProgram, ...composeArgs] = COMPOSE.split(' ');
const run = promisify(execFile);
const compose = async (...args) => (await run(composeProgram, [...composeArgs, ...args], { cwd: root })).stdout;
const containers = async (service) => (await compose('ps', '-q', ...(service ? [service] : []))).trim().split('\n').filter(Boolean);
const inspect = async (ids) => JSON.parse((await run(docker, ['inspect', ...ids], { maxBuffer: 1 << 24 })).stdout);
const isUp = async () => (await call(url, 'GET', '/api/users').catch(() => ({}))).status === 401;

let ann, bob;
before(async () => {
  await waitUntil('the stack to answer', isUp, { within: 60000 });
  ann = await Person.signUp(url, 'ann');
  bob = await Person.signUp(url, 'bob');
});
after(() => { ann?.close(); bob?.close(); });

test('the page is served, and two people chat', async () => {
  const page = await call(url, 'GET', '/');
  assert.equal(page.status, 200);
  assert.match(page.text, /<html/i);
  const socket = await bob.connect();
  const sent = await ann.send(bob, 'hello');
  assert.equal(sent.status, 201);
  await waitUntil('newMessage', () => socket.all('newMessage').some((m) => m._id === sent.json._id));
});

test('who is busy is answered for', async () => {
  const carol = await Person.signUp(url, 'carol');
  assert.equal((await carol.setStatus('BUSY')).status, 200);
  const sent = await ann.send(carol, 'are you there?');
  await waitUntil('the reply', async () =>
    (await ann.history(carol)).json.some((m) => m.autoReply?.inReplyTo === sent.json._id), { within: 12000 });
});

test('containers have no more rights than they need', async () => {
  for (const one of await inspect(await containers())) {
    const name = one.Name;
    assert.match(one.Config.User, /^999/, `${name} runs as root`);
    assert.equal(one.HostConfig.ReadonlyRootfs, true, `${name} may write to its image`);
    assert.deepEqual(one.HostConfig.CapDrop, ['ALL'], name);
    assert.ok(one.HostConfig.SecurityOpt.some((opt) => opt.startsWith('no-new-privileges')), name);
    assert.ok(one.HostConfig.PidsLimit > 0 && one.HostConfig.Memory > 0, `${name} has no limits`);
    assert.equal(one.HostConfig.Privileged, false);
    const published = Object.values(one.HostConfig.PortBindings ?? {}).flat();
    assert.equal(published.length, /gateway/.test(name) ? 1 : 0, `${name} publishes ports`);
    // Secrets are files of a volume, and in no container's environment.
    for (const entry of one.Config.Env) assert.doesNotMatch(entry, /(SECRET|PASSWORD|REDIS_URL|MONGO_DB_URI)=./, name);
    const networks = Object.keys(one.NetworkSettings.Networks);
    if (/redis|mongo|auth|message|presence/.test(name)) assert.deepEqual(networks.map((n) => n.replace(/^.*_/, '')), ['inside'], name);
  }
});

test('a container sees the secrets that it reads, and MongoDB knows the services as no root', async () => {
  const wanted = {
    auth: ['jwt.secret', 'mongo.uri', 'redis.url'], 'llm-responder': ['mongo.uri', 'redis.url'], gateway: ['redis.url'], redis: ['redis.password'],
    ...(STORE === 'MongoDB' && { mongo: ['mongo.password'] }),
  };
  for (const [service, files] of Object.entries(wanted)) {
    assert.deepEqual((await compose('exec', '-T', service, 'ls', '/secrets')).trim().split('\n').sort(), files, service);
  }
  if (STORE !== 'MongoDB') return;
  const uri = (await compose('exec', '-T', 'auth', 'cat', '/secrets/mongo.uri')).trim();
  const ask = (code) => compose('exec', '-T', '-e', 'HOME=/tmp', 'mongo', 'mongosh', '--quiet', uri, '--eval', code);
  assert.deepEqual(JSON.parse(await ask('EJSON.stringify(db.runCommand({connectionStatus: 1}).authInfo.authenticatedUserRoles)')), [{ role: 'readWrite', db: 'parley' }]);
  await assert.rejects(ask('db.getSiblingDB("admin").getUsers()'), /not authorized|requires authentication/);
});

test('a service image is small', async (t) => {
  for (const name of ['parley', 'parley-gateway', 'parley-redis']) {
    const [image] = await inspect([name]);
    t.diagnostic(`${name}: ${(image.Size / 1e6).toFixed(1)} MB`);
    assert.ok(image.Size < 140e6, `${name} has ${image.Size} bytes`);
  }
});

const people = [];
afterEach(() => { for (const person of people.splice(0)) person.close(); });

/**
 * Requests and messages while `change` happens: none may fail but by 503, unless `mayFail`, and none that
 * was acknowledged be missed.
 */
async function underLoad(change, { mayFail = false } = {}) {
  const receiver = await Person.signUp(url, 'receiver');
  people.push(receiver);
  const socket = await receiver.connect();
  const failed = [], sent = [];
  let isOver = false;
  const note = (answer) => { if (answer.status !== 503 || !answer.headers.has('retry-after')) failed.push(answer.status ?? String(answer.error)); };
  const load = async (i) => {
    // No faster: a socket that is away for some seconds may miss 300 messages.
    for await (const _ of ticks(100)) {
      if (isOver) return;
      const answer = await ann.send(receiver, `load ${i}`).catch((error) => ({ error }));
      if (answer.status === 201) sent.push(answer.json._id);
      else note(answer);
      const users = await ann.get('/api/users').catch((error) => ({ error }));
      if (users.status !== 200) note(users);
    }
  };
  const loads = [0, 1, 2].map(load);
  try {
    await change();
    await waitUntil('more than 20 messages to be taken', () => sent.length > 20, { within: 20000 });
  } finally {
    isOver = true;
    await Promise.all(loads);
  }
  if (!mayFail) assert.deepEqual(failed, []);
  const got = () => socket.all('newMessage').map((m) => m._id);
  await waitUntil('all messages', () => sent.every((id) => got().includes(id)), { within: 20000 });
  assert.equal(new Set(got()).size, got().length, 'one came twice');
  const stored = (await ann.history(receiver)).json.map((m) => m._id);
  assert.deepEqual(sent.filter((id) => !stored.includes(id)), [], 'acknowledged, and not in the history');
}

const scale = (service, count) => compose('up', '-d', '--no-recreate', '--no-deps', '--scale', `${service}=${count}`, service);
/** Requests reach each container of a service. */
const areServing = (service, count) => waitUntil(`${count} of ${service} to serve`, async () => {
  const lines = await compose('exec', '-T', 'gateway', 'cat', '/run/parley/gateway/run/members');
  return lines.split('\n').filter((line) => line.startsWith(`${service} `) && line.endsWith(' up')).length === count;
}, { within: 60000 });

const members = ['auth', 'message', 'presence'];

for (const service of ['presence', 'message']) {
  test(`${service} is scaled up and down with no failed request`, async () => {
    await underLoad(async () => {
      await scale(service, 3);
      await areServing(service, 3);
      await scale(service, 1);
      await areServing(service, 1);
    });
  });
}

test('a killed presence loses nothing', async () => {
  await scale('presence', 2);
  await areServing('presence', 2);
  await underLoad(async () => {
    const [victim] = await containers('presence');
    await run(docker, ['kill', victim]);
    await areServing('presence', 1);
  });
});

/* A client's request that is under way there has nobody else to ask. */
for (const service of ['auth', 'message', 'llm-responder', 'redis', 'gateway']) {
  test(`the only ${service}, killed, loses nothing`, async () => {
    await scale(service, 1);
    await underLoad(async () => {
      const [victim] = await containers(service);
      await run(docker, ['kill', victim]);
      await compose('up', '-d', '--no-recreate', '--no-deps', service);
      await waitUntil('the stack to answer', isUp, { within: 60000 });
      await waitUntil('a message to be taken', async () => (await ann.send(bob, 'again?').catch(() => ({}))).status === 201, { within: 60000 });
      if (members.includes(service)) await areServing(service, 1); // the lease of the one that was killed has ended
    }, { mayFail: true });
  });
}

test('a backup is made while all runs', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-backup-'));
  try {
    await chmod(dir, 0o777); // for user 999
    const from = STORE === 'MongoDB' ? 'FROM_FILE=/secrets/mongo.uri' : 'FROM=/data';
    await compose('run', '--rm', '-T', '--no-deps', '-v', `${dir}:/backups`, '-e', from, '-e', 'TO=/backups/one', 'message', 'backup');
    await run('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: path.join(dir, 'one') });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('all is upgraded with no failed request, and the next `up` finds nothing to do', async (t) => {
  for (const service of ['presence', 'message']) {
    await scale(service, 2);
    await areServing(service, 2);
  }
  const services = ['auth', 'message', 'presence', 'llm-responder'];
  const before = Object.fromEntries(await Promise.all(services.map(async (name) => [name, await containers(name)])));
  const others = [...await containers('redis'), ...await containers('gateway')];
  await underLoad(async () => {
    const { stdout } = await run('deploy/docker/upgrade.sh', composeArgs, { cwd: root, env: { ...process.env, COMPOSE: composeProgram } });
    t.diagnostic(stdout.trim().split('\n').at(-1));
  });
  for (const name of services) {
    const now = await containers(name);
    assert.equal(now.length, before[name].length, name);
    assert.ok(now.every((id) => !before[name].includes(id)), `${name} is an old one`);
  }
  assert.deepEqual([...await containers('redis'), ...await containers('gateway')], others, 'nothing of them has changed');
  const all = (await containers()).sort();
  await compose('up', '-d', '--scale', 'presence=2', '--scale', 'message=2');
  assert.deepEqual((await containers()).sort().filter((id) => !all.includes(id)), []);
});

/** What TLS says if https is spoken. */
const handshake = (options) => withDeadline('a handshake', new Promise((resolve, reject) => {
  const socket = tls.connect({ host: 'localhost', port: new URL(url).port, rejectUnauthorized: false, ...options }, () => {
    resolve({ protocol: socket.getProtocol(), alpn: socket.alpnProtocol, subject: socket.getPeerCertificate().subject?.CN });
    socket.destroy();
  }).on('error', reject);
}), 3000);

test('with a certificate the gateway speaks https, and takes a renewed one', async (t) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-tls-'));
  const [cert, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
  const certify = async (name) => {
    await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
      '-keyout', key, '-out', cert]);
    await chmod(key, 0o444); // for user 999
  };
  const gateway = (files) => run(composeProgram, [...composeArgs, ...files, 'up', '-d', '--no-deps', 'gateway'],
    { cwd: root, env: { ...process.env, GATEWAY_TLS_CERT: cert, GATEWAY_TLS_KEY: key } });
  await chmod(dir, 0o755);
  try {
    await certify('first');
    const socket = await bob.connect();
    await waitUntil('what a recovery needs', () => socket.all('getOnlineUsers').length > 0);
    await gateway(['-f', 'deploy/docker/tls.yml']);
    const secure = await waitUntil('https', () => handshake({ ALPNProtocols: ['h2', 'http/1.1'] }).catch(() => false), { within: 30000 });
    assert.deepEqual(secure, { protocol: 'TLSv1.3', alpn: 'h2', subject: 'first' });
    await assert.rejects(handshake({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' }));
    await certify('second');
    await compose('kill', '-s', 'HUP', 'gateway');
    await waitUntil('the other certificate', async () => (await handshake().catch(() => ({}))).subject === 'second', { within: 10000 });

    // Back again: a gateway that is replaced costs its clients a reconnection.
    const begin = Date.now();
    await gateway([]);
    await waitUntil('http', isUp, { within: 30000 });
    t.diagnostic(`a replaced gateway answers ${Date.now() - begin} ms after the command`);
    await waitUntil('the socket to be back', () => socket.connected && socket.recovered, { within: 60000 });
  } finally {
    await gateway([]);
    await rm(dir, { recursive: true, force: true });
  }
});

test('everything ends when told to, and what was written is there again', async () => {
  const written = (await ann.history(bob)).json;
  const running = (await inspect(await containers())).filter((one) => one.State.Running).map((one) => one.Id);
  await compose('stop', '--timeout', '20');
  for (const one of await inspect(running)) {
    assert.equal(one.State.OOMKilled, false, one.Name);
    assert.ok([0, 143].includes(one.State.ExitCode), `${one.Name} ended with ${one.State.ExitCode}`);
  }
  await compose('start');
  await waitUntil('the stack to answer', isUp, { within: 60000 });
  assert.deepEqual((await ann.history(bob)).json, written, `kept in ${STORE}`);
});
