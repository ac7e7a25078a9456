// Several cookies of the session's name: another application's, or another host's of our domain, or somebody's on purpose.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { io } from 'socket.io-client';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { handshake, Wire } from '../support/conformance.mjs';
import { mernClaims, now, signJwt } from '../support/jwt.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { patience, patient, waitUntil, withDeadline } from '../support/wait.mjs';

const secret = 'a secret of the tests, long enough for HS256';
const hold = useStack({ before, after, afterEach }, { JWT_SECRET: secret });
const base = () => hold.stack.url;
const signUp = (name) => Person.signUp(base(), name);
const polling = '/socket.io/?EIO=4&transport=polling';

/** One request as bytes, with as many Cookie lines as there are. */
const ask = ({ host = 'localhost', port }, method, target, cookies) => withDeadline('the end of the answer', new Promise((resolve, reject) => {
  const chunks = [];
  const lines = cookies.map((cookie) => `Cookie: ${cookie}\r\n`).join('');
  const socket = net.connect(port, host, () => socket.write(
    `${method} ${target} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n${lines}\r\n`));
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', reject)
    .on('close', () => {
      const text = Buffer.concat(chunks).toString();
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text });
    });
}), 8000);

const gateway = () => ({ port: hold.stack.port });
const addressOf = async (service) => {
  const members = await readFile(path.join(hold.stack.dir, 'data/run/gateway/run/members'), 'utf8');
  const [, host, port] = new RegExp(`^${service} \\S+ (\\S+):(\\d+) up$`, 'm').exec(members);
  return { host, port: Number(port) };
};

/** Each of them in the shape of a token, and none good. */
const others = (person) => ({
  'an empty one': '', garbage: 'x', 'percent signs': '%7B%22a%22%3A1%7D', 'three parts': 'a.b.c', quotes: '"', 'a quoted text': '"x y"',
  'another application\'s': signJwt({ sub: '1', iat: now(), exp: now() + 999 }, 'a secret of the other application!'),
  'one that claims to be ours': signJwt(mernClaims(person.id), `${secret}!`),
  'one without a signature': `${signJwt(mernClaims(person.id), secret).split('.').slice(0, 2).join('.')}.`,
  'one of a user who is gone': signJwt(mernClaims('0123456789abcdef01234567'), secret),
  'an old one': signJwt({ ...mernClaims(person.id), iat: now() - 9999, exp: now() - 3600 }, secret),
});

const sessionRoutes = (person) => [
  ['GET', '/api/auth/me'], ['GET', '/api/users'], ['GET', `/api/users/${person.id}`], ['GET', `/api/messages/${person.id}`],
  ['POST', `/api/users/status/${person.id}`, { status: 'BUSY' }], ['POST', '/api/auth/logout-all'],
];

const connects = (person, cookie, options) => new Promise((resolve) => {
  const socket = io(person.base, { extraHeaders: { cookie }, forceNew: true, reconnection: false, ...options });
  const end = (value) => { socket.disconnect(); resolve(value); };
  socket.once('getOnlineUsers', end).once('connect_error', (error) => end(error.data ?? error));
});

