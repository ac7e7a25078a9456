// Sessions without end: what logs in and out costs no more with each round, and a dead token does nothing (issue 15, points 8 and 11).
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { revocationsOf, storeRevocationLike } from '../support/database.mjs';
import { mernClaims, signJwt } from '../support/jwt.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { patience, waitUntil } from '../support/wait.mjs';

const secret = 'a secret of the tests, long enough for HS256';
const cookieOf = (answer) => answer.cookies[0].split(';')[0];
const services = ['/api/auth/me', '/api/users', `/api/messages/${'0'.repeat(24)}`];

/** At how many of the three services the cookie is refused. */
const refusals = async (url, cookie) => {
  const answers = await Promise.all(services.map((path) => call(url, 'GET', path, undefined, { cookie })));
  return answers.filter(({ status }) => status === 401).length;
};
const isRefused = async (url, cookie) => await refusals(url, cookie) === 3;

describe('a token that was logged out', () => {
  const hold = useStack({ before, after, afterEach }, { AUTH_PROCESSES: '2', JWT_SECRET: secret });

  test('logs nobody out: the cookie is cleared, the user stays online and may send', async () => {
    const { url } = hold.stack;
    const [ann, bob] = [await Person.signUp(url, 'ann'), await Person.signUp(url, 'bob')];
    const dead = [ann.cookie, `jwt=${signJwt(mernClaims(ann.id), secret)}`];
    for (const cookie of dead) assert.equal((await ann.post('/api/auth/logout', undefined, { cookie })).status, 200);
    ann.cookie = cookieOf(await ann.logIn());
    for (let i = 0; i < 10; i++) {
      const answer = await ann.post('/api/auth/logout', undefined, { cookie: dead[i % 2] });
      assert.deepEqual([answer.status, answer.json], [200, { message: 'Logged out successfully' }]);
      assert.match(answer.cookies[0], /^jwt=;.*max-age=0/i);
      assert.equal((await ann.send(bob, `hello ${i}`)).status, 201);
    }
  });

  test('ends no socket, while one that is good ends its own', async () => {
    const { url } = hold.stack;
    const ann = await Person.signUp(url, 'ann');
    const dead = ann.cookie;
    await ann.post('/api/auth/logout');
    ann.cookie = cookieOf(await ann.logIn());
    const socket = await ann.connect({ reconnection: false });
    await ann.post('/api/auth/logout', undefined, { cookie: dead });
    await ann.post('/api/auth/logout', undefined, { cookie: dead });
    assert.equal((await ann.get('/api/auth/me')).status, 200);
    assert.ok(socket.connected);
    await ann.post('/api/auth/logout');
    await waitUntil('the end', () => !socket.connected, { within: 1000 * patience });
  });

  // Redis is there all the time, so that nobody has a reason to look.
  test('by a process that died before it told of it is refused by all, and its sockets are closed', { skip: process.env.TEST_STORE === 'mongo' && 'writes into SQLite' }, async () => {
    const { url } = hold.stack;
    const ann = await Person.signUp(url, 'ann');
    await ann.post('/api/auth/logout');
    ann.cookie = cookieOf(await ann.logIn());
    const socket = await ann.connect({ reconnection: false });
    const { jti } = JSON.parse(Buffer.from(ann.cookie.split('.')[1], 'base64url'));
    assert.equal(await refusals(url, ann.cookie), 0);
    storeRevocationLike(hold.stack, ann, jti);
    await waitUntil('the end', () => !socket.connected, { within: 3000 });
    await waitUntil('all to refuse it', () => isRefused(url, ann.cookie), { within: 3000 });
  });
});

