// All that is a person's, in one file.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import mongoose from 'mongoose';
import { Person, call } from '../support/api.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { treeBytes } from '../support/process.mjs';
import { Proxy } from '../support/proxy.mjs';
import { Stack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const MANY = 100000;

/** So many messages between two, as another program stored them. */
async function storeMany(stack, from, to, count) {
  if (!stack.mongoUri) {
    execFileSync('sqlite3', ['-cmd', '.timeout 20000', path.join(stack.dir, 'data/parley.db'), `
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      INSERT INTO messages (id, sender, receiver, text, created)
      SELECT randomblob(12), iif(i % 2, x'${from.id}', x'${to.id}'), iif(i % 2, x'${to.id}', x'${from.id}'),
        'message ' || i || ' ' || hex(randomblob(40)), (SELECT max(created) FROM messages) + i FROM n`]);
    return;
  }
  const connection = await mongoose.createConnection(stack.mongoUri).asPromise();
  const [a, b] = [from, to].map(({ id }) => new mongoose.Types.ObjectId(id));
  const now = Date.now();
  for (let i = 0; i < count; i += 5000) {
    await connection.db.collection('messages').insertMany(Array.from({ length: 5000 }, (_, k) => ({
      senderId: k % 2 ? a : b, receiverId: k % 2 ? b : a, message: `message ${i + k} ${'x'.repeat(80)}`,
      createdAt: new Date(now + i + k), updatedAt: new Date(now + i + k), __v: 0 })));
  }
  await connection.close();
}

const memoryOf = async (stack) => treeBytes(await stack.pidOf('auth1'));

describe('an export', () => {
  let stack;
  before(async () => { stack = await Stack.start({ LIMIT_EXPORTS_PER_HOUR: '0' }); }, { timeout: patient(60000) });
  after(() => stack?.stop(), { timeout: patient(30000) });

  test('has the profile, every message written or got in order, and read marks', async (t) => {
    const [ann, bob, eve] = await Promise.all(['ann', 'bob', 'eve'].map((name) => Person.signUp(stack.url, name)));
    t.after(() => bob.close());
    const expected = [];
    for (const [from, to] of [[ann, bob], [bob, ann], [ann, eve], [ann, ann], [eve, ann], [bob, ann]]) {
      const { status, json } = await from.send(to, `from ${from.user.username} "quoted" \u{1f600}`);
      assert.equal(status, 201);
      expected.push(json);
    }
    assert.equal((await bob.send(eve, "not ann's")).status, 201);
    await ann.setStatus('BUSY', 'in a meeting');
    assert.equal((await bob.send(ann, 'busy?')).status, 201);
    await new Promise((resolve) => setTimeout(resolve, 1000)); // an automatic reply may come
    assert.equal((await ann.post(`/api/messages/read/${bob.id}`, { upTo: expected[1]._id })).status, 200);
    const carol = await Person.signUp(stack.url, 'carol');
    assert.equal((await ann.post(`/api/users/block/${carol.id}`)).status, 200);

    const { status, headers, json } = await ann.get('/api/auth/export');
    assert.equal(status, 200);
    assert.match(headers.get('content-type'), /^application\/json/);
    assert.equal(headers.get('content-disposition'), 'attachment; filename="parley-export.json"');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.deepEqual(Object.keys(json), ['profile', 'messages', 'blocks', 'readMarks']);
    const { createdAt, updatedAt, gender, statusNote, status: state, ...profile } = json.profile;
    const { status: _, ...user } = ann.user;
    assert.deepEqual(profile, user);
    assert.deepEqual([gender, statusNote, state], ['female', 'in a meeting', 'BUSY']);
    assert.ok(createdAt && updatedAt);
    assert.deepEqual(json.messages.slice(0, expected.length), expected);
    const rest = json.messages.slice(expected.length);
    assert.equal(rest[0].message, 'busy?');
    for (const m of rest.slice(1)) assert.equal(m.autoReply.inReplyTo, rest[0]._id);
    assert.deepEqual(json.blocks, [carol.user]);
    assert.deepEqual(json.readMarks, [{ userId: bob.id, readUpTo: expected[1]._id, deliveredUpTo: expected[1]._id }]);
    assert.ok(!JSON.stringify(json).includes('$argon2'));
  });

  test('of somebody who has nothing is a document, too', async () => {
    const ann = await Person.signUp(stack.url, 'ann');
    const { json } = await ann.get('/api/auth/export');
    assert.deepEqual([json.messages, json.blocks, json.readMarks], [[], [], []]);
    assert.equal((await call(stack.url, 'GET', '/api/auth/export')).status, 401);
    assert.equal((await ann.post('/api/auth/export', {})).status, 405);
  });

  test(`of ${MANY} messages takes no more memory than one of few`, { timeout: patient(180000) }, async (t) => {
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
    assert.equal((await ann.send(bob, 'hello')).status, 201);
    assert.equal((await ann.get('/api/auth/export')).status, 200);
    const count = stack.mongoUri ? MANY / 5 : MANY;
    await storeMany(stack, ann, bob, count);
    const begin = await memoryOf(stack);
    let peak = 0;
    let is = true;
    const looks = (async () => {
      while (is) {
        peak = Math.max(peak, await memoryOf(stack));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const response = await fetch(`${stack.url}/api/auth/export`, { headers: { cookie: ann.cookie } });
    const text = await response.text();
    is = false;
    await looks;
    const { messages } = JSON.parse(text);
    assert.equal(messages.length, count + 1);
    const ids = new Set(messages.map(({ _id }) => _id));
    assert.equal(ids.size, messages.length);
    for (let i = 1; i < messages.length; i++) assert.ok(messages[i - 1].createdAt <= messages[i].createdAt);
    t.diagnostic(`${text.length} bytes took ${peak - begin} of memory`);
    // It fills SQLite's caches, of 2 MB for each connection: 8 MB mostly. ASan keeps what was freed, for a while.
    const isSanitized = Boolean(process.env.SERVICE_PRELOAD);
    assert.ok(isSanitized || (peak - begin < 12e6 && peak - begin < text.length / 2), `${text.length} bytes took ${peak - begin}`);
  });
});

test('exports are one at a time, and so many an hour', { timeout: patient(90000) }, async (t) => {
  const stack = await Stack.start({ LIMIT_EXPORTS_PER_HOUR: '3' });
  t.after(() => stack.stop());
  const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
  // One who reads nothing keeps theirs under way: more than the kernel takes for them.
  for (let i = 0; i < 300; i++) assert.equal((await ann.send(bob, 'x'.repeat(60000))).status, 201);
  const slow = await new Promise((resolve, reject) => {
    http.get(`${stack.url}/api/auth/export`, { headers: { cookie: ann.cookie } }, resolve).once('error', reject);
  });
  assert.equal(slow.statusCode, 200);
  const second = await ann.get('/api/auth/export');
  assert.equal(second.status, 429);
  assert.ok(Number(second.headers.get('retry-after')) >= 1);
  assert.equal((await bob.get('/api/auth/export')).status, 200);
  slow.destroy();
  await waitUntil('the first one to be over', async () => (await ann.get('/api/auth/export')).status === 200);
  const statuses = [];
  for (let i = 1; i < 4; i++) statuses.push((await ann.get('/api/auth/export')).status);
  assert.deepEqual(statuses, [200, 429, 429]);
  assert.equal((await bob.get('/api/auth/export')).status, 200);
});

test('a failure in the middle breaks the transfer, and leaves no valid document', { timeout: patient(90000) }, async (t) => {
  const uri = new URL(await newDatabase());
  const proxy = await Proxy.start({ host: uri.hostname, port: Number(uri.port) });
  t.after(() => proxy.stop());
  const stack = await Stack.start({ MONGO_DB_URI: `mongodb://127.0.0.1:${proxy.port}${uri.pathname}` });
  t.after(() => stack.stop());
  const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
  // More than the kernel takes between the service and us, if we come late to break it.
  for (let i = 0; i < 300; i++) assert.equal((await ann.send(bob, 'x'.repeat(60000))).status, 201);
  const response = await new Promise((resolve, reject) => {
    http.get(`${stack.url}/api/auth/export`, { headers: { cookie: ann.cookie } }, resolve).once('error', reject);
  });
  assert.equal(response.statusCode, 200);
  let text = '';
  await new Promise((resolve) => response.once('readable', resolve));
  text += response.read();
  proxy.cut();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const end = await new Promise((resolve) => {
    response.on('data', (piece) => { text += piece; });
    response.once('end', () => resolve('end')).once('error', () => resolve('error')).once('aborted', () => resolve('aborted'));
  });
  assert.notEqual(end, 'end');
  assert.throws(() => JSON.parse(text));
});
