// `make run` itself: what it refuses, what it survives, how it ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { once } from 'node:events';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { mernClaims, signJwt } from '../support/jwt.mjs';
import { Stack, root, useStack } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const build = path.resolve(root, process.env.BUILD_DIR ?? 'build');
const secret = 'one secret of these tests, of enough bytes';
const hasIpv6 = Object.values(networkInterfaces()).flat().some(({ address }) => address === '::1');

describe('a bad setting', () => {
  for (const [name, settings, hidden] of [
    ['PORT', { PORT: 'http' }], ['PORT', { PORT: '70000' }], ['ONLINE_TTL', { ONLINE_TTL: 'soon' }],
    ['COOKIE_SAMESITE', { COOKIE_SAMESITE: 'Maybe' }], ['PING_INTERVAL_MS', { PING_INTERVAL_MS: '1' }],
    ['CHAT_REQUIRES_ONLINE', { CHAT_REQUIRES_ONLINE: 'perhaps' }], ['WWW_DIR', { WWW_DIR: '/no/such/folder' }],
    ['REDIS_URL', { REDIS_URL: 'http://localhost' }], ['LLM_API_URL', { LLM_API_URL: 'ftp://localhost' }],
    ['LLM_API_URL', { LLM_API_URL: 'http://llm.example.org/v1' }], ['MESSAGE_PROCESSES', { MESSAGE_PROCESSES: '-1' }],
    ['GATEWAY_TLS_KEY', { GATEWAY_TLS_CERT: '/etc/passwd' }], ['GATEWAY_TLS_CERT', { GATEWAY_TLS_CERT: '/no/such.pem', GATEWAY_TLS_KEY: '/no/such.key' }],
    ['JWT_SECRET', { JWT_SECRET: 'tooshort' }, 'tooshort'], ['JWT_SECRET', { JWT_SECRET: 'z'.repeat(40) }, 'zzzz'],
    ['JWT_SECRET', { JWT_SECRET: secret, JWT_SECRET_FILE: '/dev/null' }, secret],
    ['JWT_SECRET', { JWT_SECRET_FILE: '/no/such/file' }],
    ['MONGO_DB_URI', { MONGO_DB_URI: 'postgres://user:hushhush@localhost/chat' }, 'hushhush'],
    ['MONGO_DB_URI', { MONGO_DB_URI: 'mongodb://user:hush@hush?@localhost/chat' }, 'hush'],
    ['MONGO_DB_URI', { MONGO_DB_URI: 'mongodb://localhost/chat?replicaSet' }],
    ['MONGODB_URI', { MONGO_DB_URI: 'mongodb://localhost/one', MONGODB_URI: 'mongodb://localhost/two' }],
    ['MONGO_DB_URI_FILE', { MONGO_DB_URI_FILE: '/no/such/file' }],
    ['REDIS_URL_FILE', { REDIS_URL_FILE: '/no/such/file' }], ['REDIS_URL_FILE', { REDIS_URL_FILE: '/dev/null' }],
    ['REDIS_URL', { REDIS_URL: 'redis://localhost:99999' }],
    ['REDIS_URL .*stunnel', { REDIS_URL: 'rediss://:hushhush@localhost:6380' }, 'hushhush'], ['REDIS_URL .*stunnel', { REDIS_URL: 'Valkeys://localhost' }],
    ['REDIS_URL .*local port', { REDIS_URL: 'unix:///run/redis.sock' }], ['REDIS_URL .*local port', { REDIS_URL: '/run/redis.sock' }],
    ['REDIS_URL .*HAProxy', { REDIS_URL: 'redis+sentinel://:hushhush@a:26379,b:26379/m' }, 'hushhush'],
    ['DRAIN_SECONDS', { DRAIN_SECONDS: 'ten' }], ['DRAIN_SECONDS', { DRAIN_SECONDS: '10s' }],
    ['PRESENCE_PROCESSES', { PRESENCE_PROCESSES: '08' }], ['PRESENCE_PROCESSES', { PRESENCE_INSTANCES: '08' }],
    ['AUTH_PROCESSES and AUTH_INSTANCES', { AUTH_PROCESSES: '1', AUTH_INSTANCES: '2' }],
    ['GATEWAY_SOCKETS_PER_ADDRESS', { GATEWAY_SOCKETS_PER_ADDRESS: '65536' }],
    ['GATEWAY_REQUESTS_PER_SECOND', { GATEWAY_REQUESTS_PER_SECOND: '1000001' }],
    ['GATEWAY_REQUESTS_AT_ONCE', { GATEWAY_REQUESTS_AT_ONCE: '65536' }],
    ['GATEWAY_BODY_BYTES_PER_ADDRESS', { GATEWAY_BODY_BYTES_PER_ADDRESS: '-1' }],
    ['GATEWAY_BODY_BYTES_IN_ALL', { GATEWAY_BODY_BYTES_IN_ALL: '1M' }],
    ['GATEWAY_BODY_SECONDS', { GATEWAY_BODY_SECONDS: '0' }],
    ['GATEWAY_LOG_LINES_PER_SECOND', { GATEWAY_LOG_LINES_PER_SECOND: '1000001' }],
    ['LOG_BYTES_MAX', { LOG_BYTES_MAX: '65535' }],
    ['GATEWAY_BIND', { GATEWAY_BIND: '300.1.1.1' }], ['GATEWAY_BIND', { GATEWAY_BIND: '127.0.0.1;' }],
    ['GATEWAY_TRUSTED_PROXIES', { GATEWAY_TRUSTED_PROXIES: '10.0.0.0/33' }],
    ['GATEWAY_TRUSTED_PROXIES', { GATEWAY_TRUSTED_PROXIES: '10.0.0.0/8,127.0.0.1' }],
    ['GATEWAY_TLS_CERT', { GATEWAY_TLS_CERT: '/etc/passwd', GATEWAY_TLS_KEY: '/etc/passwd' }],
    ['GATEWAY_HTTP_PORT', { GATEWAY_HTTP_PORT: '80' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: 'https://chat.example.org,example.org' }],
    ['ALLOWED_ORIGINS', { ALLOWED_ORIGINS: '*' }],
  ]) {
    test(`ends the start with one line: ${JSON.stringify(settings)}`, async (t) => {
      const stack = await Stack.spawn(settings);
      t.after(() => stack.stop());
      const { code } = await withDeadline('the end', stack.ended, 20000);
      const lines = stack.output.trim().split('\n').filter((line) => !/^parley: made .*jwt\.secret/.test(line));
      assert.equal(code, 78, stack.output);
      assert.match(lines[0], new RegExp(name), stack.output);
      assert.equal(lines.length, 1, stack.output);
      if (hidden) assert.ok(!stack.output.includes(hidden), 'the value is not shown');
      assert.deepEqual(await stack.processes(), []);
    });
  }

  test('several are all told at once, before anything is started', async (t) => {
    const stack = await Stack.spawn({
      PORT: 'http', ONLINE_TTL: '5m', LLM_CONCURRENCY: '0', GATEWAY_WORKERS: 'many', DATA_DIR: '/no/such/place',
      COOKIE_SAMESITE: 'Maybe', REDIS_PORT: '65536', LISTEN: 'is ours to say', PROCESS_NAME: 'and this, too', INSTANCE: 'by its old name',
    });
    t.after(() => stack.stop());
    const { code } = await withDeadline('the end', stack.ended, 20000);
    assert.equal(code, 78, stack.output);
    assert.deepEqual(stack.output.trim().split('\n').map((line) => /^parley: ([A-Z_]+) must be /.exec(line)?.[1]).sort(),
      ['COOKIE_SAMESITE', 'GATEWAY_WORKERS', 'LLM_CONCURRENCY', 'ONLINE_TTL', 'PORT', 'REDIS_PORT'], stack.output);
  });

  test('so are those whose rules a service has', async (t) => {
    const stack = await Stack.spawn({
      JWT_SECRET: 'hushhush', JWT_SECRET_PREVIOUS: 'hushhush', ALLOWED_ORIGINS: '*', LLM_API_URL: 'ftp://localhost', REDIS_URL: 'rediss://:hushhush@localhost',
      MONGO_DB_URI: 'mongodb://user:hush@hush@localhost', DATA_DIR: '/no/such/place',
    });
    t.after(() => stack.stop());
    const { code } = await withDeadline('the end', stack.ended, 20000);
    assert.equal(code, 78, stack.output);
    assert.deepEqual(stack.output.trim().split('\n').map((line) => /^parley: ([A-Z_]+) /.exec(line)?.[1]).sort(),
      ['ALLOWED_ORIGINS', 'JWT_SECRET', 'JWT_SECRET_PREVIOUS', 'LLM_API_URL', 'MONGO_DB_URI', 'REDIS_URL'], stack.output);
    assert.ok(!stack.output.includes('hush'), stack.output);
  });

  for (const [what, settings, told] of [
    ['a number out of its range', { GATEWAY_WORKERS: '0', BODY_BYTES_MAX: '1' }, ['BODY_BYTES_MAX', 'GATEWAY_WORKERS']],
    ['text that would end its directive', { GATEWAY_ACCESS_LOG: 'a;b', GATEWAY_LISTEN: '127.0.0.1:1 }' }, ['GATEWAY_LISTEN', 'GATEWAY_ACCESS_LOG']],
    ['a key without its certificate', { GATEWAY_TLS_KEY: '/etc/passwd' }, ['GATEWAY_TLS_CERT and GATEWAY_TLS_KEY']],
    ['a Redis over TLS', { REDIS_URL: 'rediss://:hushhush@localhost' }, ['REDIS_URL']],
  ]) {
    test(`the gateway alone refuses ${what}, and writes nothing`, async (t) => {
      const dir = await mkdtemp(path.join(tmpdir(), 'parley-render-'));
      t.after(() => rm(dir, { recursive: true, force: true }));
      const { status, stdout, stderr } = spawnSync(path.join(root, 'gateway/render.sh'), [path.join(dir, 'gateway')],
        { env: { PATH: process.env.PATH, BUILD_DIR: build, ...settings }, encoding: 'utf8', timeout: patient(20000) });
      assert.equal(status, 78, stdout + stderr);
      const lines = stderr.trim().split('\n');
      assert.deepEqual(lines.map((line, i) => line.startsWith(`gateway: ${told[i]} `)), told.map(() => true), stderr);
      assert.ok(!stderr.includes('hushhush'));
      assert.deepEqual(await readdir(dir), []);
    });
  }

  test('the gateway can be prepared again where it was, as after a restart of its container or a reload', async (t) => {
    const dir = await mkdtemp(path.join(tmpdir(), 'parley-render-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const conf = path.join(dir, 'gateway/conf');
    const modules = async () => (await readdir(conf)).filter((name) => /^tunnel-/.test(name));
    const render = () => spawnSync(path.join(root, 'gateway/render.sh'), [path.join(dir, 'gateway')],
      { env: { PATH: process.env.PATH, BUILD_DIR: build }, encoding: 'utf8', timeout: patient(20000) });
    assert.equal(render().status, 0);
    const first = await modules();
    await writeFile(path.join(conf, 'tunnel-1.so'), 'one of an older version');
    const { status, stderr } = render();
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(await modules(), first);
  });

  test('the gateway alone refuses to listen on no address of this machine: nginx would on all', { skip: process.getuid() !== 0 }, async (t) => {
    const dir = await mkdtemp(path.join(tmpdir(), 'parley-render-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    // In a network of its own no interface is up, so it has no ::1.
    const render = (bind) => spawnSync('unshare', ['--net', path.join(root, 'gateway/render.sh'), path.join(dir, 'gateway')],
      { env: { PATH: process.env.PATH, BUILD_DIR: build, GATEWAY_BIND: bind }, encoding: 'utf8', timeout: patient(20000) });
    const refused = render('[::1]');
    if (/unshare failed/.test(refused.stderr)) return t.skip('no network of its own can be made');
    assert.equal(refused.status, 78, refused.stderr);
    assert.match(refused.stderr, /^gateway: GATEWAY_BIND: .*IPv6 switched off/);
    assert.equal(render('[::1] 127.0.0.1').status, 0);
    assert.match(await readFile(path.join(dir, 'gateway/conf/listen.conf'), 'utf8'), /^listen 127\.0\.0\.1:5000[ ;].*\n$/);
  });

  for (const [program, command] of [
    ['auth', ['kore', '-f', '-n', '-r', '-q', '-c', 'kore.conf']], ['message', ['kore', '-f', '-n', '-r', '-q', '-c', 'kore.conf']],
    ['presence', ['kore', '-f', '-n', '-r', '-q', '-c', 'kore.conf']], ['llm-responder', [path.join(build, 'llm-responder')]], ['gateway-follow', [path.join(build, 'gateway-follow'), '.']],
  ]) {
    test(`a Redis over TLS is one of ${program} itself, with what to do instead`, async (t) => {
      const dir = await mkdtemp(path.join(tmpdir(), 'parley-rediss-'));
      t.after(() => rm(dir, { recursive: true, force: true }));
      await writeFile(path.join(dir, 'kore.conf'), `load ${path.join(build, program)}.so\npidfile ./kore.pid\n`);
      const { status, stdout, stderr } = spawnSync(command[0], command.slice(1), {
        cwd: dir, encoding: 'utf8', timeout: patient(20000),
        env: { PATH: process.env.PATH, LISTEN: '127.0.0.1:1', DATA_DIR: dir, JWT_SECRET: secret, REDIS_URL: 'rediss://:hushhush@localhost:6380' },
      });
      assert.equal(status, 78, stdout + stderr);
      const lines = (stdout + stderr).trim().split('\n').filter((line) => /REDIS_URL .*TLS/.test(line));
      assert.equal(lines.length, 1, stdout + stderr);
      assert.match(lines[0], /stunnel.*redis:\/\/:password@127\.0\.0\.1:6380/);
      assert.ok(!(stdout + stderr).includes('hushhush'));
    });
  }

  test('a port in use is one, too', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stack = await Stack.spawn({}, { port: server.address().port });
    const { code } = await withDeadline('the end', stack.ended, 20000);
    assert.notEqual(code, 0);
    assert.match(stack.output, new RegExp(`^parley: .*${server.address().port}.*in use.*\n$`));
    await stack.stop();
    server.close();
  });
});

for (const [bind, told] of [['[::]', '[::1]'], ['*', '127.0.0.1'], ['[::1]', '[::1]']]) {
  test(`GATEWAY_BIND ${bind} is an address of its own, and no pattern for files`, { skip: told === '[::1]' && !hasIpv6 && 'this machine has no ::1' }, async (t) => {
    const stack = await Stack.start({ GATEWAY_BIND: bind });
    t.after(() => stack.stop());
    assert.equal((await fetch(`http://${told}:${stack.port}/api/users`)).status, 401);
  });
}

describe('a run', () => {
  const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '1000' });
  const people = [];
  afterEach(() => { for (const person of people.splice(0)) person.close(); });
  const signUp = async (name) => {
    const person = await Person.signUp(hold.stack.url, name);
    people.push(person);
    return person;
  };

  for (const name of ['auth1', 'message1', 'presence1', 'responder1', 'follower', 'gateway', 'redis']) {
    test(`brings ${name} back after kill -9, and nothing that was answered is lost`, async () => {
      const [ann, bob] = [await signUp('ann'), await signUp('bob')];
      const socket = await bob.connect({ reconnectionDelay: 50, reconnectionDelayMax: 200 });
      const kept = [];
      for (let i = 0; i < 5; i++) kept.push((await ann.send(bob, `before ${i}`)).json);
      const pid = await hold.stack.pidOf(name);
      process.kill(pid, 'SIGKILL');
      await waitUntil(`another ${name}`, async () => (await hold.stack.pidOf(name)) !== pid, { within: 10000 });

      // The first that passes is delivered, unless the receiver's connection broke with it:
      // then the history has it, and live delivery goes on with the new connection.
      const send = (text, to = bob) => waitUntil('a send to pass', async () => {
        const answer = await ann.send(to, text).catch(() => undefined);
        return answer?.status === 201 && answer.json;
      }, { within: 10000 });
      const delivered = ({ _id, message }) => waitUntil(`"${message}" to be delivered`,
        () => socket.all('newMessage').some((m) => m._id === _id), { within: 10000 });
      const first = await send('first after');
      if (name === 'gateway' || name === 'presence1') {
        await waitUntil('the socket to be back', () => socket.connected, { within: 10000 });
        await delivered(await send('second after'));
      } else {
        await delivered(first);
      }
      const history = await waitUntil('the history', async () => {
        const answer = await bob.history(ann).catch(() => undefined);
        return answer?.status === 200 && answer.json;
      });
      for (const message of [...kept, first]) assert.ok(history.some(({ _id }) => _id === message._id), message.message);
      const seen = socket.all('newMessage').map(({ _id }) => _id);
      for (const message of kept) assert.ok(seen.includes(message._id), `${message.message} was delivered`);
      assert.equal(new Set(seen).size, seen.length, 'none twice');

      const carol = await waitUntil('a sign-up to pass', () => signUp('carol').catch(() => undefined), { within: 10000 });
      await waitUntil('her to be busy', async () => (await carol.setStatus('BUSY')).status === 200);
      const asked = await send('and the responder?', carol);
      await waitUntil('a reply', async () =>
        (await ann.history(carol)).json.some((m) => m.autoReply?.inReplyTo === asked._id), { within: 12000 });
    });
  }

  test('keeps its secrets out of the environment that /proc shows', async () => {
    const [ann] = [await signUp('ann')];
    const jwtSecret = await readFile(path.join(hold.stack.dir, 'data/jwt.secret'), 'utf8');
    for (const name of ['auth1', 'message1', 'presence1', 'responder1', 'follower', 'gateway', 'redis']) {
      const pid = await hold.stack.pidOf(name);
      assert.ok(!(await readFile(`/proc/${pid}/environ`, 'latin1')).includes(jwtSecret), name);
      assert.ok(!(await readFile(`/proc/${pid}/cmdline`, 'latin1')).includes(jwtSecret), name);
    }
    assert.equal((await ann.get('/api/auth/me')).status, 200);
  });

  test('takes its folder for itself', async () => {
    const other = await Stack.spawn({}, { dir: hold.stack.dir });
    const { code } = await withDeadline('the end', other.ended, 20000);
    assert.notEqual(code, 0);
    assert.match(other.output, /^parley: DATA_DIR .* in use.*\n$/);
  });
});

describe('the end', () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL']) {
    test(`by ${signal} comes within 5 s with sockets open, leaves no process and keeps the data`, async (t) => {
      let stack = await Stack.start({ PRESENCE_GRACE_MS: '500' });
      const { dir } = stack;
      t.after(() => rm(dir, { recursive: true, force: true }));
      const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
      await ann.connect();
      await bob.connect({ transports: ['polling'] });
      const gone = await Person.signUp(stack.url, 'gone');
      await gone.post('/api/auth/logout');
      const goneEverywhere = await Person.signUp(stack.url, 'gone');
      const stolen = (await goneEverywhere.logIn()).cookies[0].split(';')[0];
      await goneEverywhere.post('/api/auth/logout-all');
      const { json } = await ann.send(bob, 'to keep');

      const { code, took } = await stack.stop({ signal, keep: true });
      for (const person of [ann, bob]) person.close();
      assert.ok(took < patient(5000), `took ${took} ms`);
      if (signal !== 'SIGKILL') assert.equal(code, 0, stack.output);
      await waitUntil('no process to be left', async () => (await stack.processes()).length === 0, { within: 5000 - Math.min(took, 4000) });

      stack = await Stack.start({}, { dir });
      try {
        const again = (cookie, path) => call(stack.url, 'GET', path, undefined, { cookie });
        assert.deepEqual((await again(ann.cookie, `/api/messages/${bob.id}`)).json, [json]);
        for (const cookie of [gone.cookie, goneEverywhere.cookie, stolen]) {
          assert.equal((await again(cookie, '/api/auth/me')).status, 401, 'who logged out stays out');
        }
      } finally {
        await stack.stop();
      }
    });
  }
});

