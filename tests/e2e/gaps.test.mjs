// What the bus did not tell in time comes from the store: all of it, once, in order.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Redis } from '../support/redis.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2' });
const people = [];
afterEach(() => { for (const p of people.splice(0)) p.close(); });

/** ann, and bob with a socket on each process of presence. */
async function pair() {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
  people.push(ann, bob);
  const sockets = [];
  await waitUntil('a socket on each process', async () => {
    sockets.push(await bob.connect({ transports: ['websocket'] }));
    return new Set(sockets.map((socket) => socket.io.engine.id.slice(0, 3))).size === 2;
  }, { within: 15000 });
  return { ann, bob, sockets };
}
const texts = (socket) => socket.all('newMessage').map(({ message }) => message);
async function assertAllGet(sockets, expected) {
  for (const socket of sockets) {
    await waitUntil(`${expected.length} messages`, () => texts(socket).length >= expected.length, { within: 10000 });
    assert.deepEqual(texts(socket), expected);
  }
}

test('a Redis that stands still loses nothing, and changes no order', async () => {
  const { ann, bob, sockets } = await pair();
  const pid = await hold.stack.pidOf('redis');
  const sent = ['before'];
  assert.equal((await ann.send(bob, 'before')).status, 201);
  process.kill(pid, 'SIGSTOP');
  try {
    // Each is sent once the one before was answered, by whichever process takes it.
    for (let i = 0; i < 6; i++) {
      sent.push(`still ${i}`);
      // One that stands still meanwhile cannot know who asks, and says 503.
      await waitUntil('a 201', async () => (await ann.send(bob, `still ${i}`, { 'idempotency-key': `still-${i}` })).status === 201, { within: 20000 });
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  for (let i = 0; i < 20; i++) {
    sent.push(`after ${i}`);
    assert.equal((await ann.send(bob, `after ${i}`)).status, 201);
  }
  await assertAllGet(sockets, sent);
});

test('a Redis that is emptied refuses no sender and loses no message', async () => {
  const { ann, bob, sockets } = await pair();
  const redis = await Redis.of(hold.stack);
  const sent = [];
  try {
    for (let i = 0; i < 10; i++) {
      if (i % 3 === 0) assert.equal(await redis.do('FLUSHALL'), '+OK');
      sent.push(`m${i}`);
      assert.equal((await ann.send(bob, `m${i}`)).status, 201);
    }
  } finally {
    redis.end();
  }
  await assertAllGet(sockets, sent);
});

test('a message whose process died before it told of it comes with the next start', { skip: process.env.TEST_STORE === 'mongo' }, async () => {
  const { ann, bob, sockets } = await pair();
  const id = Math.floor(Date.now() / 1000).toString(16) + randomBytes(8).toString('hex');
  // As a process leaves it that is killed between the commit and the publication.
  execFileSync('sqlite3', ['-cmd', '.timeout 5000', path.join(hold.stack.dir, 'data/parley.db'),
    `INSERT INTO messages (id, sender, receiver, text, created) VALUES (x'${id}', x'${ann.id}', x'${bob.id}', 'untold', ${Date.now()})`]);
  const pid = await hold.stack.pidOf('message1');
  process.kill(-pid, 'SIGKILL');
  await waitUntil('another message1', async () => (await hold.stack.pidOf('message1')) !== pid, { within: 20000 });
  await assertAllGet(sockets, ['untold']);
  assert.equal(sockets[0].all('newMessage')[0]._id, id);
});