describe('a user who logs in and out all the time', () => {
  test('has 100 revocations at most; who is in stays in, who is out is out, also after a start', async () => {
    let stack = await Stack.start({ JWT_SECRET: secret });
    try {
      const ann = await Person.signUp(stack.url, 'ann');
      const bob = await Person.signUp(stack.url, 'bob');
      const phone = ann.cookie;
      const mern = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
      const ended = [];
      let middle;
      for (let i = 0; i < 160; i++) {
        const cookie = cookieOf(await ann.logIn());
        if (i === 80) {
          middle = cookie;
        } else {
          assert.equal((await ann.post('/api/auth/logout', undefined, { cookie })).status, 200);
          ended.push(cookie);
        }
      }
      const last = cookieOf(await ann.logIn());
      const samples = [...ended.slice(0, 5), ...ended.slice(60, 65), ...ended.slice(-5)];
      const count = await revocationsOf(stack, ann);
      assert.ok(count <= 100 && count > 0, `${count} are stored`);
      await waitUntil('all to know of the last', () => isRefused(stack.url, ended.at(-1)), { within: 1000 * patience });
      for (let start = 0; start < 2; start++) {
        for (const cookie of [phone, mern, middle, last, bob.cookie]) assert.equal(await refusals(stack.url, cookie), 0);
        for (const cookie of samples) assert.equal(await refusals(stack.url, cookie), 3);
        await stack.stop({ keep: true });
        stack = await Stack.start({ JWT_SECRET: secret }, { dir: stack.dir, port: stack.port });
      }
      assert.equal((await ann.post('/api/auth/logout', undefined, { cookie: phone })).status, 200);
      await waitUntil('it to be refused', () => isRefused(stack.url, phone), { within: 1000 * patience });
    } catch (error) {
      await stack.printLogs();
      throw error;
    } finally {
      await stack.stop();
    }
  });

  test('and never out has 100 sessions at most: the oldest ends', async () => {
    const stack = await Stack.start({});
    try {
      const ann = await Person.signUp(stack.url, 'ann');
      const socket = await ann.connect({ reconnection: false });
      const second = cookieOf(await ann.logIn());
      let last;
      for (let i = 0; i < 98; i++) last = cookieOf(await ann.logIn());
      assert.equal(await refusals(stack.url, ann.cookie), 0);
      last = cookieOf(await ann.logIn());
      await waitUntil('the oldest to end', () => isRefused(stack.url, ann.cookie), { within: 1000 * patience });
      await waitUntil('its socket to end', () => !socket.connected, { within: 1000 * patience });
      for (const cookie of [second, last]) assert.equal(await refusals(stack.url, cookie), 0);
    } finally {
      await stack.stop();
    }
  });
});

describe('a session that nobody uses', () => {
  const idle_s = Math.ceil(4 * Math.sqrt(patience)); // more than such a machine stands still
  const hold = useStack({ before, after, afterEach }, { JWT_SECRET: secret, SESSION_IDLE_SECONDS: String(idle_s), MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2' });
  const pass = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });

  test('is over at every service after SESSION_IDLE_SECONDS; requests and sockets are uses', async () => {
    const { url } = hold.stack;
    const [ann, bob, eve] = [await Person.signUp(url, 'ann'), await Person.signUp(url, 'bob'), await Person.signUp(url, 'eve')];
    const idle = cookieOf(await ann.logIn());
    const mern = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
    const held = await bob.connect({ reconnection: false });
    const byMern = await ann.connect({ reconnection: false, extraHeaders: { cookie: mern } });
    for (const cookie of [idle, mern, ann.cookie]) assert.equal(await refusals(url, cookie), 0);
    // Only one service is asked, in turn another: what one knows all have to know.
    for (let i = 0; i < 2 * idle_s + 2; i++) {
      await pass(1);
      assert.equal((await call(url, 'GET', services[i % 3], undefined, { cookie: ann.cookie })).status, 200, `after ${i + 1} s`);
    }
    for (const cookie of [idle, mern, eve.cookie]) assert.equal(await refusals(url, cookie), 3);
    assert.equal(await refusals(url, ann.cookie), 0);
    assert.ok(held.connected, 'an open socket is use enough');
    assert.equal(await refusals(url, bob.cookie), 0);
    assert.ok(!byMern.connected, 'a token of no list has its time from when it was issued');
    await assert.rejects(eve.connect({ reconnection: false }));
    assert.deepEqual((await ann.get('/api/auth/sessions')).json.map(({ current }) => current), [true], 'those that are over are not shown');
    held.disconnect();
    await pass(idle_s + 2);
    assert.equal(await refusals(url, bob.cookie), 3);
    eve.cookie = cookieOf(await eve.logIn());
    assert.equal(await refusals(url, eve.cookie), 0);
  });
});