describe('settings', () => {
  test('by their old names are taken, and a line says what they are called now', async (t) => {
    const stack = await Stack.start({ PRESENCE_INSTANCES: '2', MESSAGE_INSTANCES: '2', MESSAGE_PROCESSES: '2' });
    t.after(() => stack.stop());
    assert.match(stack.output, /^parley: PRESENCE_INSTANCES is called PRESENCE_PROCESSES now, taking it all the same$/m);
    assert.match(stack.output, /  processes  .*message1 message2 presence1 presence2 /);
  });

  let www;
  before(async () => {
    www = await mkdtemp(path.join(tmpdir(), 'parley-www-'));
    await writeFile(path.join(www, 'index.html'), '<!doctype html><title>Another page</title>');
  });
  after(() => rm(www, { recursive: true, force: true }));

  test('for a front end elsewhere: its files, its cookie, its old sessions', async () => {
    const stack = await Stack.start({
      NODE_ENV: 'production', COOKIE_SAMESITE: 'None', COOKIE_NAME: '__Host-jwt', PASSWORD_MIN_LENGTH: '6', WWW_DIR: www,
      JWT_SECRET: secret, JWT_SECRET_PREVIOUS: 'short',
    });
    try {
      assert.match((await call(stack.url, 'GET', '/some/page')).text, /Another page/);
      const username = uniqueName('ann');
      const answer = await call(stack.url, 'POST', '/api/auth/signup',
        { fullName: 'Ann', username, password: 'sixsix', confirmPassword: 'sixsix', gender: 'female' });
      assert.equal(answer.status, 201);
      const [pair, ...attributes] = answer.cookies[0].split('; ');
      assert.match(pair, /^__Host-jwt=/);
      assert.deepEqual(attributes.map((a) => a.toLowerCase()).sort(), ['httponly', 'max-age=1296000', 'path=/', 'samesite=none', 'secure']);
      const minuteAgo = (claims) => ({ ...claims, iat: claims.iat - 60 }); // before the switch, which is this start
      for (const [key, status] of [[secret, 200], ['short', 200], ['other', 401]]) {
        const token = signJwt(minuteAgo(mernClaims(answer.json._id)), key);
        const me = await call(stack.url, 'GET', '/api/auth/me', undefined, { cookie: `__Host-jwt=${token}` });
        assert.equal(me.status, status, key);
      }
      // A session from before COOKIE_NAME was set goes on.
      const plain = `jwt=${signJwt(mernClaims(answer.json._id), secret)}`;
      assert.equal((await call(stack.url, 'GET', '/api/auth/me', undefined, { cookie: plain })).status, 200);
    } catch (error) {
      await stack.printLogs();
      throw error;
    } finally {
      await stack.stop();
    }
  });

  test('may be secrets in files', async () => {
    const file = path.join(www, 'secret');
    await writeFile(file, `${secret}\n`, { mode: 0o600 });
    const stack = await Stack.start({ JWT_SECRET_FILE: file });
    try {
      const ann = await Person.signUp(stack.url, 'ann');
      assert.equal((await ann.get('/api/auth/me', { cookie: `jwt=${signJwt(mernClaims(ann.id), secret)}` })).status, 200);
      assert.equal((await ann.logIn()).json.username, ann.user.username, password);
    } finally {
      await stack.stop();
    }
  });
});
