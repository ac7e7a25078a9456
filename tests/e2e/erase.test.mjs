// A person is erased: gone at once for everybody, and soon nothing of them is left in any store, log or Redis.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import mongoose from 'mongoose';
import { Person, call, password } from '../support/api.mjs';
import { repliesOwed, storeMessage, storedHash } from '../support/database.mjs';
import { Stack } from '../support/stack.mjs';
import { patience, patient, waitUntil } from '../support/wait.mjs';

const SECRET = 'unmistakable-words';
const settle = 30000; // PL_ERASE_SETTLE_MS, PL_ERASE_TELL_MS, and some looks
const erase = (person, body) => person.erase(body);
const metric = async (stack, name) => Number(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)`, 'm').exec(
  await (await fetch(`${await stack.addressOf('auth')}/metrics`)).text())?.[1]);
const underWay = (stack) => metric(stack, 'parley_erasures_under_way');

/** All bytes that a stack's store has, however it has them. */
async function dump(stack) {
  if (!stack.mongoUri) {
    const files = ['parley.db', 'parley.db-wal', 'parley.db-shm'].map((name) => path.join(stack.dir, 'data', name));
    return Buffer.concat(await Promise.all(files.map((file) => readFile(file).catch(() => Buffer.alloc(0))))).toString('latin1');
  }
  const connection = await mongoose.createConnection(stack.mongoUri).asPromise();
  try {
    let text = '';
    for (const { name } of await connection.db.listCollections().toArray()) {
      text += JSON.stringify(await connection.db.collection(name).find().toArray());
    }
    return text;
  } finally {
    await connection.close();
  }
}

/** Every key of a stack's Redis, and what it has. */
async function redisDump(stack) {
  const conf = await readFile(path.join(stack.dir, 'data/run/redis.conf'), 'utf8');
  const setting = (name) => conf.match(new RegExp(`^${name} (.*)$`, 'm'))[1];
  const redis = (...words) => execFileSync('redis-cli', ['-h', setting('bind'), '-p', setting('port'), '--no-auth-warning', '-a', setting('requirepass'), ...words], { encoding: 'latin1' });
  const keys = redis('KEYS', '*').split('\n').filter(Boolean);
  assert.ok(keys.length > 0);
  return keys.map((key) => `${key} ${redis('DUMP', key)}`).join('\n');
}

async function allLogs(stack) {
  const folder = path.join(stack.dir, 'data/run/logs');
  const names = await readdir(folder);
  return (await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8').catch(() => '')))).join('\n');
}

const isErased = async (stack, words) => {
  const text = await dump(stack);
  return words.every((word) => !text.includes(word));
};

describe('erasing', () => {
  let stack;
  before(async () => { stack = await Stack.start({ AUTH_PROCESSES: '2', PRESENCE_PROCESSES: '2', LIMIT_LOGIN_ADDRESS: '1000', LIMIT_LOGIN_ACCOUNT: '1000' }); }, { timeout: patient(60000) });
  after(() => stack?.stop(), { timeout: patient(30000) });
  const signUp = (name, fields) => Person.signUp(stack.url, name, fields);

  test('takes a person away at once, and their words soon', { timeout: patient(90000) }, async (t) => {
    const [ann, bob] = [await signUp('erased-ann', { fullName: 'Annabella Unmistakable' }), await signUp('bob')];
    t.after(() => { ann.close(); bob.close(); });
    const heard = await bob.connect({ auth: { presence: 'delta' } });
    const eve = await signUp('eve');
    t.after(() => eve.close());
    const stranger = await eve.connect();
    const sockets = [await ann.connect(), await ann.connect({ transports: ['websocket'] })];
    const sent = (await ann.send(bob, `${SECRET} to bob`, { 'idempotency-key': 'a-key' })).json;
    assert.equal((await bob.send(ann, "bob's own words")).status, 201);
    assert.equal((await ann.send(ann, `${SECRET} to myself`)).status, 201);
    assert.equal((await bob.setStatus('BUSY')).status, 200);
    assert.equal((await ann.setStatus('BUSY', `${SECRET} note`)).status, 200);
    assert.equal((await bob.send(ann, 'a reply is owed')).status, 201);
    assert.equal((await ann.send(bob, `${SECRET} and one to ann`)).status, 201);
    assert.equal((await bob.post(`/api/messages/read/${ann.id}`, { upTo: sent._id })).status, 200);
    const hash = await storedHash(stack, ann);
    const answer = await erase(ann);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json, { success: true });
    assert.match(answer.cookies[0], /^jwt=;/);
    await waitUntil('the end of her sockets', () => sockets.every((socket) => !socket.connected), { within: 1000 * patience });

    // Before the second sweep, which comes 15 s after the first one.
    await waitUntil("ann's words to be deleted", async () => (await bob.history(ann)).json
      .every(({ senderId, message, deletedAt }) => senderId !== ann.id || (message === '' && deletedAt)), { within: 5000 });
    const history = (await bob.history(ann)).json;
    // Another process had this one under way: the second sweep finds it.
    const late = randomBytes(12).toString('hex');
    await storeMessage(stack, late, ann, bob, `${SECRET} and late`);

    await waitUntil('ann to be offline', () => heard.all('presence').some(({ userId, online }) => userId === ann.id && !online), { within: 3000 });

    for (const path of ['/api/auth/me', '/api/users', '/api/auth/export']) {
      await waitUntil(`401 of ${path}`, async () => (await ann.get(path)).status === 401, { within: 1000 * patience });
    }
    const login = await ann.logIn();
    const unknown = await call(stack.url, 'POST', '/api/auth/login', { username: 'nobody-at-all', password });
    assert.deepEqual([login.status, login.json], [unknown.status, unknown.json]);
    assert.ok(!(await bob.get('/api/users')).json.some(({ _id }) => _id === ann.id));
    assert.deepEqual((await bob.get('/api/users?q=annabella')).json, []);
    assert.deepEqual((await bob.get('/api/conversations')).json, []);
    assert.equal((await bob.get(`/api/conversations/${ann.id}`)).status, 404);
    assert.equal((await bob.send(ann, 'are you there?')).status, 404);
    const again = await call(stack.url, 'POST', '/api/auth/signup', {
      fullName: 'New Comer', username: ann.user.username, password: 'another password', confirmPassword: 'another password', gender: 'male' });
    assert.equal(again.status, 201);
    const newcomer = new Person(stack.url, again.json, again.cookies[0].split(';')[0]);
    assert.notEqual(newcomer.id, ann.id);
    assert.deepEqual((await newcomer.get('/api/conversations')).json, []);
    assert.deepEqual((await newcomer.history(bob)).json, []);

    assert.deepEqual(history.filter(({ senderId, autoReply }) => senderId === bob.id && !autoReply).map(({ message }) => message), ["bob's own words", 'a reply is owed']);
    assert.equal(await repliesOwed(stack), 0);
    // Bob's page has them on its screen, and is told, also of the late one; who never wrote with ann is not.
    const deleted = () => heard.all('messageDeleted').map(({ message }) => message);
    const hers = history.filter(({ senderId }) => senderId === ann.id);
    await waitUntil('bob to be told of all', () => [late, ...hers.map(({ _id }) => _id)].every((id) => deleted().some(({ _id }) => _id === id)), { within: settle });
    const byId = (a, b) => (a._id < b._id ? -1 : 1);
    assert.deepEqual(deleted().filter(({ _id }) => _id !== late).sort(byId), hers.sort(byId));
    assert.equal(deleted().length, hers.length + 1);
    await waitUntil('bob to be told of her', () => heard.all('userDeleted').length > 0, { within: settle });
    for (const event of heard.all('userDeleted')) assert.deepEqual(event, { userId: ann.id }); // one for each sweep
    assert.deepEqual([stranger.all('userDeleted'), stranger.all('messageDeleted')], [[], []]);
    const words = [SECRET, 'Annabella', 'annabella', hash];
    await waitUntil('nothing to be left of them', () => isErased(stack, words), { within: settle });
    await waitUntil('the erasure to be done', async () => (await underWay(stack)) === 0, { within: settle });
    assert.ok(await isErased(stack, words));
    const logs = await waitUntil('the log to say so', async () => { const text = await allLogs(stack); return text.includes('erasure was finished') && text; }, { within: settle });
    for (const word of [...words, ann.user.username]) assert.ok(!logs.includes(word), word);
    const redis = await redisDump(stack);
    for (const word of [...words, ann.user.username]) assert.ok(!redis.includes(word), word);
    assert.equal((await newcomer.get('/api/auth/me')).status, 200);
  });

  test('needs the right password, as JSON, from whoever it is', async () => {
    const eve = await signUp('eve');
    const wrong = await erase(eve, { password: 'not the password' });
    assert.deepEqual([wrong.status, wrong.json.code], [403, 'BAD_PASSWORD']);
    for (const body of [{}, { password: 7 }, { password: null }, { password: '' }, { password: ['x'] }, { password: { $gt: '' } }, { password: 'x'.repeat(1025) }]) {
      assert.equal((await erase(eve, body)).status, 400, JSON.stringify(body).slice(0, 50));
    }
    for (const body of ['{"password"', '[]', '"x"']) assert.equal((await erase(eve, body)).status, 400, body);
    assert.equal((await call(stack.url, 'DELETE', '/api/auth/me', undefined, { cookie: eve.cookie })).status, 415);
    assert.equal((await call(stack.url, 'DELETE', '/api/auth/me', 'password=x', { cookie: eve.cookie, 'content-type': 'application/x-www-form-urlencoded' })).status, 415);
    assert.equal((await call(stack.url, 'DELETE', '/api/auth/me', { password })).status, 401);
    assert.equal((await call(stack.url, 'DELETE', '/api/auth/me', { password: 'x'.repeat(200000) }, { cookie: eve.cookie })).status, 413);
    assert.equal((await eve.get('/api/auth/me')).status, 200);
    // The body of another DELETE means nothing, and nobody makes a DELETE of a POST.
    assert.equal((await call(stack.url, 'DELETE', '/api/auth/sessions/x', { password }, { cookie: eve.cookie })).status, 404);
    const posted = await call(stack.url, 'POST', '/api/auth/me', { password }, { cookie: eve.cookie, 'x-method': 'DELETE' });
    assert.equal(posted.status, 405);
    assert.match(posted.headers.get('allow'), /DELETE/);
    assert.equal((await eve.get('/api/auth/me')).status, 200);
    assert.equal((await erase(eve)).status, 200);
    assert.equal((await erase(eve)).status, 401);
  });

  test('counts wrong passwords as log-ins', { timeout: patient(60000) }, async (t) => {
    const strict = await Stack.start({ LIMIT_LOGIN_ACCOUNT: '6', LIMIT_LOGIN_ADDRESS: '1000' });
    t.after(() => strict.stop());
    const eve = await Person.signUp(strict.url, 'eve');
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await erase(eve, { password: `guess ${i}` })).status);
    assert.ok(statuses.includes(403) && statuses.includes(429), String(statuses));
    assert.equal((await erase(eve)).status, 429);
    assert.equal((await eve.logIn()).status, 429);
  });
});

test('a kill -9 at any moment is finished by the next process, and tokens stay refused', { timeout: patient(180000) }, async (t) => {
  const stack = await Stack.start({ AUTH_PROCESSES: '1' });
  t.after(() => stack.stop());
  const bob = await Person.signUp(stack.url, 'bob');
  for (const wait of [0, 30, 200]) {
    const ann = await Person.signUp(stack.url, 'ann', { fullName: 'Annabella Unmistakable' });
    for (let i = 0; i < 300; i += 20) {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, k) => ann.send(bob, `${SECRET} ${i + k}`)));
      for (const { status } of answers) assert.equal(status, 201);
    }
    const pid = await stack.pidOf('auth1');
    const answer = erase(ann).catch((error) => error);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const { status } = wait > 0 ? await answer : {};
    process.kill(pid, 'SIGKILL');
    await answer;
    // What the killed one had under way may still answer.
    await waitUntil('another auth', async () => (await stack.pidOf('auth1').catch(() => pid)) !== pid, { within: 20000 });
    await waitUntil('auth to be back', async () => (await call(stack.url, 'POST', '/api/auth/login', { username: bob.user.username, password })).status === 200, { within: 20000 });
    if (status !== 200) {
      // It was killed before it had answered: done, or not begun.
      const again = await erase(ann);
      assert.ok([200, 401].includes(again.status), again.text);
    }
    await waitUntil('401', async () => (await ann.get('/api/auth/me')).status === 401, { within: 8000 });
    await waitUntil("ann's words to be deleted", async () => (await bob.history(ann)).json.every(({ message }) => message === ''), { within: 30000 });
    assert.equal((await bob.history(ann)).json.length, 300);
  }
  process.kill(await stack.pidOf('auth1'), 'SIGKILL');
  await waitUntil('all to be done', async () => (await underWay(stack).catch(() => 1)) === 0, { within: 60000 });
  assert.ok(await isErased(stack, [SECRET, 'Annabella', 'annabella']));
});