describe('of several cookies of the name', () => {
  test('the one that verifies counts, on every service and for sockets, whatever is beside it', async () => {
    const ann = await signUp('ann');
    for (const [what, value] of Object.entries(others(ann))) {
      for (const cookie of [`jwt=${value}; ${ann.cookie}`, `${ann.cookie}; jwt=${value}`, `jwt=${value}; a=b;${ann.cookie};jwt=${value}`]) {
        assert.deepEqual((await ann.get('/api/auth/me', { cookie })).json, ann.user, `${what}: ${cookie}`);
        for (const target of ['/api/users', `/api/messages/${ann.id}`]) assert.equal((await ann.get(target, { cookie })).status, 200, what);
      }
      for (const transports of [['polling'], ['websocket']]) {
        const list = await connects(ann, `jwt=${value}; ${ann.cookie}`, { transports });
        assert.ok(Array.isArray(list) && list.includes(ann.id), `${what}: ${JSON.stringify(list)}`);
      }
    }
  });

  test('one that logged out does not hide the good one', async () => {
    const ann = await signUp('ann');
    const good = (await ann.logIn()).cookies[0].split(';')[0];
    assert.equal((await ann.post('/api/auth/logout')).status, 200);
    await waitUntil('it to be refused', async () => (await ann.get('/api/users')).status === 401);
    for (const cookie of [`${ann.cookie}; ${good}`, `${good}; ${ann.cookie}`]) {
      assert.deepEqual((await ann.get('/api/auth/me', { cookie })).json, ann.user);
      assert.equal((await ann.get('/api/users', { cookie })).status, 200);
    }
  });

  test('the same twice, and two of one person, are no riddle; quotes, spaces and other names are none of it', async () => {
    const ann = await signUp('ann');
    const token = ann.cookie.split('=')[1];
    const again = (await ann.logIn()).cookies[0].split(';')[0];
    for (const cookie of [`${ann.cookie}; ${ann.cookie}`, `${ann.cookie}; ${again}`, `jwt="${token}"; jwt="x"`, `jwt = ${token} ;xjwt=x`,
      `JWT=x; ${ann.cookie}; Jwt=y`, `jwt;=x;${ann.cookie}`]) {
      assert.deepEqual((await ann.get('/api/auth/me', { cookie })).json, ann.user, cookie);
    }
    assert.equal((await ann.get('/api/auth/me', { cookie: `JWT=${token}; xjwt=${token}` })).json.code, 'NO_TOKEN');
    for (const cookie of ['jwt=', 'jwt=; jwt=""']) assert.equal((await ann.get('/api/auth/me', { cookie })).json.code, 'NO_TOKEN', cookie);
    assert.equal((await ann.get('/api/auth/me', { cookie: 'jwt=x; jwt=y' })).json.code, 'BAD_TOKEN');
  });

  test('two people\'s are 401 AMBIGUOUS_SESSION where a session is needed, and nothing happens', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    for (const cookie of [`${ann.cookie}; ${bob.cookie}`, `jwt=x; ${bob.cookie}; jwt=y; ${ann.cookie}; ${bob.cookie}`]) {
      for (const [method, target, body] of [...sessionRoutes(ann), ['POST', `/api/messages/send/${bob.id}`, { message: 'x' }]]) {
        const answer = await call(base(), method, target, body, { cookie });
        assert.deepEqual([answer.status, answer.json.code, answer.cookies], [401, 'AMBIGUOUS_SESSION', []], `${method} ${target}: ${answer.text}`);
        assert.match(answer.headers.get('www-authenticate'), /^Bearer/);
      }
      for (const transports of [['polling'], ['websocket']]) {
        assert.deepEqual(await connects(ann, cookie, { transports }), { code: 'AMBIGUOUS_SESSION' });
      }
      const list = await connects(ann, cookie, { auth: { token: ann.cookie.split('=')[1] } });
      assert.ok(Array.isArray(list), 'auth.token says who it is');
    }
    for (const one of [ann, bob]) assert.equal((await one.get('/api/auth/me')).status, 200);
    assert.deepEqual((await ann.history(bob)).json, []);
  });

  test('never stop a sign-up or a log-in', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    for (const cookie of [`${ann.cookie}; ${bob.cookie}`, `${ann.cookie}; ${ann.cookie}`, 'jwt=x; jwt=y']) {
      const login = await call(base(), 'POST', '/api/auth/login', { username: ann.user.username, password }, { cookie });
      assert.deepEqual([login.status, login.json], [200, ann.user]);
      const username = uniqueName('new');
      const signup = await call(base(), 'POST', '/api/auth/signup',
        { fullName: 'New', username, password, confirmPassword: password, gender: 'male' }, { cookie });
      assert.deepEqual([signup.status, signup.json.username], [201, username]);
    }
  });

  test('all end with a log-out, so that none takes the place of another', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const again = (await ann.logIn()).cookies[0].split(';')[0];
    const kept = (await ann.logIn()).cookies[0].split(';')[0];
    const cookie = `jwt=x; ${ann.cookie}; ${bob.cookie}; ${again}; jwt=a.b.c`;
    const answer = await ann.post('/api/auth/logout', undefined, { cookie });
    assert.deepEqual([answer.status, answer.json], [200, { message: 'Logged out successfully' }]);
    assert.match(answer.cookies[0], /^jwt=; Max-Age=0/);
    for (const one of [ann.cookie, bob.cookie, again, cookie]) {
      await waitUntil('it to be refused', async () => (await ann.get('/api/users', { cookie: one })).status === 401, { within: 1000 * patience });
    }
    assert.equal((await ann.get('/api/auth/me', { cookie: kept })).status, 200);
    assert.equal((await ann.get('/api/auth/me', { cookie: `${cookie}; ${kept}` })).status, 200, 'not locked out by what is left');
    assert.equal((await ann.post('/api/auth/logout', undefined, { cookie: 'jwt=x; jwt=y' })).status, 200);
  });

  test('and Authorization: a good cookie goes first, one that is not good does not hide it', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const authorization = `Bearer ${bob.cookie.split('=')[1]}`;
    const whose = async (cookie) => (await ann.get('/api/auth/me', { cookie, authorization })).json.username;
    assert.equal(await whose(ann.cookie), ann.user.username);
    assert.equal(await whose(`jwt=x; ${ann.cookie}`), ann.user.username);
    for (const cookie of ['jwt=', 'jwt=x', 'jwt=x; jwt=a.b.c', 'a=b']) assert.equal(await whose(cookie), bob.user.username, cookie);
  });
});

