// What was written is never lost, never sent twice, and sent in order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drafts } from '../../gateway/web/core/drafts.js';
import { Outbox } from '../../gateway/web/core/outbox.js';
import { ann, bob, MemoryStorage, me, settle } from './helpers.mjs';

/** A server that answers when it is told to. */
class Server {
  posts = [];
  post = (item) => new Promise((resolve, reject) => { this.posts.push({ ...item, resolve, reject }); });
  get texts() { return this.posts.map((one) => one.text); }
  async answer(error) {
    const last = this.posts.at(-1);
    if (error) last.reject(error);
    else last.resolve({ _id: last.key });
    await settle();
  }
}

function make({ storage = new MemoryStorage(), server = new Server(), owner = 'one', userId = me } = {}) {
  const sent = [];
  const outbox = new Outbox({ userId, storage, owner, post: server.post, onSent: (item) => sent.push(item.text) });
  return { outbox, storage, server, sent };
}

test('ten lines go one at a time, in order, each under a key of its own', async () => {
  const { outbox, server, sent } = make();
  outbox.resume();
  const lines = Array.from({ length: 10 }, (_, i) => `line ${i}`);
  for (const line of lines) outbox.add(ann, line);
  assert.deepEqual(outbox.of(ann).map((item) => item.text), lines, 'shown at once');
  for (let i = 0; i < 10; i++) {
    assert.equal(server.posts.length, i + 1, 'one at a time');
    await server.answer();
  }
  assert.deepEqual(sent, lines);
  assert.equal(new Set(server.posts.map((one) => one.key)).size, 10);
  assert.deepEqual(outbox.all, []);
});

test('what fails stays in its conversation; what comes after goes on', async () => {
  const { outbox, server, storage } = make();
  outbox.resume();
  outbox.add(ann, 'first');
  outbox.add(bob, 'second');
  await server.answer(new Error('No room.'));
  assert.deepEqual(outbox.of(ann).map(({ state, reason }) => [state, reason]), [['failed', 'No room.']]);
  await server.answer();
  assert.deepEqual(server.texts, ['first', 'second']);
  const [{ key }] = outbox.of(ann);
  outbox.retry(key);
  assert.equal(server.posts[2].key, key, 'under the same key');
  await server.answer(new Error('No room.'));
  outbox.remove(key);
  assert.equal(outbox.all.length, 0);
  assert.equal(storage.length, 0);
});

test('while the connection is away it waits, and then goes on in order', async () => {
  const { outbox, server } = make();
  outbox.add(ann, 'a');
  outbox.add(ann, 'b');
  assert.equal(server.posts.length, 0);
  outbox.resume();
  await server.answer(Object.assign(new Error(), { isWaiting: true }));
  assert.deepEqual(outbox.of(ann).map((item) => item.state), ['waiting', 'waiting']);
  assert.equal(server.posts.length, 1);
  outbox.resume();
  assert.equal(server.posts[1].key, server.posts[0].key);
  await server.answer();
  await server.answer();
  assert.deepEqual(server.texts, ['a', 'a', 'b']);
});

test('a reload keeps all of it; what was under way goes again under its key', async () => {
  const { outbox, server, storage } = make();
  outbox.resume();
  outbox.add(ann, 'failed');
  outbox.add(ann, 'under way');
  outbox.add(ann, 'waiting');
  await server.answer(new Error('no'));
  const again = make({ storage, owner: 'two' });
  assert.deepEqual(again.outbox.owners(), ['one']);
  again.outbox.adopt('one');
  assert.deepEqual(again.outbox.of(ann).map(({ text, state }) => [text, state]), [['failed', 'failed'], ['under way', 'waiting'], ['waiting', 'waiting']]);
  again.outbox.resume();
  assert.equal(again.server.posts[0].key, server.posts[1].key);
});

test('another tab\'s, and another person\'s, are left alone', () => {
  const { outbox, storage } = make();
  outbox.add(ann, 'mine');
  const other = make({ storage, owner: 'two' });
  assert.deepEqual(other.outbox.all, []);
  assert.deepEqual(make({ storage, owner: 'three', userId: bob }).outbox.owners(), []);
});

test('what is under way cannot be deleted', () => {
  const { outbox } = make();
  outbox.resume();
  const { key } = outbox.add(ann, 'gone already');
  outbox.remove(key);
  assert.equal(outbox.all.length, 1);
});

test('a full or foreign storage breaks nothing', async () => {
  const storage = new MemoryStorage();
  storage.setItem(`parley.outbox.${me}.x`, '{not json');
  storage.setItem(`parley.outbox.${me}.y`, '{"key":1}');
  storage.isFull = true;
  const { outbox, server, sent } = make({ storage });
  assert.deepEqual(outbox.owners(), []);
  outbox.resume();
  outbox.add(ann, 'still sent');
  await server.answer();
  assert.deepEqual(sent, ['still sent']);
  const drafts = new Drafts({ userId: me, storage });
  drafts.set(ann, 'kept while the page is');
  assert.equal(drafts.of(ann), 'kept while the page is');
});

test('a draft lives for each conversation and person, over a reload', () => {
  const storage = new MemoryStorage();
  const drafts = new Drafts({ userId: me, storage });
  drafts.set(ann, 'to Ann');
  drafts.set(bob, 'to Bob');
  drafts.set(bob, '');
  const again = new Drafts({ userId: me, storage });
  assert.deepEqual([again.of(ann), again.of(bob)], ['to Ann', '']);
  assert.equal(new Drafts({ userId: bob, storage }).of(ann), '');
});