describe('the sessions of a user', () => {
  const hold = useStack({ before, after, afterEach }, { JWT_SECRET: secret });
  const sessionsOf = (person, cookie = person.cookie) => person.get('/api/auth/sessions', { cookie });
  const end = (person, id, cookie = person.cookie) => call(person.base, 'DELETE', `/api/auth/sessions/${id}`, undefined, { cookie });

  test('are listed, the latest first, and one that is ended is refused while the user stays online', async () => {
    const { url } = hold.stack;
    const [ann, bob] = [await Person.signUp(url, 'ann'), await Person.signUp(url, 'bob')];
    const other = cookieOf(await ann.logIn());
    const { status, json } = await sessionsOf(ann);
    assert.equal(status, 200);
    assert.deepEqual(json.map(({ current }) => current), [false, true]);
    for (const { _id, createdAt, expiresAt, ...rest } of json) {
      assert.match(_id, /^[0-9a-f]{32}$/);
      assert.equal(new Date(expiresAt) - new Date(createdAt), 15 * 86400 * 1000);
      assert.deepEqual(Object.keys(rest), ['current']);
    }
    assert.deepEqual((await sessionsOf(ann, other)).json.map(({ current }) => current), [true, false]);

    for (const id of [json[0]._id, json[1]._id]) assert.equal((await end(bob, id)).status, 404, 'they are none of his');
    const socket = await ann.connect({ reconnection: false, extraHeaders: { cookie: other } });
    assert.deepEqual((await end(ann, json[0]._id)).json, { success: true });
    await waitUntil('it to be refused', () => isRefused(url, other), { within: 1000 * patience });
    await waitUntil('its socket to end', () => !socket.connected, { within: 1000 * patience });
    assert.equal((await ann.send(bob, 'still here')).status, 201);
    assert.deepEqual((await sessionsOf(ann)).json.map(({ _id }) => _id), [json[1]._id]);
    assert.equal((await end(ann, json[0]._id)).status, 404, 'it has ended');
    assert.equal((await sessionsOf(bob)).json.length, 1);
  });

  test('may end their own, and that of a MERN token; what is no id is not found', async () => {
    const { url } = hold.stack;
    const ann = await Person.signUp(url, 'ann');
    const mern = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
    const { json } = await sessionsOf(ann, mern);
    assert.deepEqual(json.map(({ current }) => current), [true, false]);
    for (const id of ['x', '0'.repeat(32), `${json[0]._id}0`]) {
      const answer = await end(ann, id);
      assert.deepEqual([answer.status, answer.json.code], [404, 'NO_SESSION'], id);
    }
    for (const [id, cookie] of [[json[0]._id, mern], [json[1]._id, ann.cookie]]) {
      const answer = await end(ann, id, cookie);
      assert.equal(answer.status, 200);
      assert.match(answer.cookies[0], /^jwt=;/);
      await waitUntil('it to be refused', () => isRefused(url, cookie), { within: 1000 * patience });
    }
    const eve = await Person.signUp(url, 'eve');
    const endless = `jwt=${signJwt(`{"userId":"${eve.id}","iat":-9223372036854775808,"exp":9223372036854775807}`, secret)}`;
    const [own] = (await sessionsOf(eve, endless)).json;
    assert.deepEqual([own.createdAt, own.expiresAt], ['1970-01-01T00:00:00.000Z', '9999-12-31T23:59:59.000Z']);
    assert.equal((await call(url, 'GET', '/api/auth/sessions')).status, 401);
    assert.equal((await call(url, 'DELETE', `/api/auth/sessions/${json[0]._id}`)).status, 401);
  });
});