describe('several Cookie lines', () => {
  for (const service of ['the gateway', 'auth', 'presence']) {
    test(`are read as one, by ${service}`, async () => {
      const [ann, bob] = [await signUp('ann'), await signUp('bob')];
      const at = service === 'the gateway' ? gateway() : await addressOf(service);
      const target = service === 'presence' ? '/api/users' : '/api/auth/me';
      const empty = service === 'the gateway' ? [''] : []; // which kore itself refuses
      for (const lines of [['jwt=x', ann.cookie], [ann.cookie, 'jwt=x'], ['a=b', 'jwt=x; c=d', ...empty, ann.cookie], [ann.cookie, ann.cookie]]) {
        const answer = await ask(at, 'GET', target, lines);
        assert.equal(answer.status, 200, `${lines}: ${answer.text}`);
        const answerOfPoll = await ask(at, 'GET', service === 'auth' ? target : polling, lines);
        assert.equal(answerOfPoll.status, 200, `${lines}: ${answerOfPoll.text}`);
      }
      const both = await ask(at, 'GET', target, [ann.cookie, bob.cookie]);
      assert.equal(both.status, 401);
      assert.match(both.text, /AMBIGUOUS_SESSION/);
    });
  }

  test('of a WebSocket, too', async () => {
    const ann = await signUp('ann');
    const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
    wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `localhost:${hold.stack.port}` },
      { more: ['Cookie: jwt=x', `Cookie: ${ann.cookie}`] }));
    assert.equal((await wire.head()).status, 101);
    wire.end();
  });
});

describe('a flood of cookies', () => {
  test('that does not fit leaves the session good: the gateway keeps what may be one', async () => {
    const ann = await signUp('ann');
    const again = (await ann.logIn()).cookies[0].split(';')[0];
    const big = `jwt=${'x'.repeat(1000)}.${'y'.repeat(3500)}.${'z'.repeat(43)}`;
    for (const cookie of [`other=${'x'.repeat(4500)}; ${ann.cookie}`, `jwt=x; jwt=${'x'.repeat(4500)}; ${ann.cookie}; jwt=`, `${big}; ${ann.cookie}`,
      `${ann.cookie}; ${big}; jwt=é; jwt="${again.slice(4)}"`, `a=naïve; jwt=x; ${ann.cookie}`, `${'jwt=x; '.repeat(800)}${ann.cookie}`,
      `${'jwt=a.b.c; '.repeat(500)}${ann.cookie}`, `${`${ann.cookie}; `.repeat(20)}${again}`]) {
      const answer = await ask(gateway(), 'GET', '/api/auth/me', [cookie]);
      assert.equal(answer.status, 200, `${cookie.slice(0, 60)}: ${answer.text.slice(0, 300)}`);
    }
  });

  test('in the form of tokens: the longest stay behind, ours are short, and nobody else notices', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const forged = (pad) => (_, i) => `jwt=${signJwt({ userId: ann.id, pad: `${i}`.padStart(pad) }, 'not ours')}`;
    const long = Array.from({ length: 20 }, forged(150)).join('; ');
    const short = Array.from({ length: 48 }, forged(4)).join('; ');
    assert.ok(long.length > 5000 && short.length > 5000);
    const ask50 = (cookie) => Promise.all(Array.from({ length: 50 }, () => ask(gateway(), 'GET', '/api/auth/me', [cookie])));
    for (const cookie of [`${long}; ${ann.cookie}`, `${ann.cookie}; jwt=x; ${long}`]) {
      assert.ok((await ask50(cookie)).every(({ status }) => status === 200));
    }
    const began = Date.now();
    assert.ok((await ask50(`${short}; ${ann.cookie}`)).every(({ status }) => status === 401));
    assert.equal((await bob.get('/api/auth/me')).status, 200);
    assert.ok(Date.now() - began < patient(5000));
  });

  test('straight to a service costs no more than so many: the bound is 100', async () => {
    const ann = await signUp('ann');
    const at = await addressOf('auth');
    const least = (i) => `jwt=${i.toString(36)}.e.${'A'.repeat(43)}`; // 7 KiB hold more of them than are looked at
    const before100 = Array.from({ length: 99 }, (_, i) => least(i)).join(';');
    assert.equal((await ask(at, 'GET', '/api/auth/me', [`${before100};${ann.cookie}`])).status, 200);
    const answer = await ask(at, 'GET', '/api/auth/me', [`${before100};${least(99)};${ann.cookie}`]);
    assert.equal(answer.status, 401);
    assert.match(answer.text, /BAD_TOKEN/);
  });
});

test('COOKIE_NAME=__Host-jwt is the cure: what is called jwt is asked only where no other is good', async (t) => {
  const stack = await Stack.start({ JWT_SECRET: secret, COOKIE_NAME: '__Host-jwt' });
  t.after(() => stack.stop());
  const [ann, eve] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'eve')];
  const planted = `jwt=${eve.cookie.split('=')[1]}`;
  assert.match(ann.cookie, /^__Host-jwt=/);
  for (const cookie of [`${planted}; ${ann.cookie}`, `${ann.cookie}; ${planted}; jwt=x`, `__Host-jwt=x; ${planted}; ${ann.cookie}`,
    `${planted}; a=${'x'.repeat(4500)}; ${ann.cookie}`]) {
    assert.deepEqual((await ann.get('/api/auth/me', { cookie })).json, ann.user, cookie.slice(0, 80));
  }
  const old = `jwt=${ann.cookie.split('=')[1]}`;
  for (const cookie of [old, `__Host-jwt=x; ${old}`, `__Host-jwt=; jwt=x; ${old}`, `a=${'x'.repeat(4500)}; ${old}`]) {
    assert.deepEqual((await ann.get('/api/auth/me', { cookie })).json, ann.user, cookie.slice(0, 80));
  }
  assert.equal((await ann.get('/api/auth/me', { cookie: `${planted}; ${old}` })).json.code, 'AMBIGUOUS_SESSION');
});
