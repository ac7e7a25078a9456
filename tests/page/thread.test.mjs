// Messages of a conversation are merged, whichever comes first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, laterMark } from '../../gateway/web/core/order.js';
import { Thread } from '../../gateway/web/core/thread.js';
import { History, message, messages, settle } from './helpers.mjs';

const ids = (list) => list.map((one) => one._id);

test('live, loaded and older messages stand by time and id, each once', async () => {
  const all = messages(0, 120);
  const history = new History(all.slice(0, 119));
  const thread = new Thread();
  thread.add(all[118]);
  thread.add(all[119]); // live, before the history is here
  await thread.load(history.fetch);
  assert.deepEqual(ids(thread.messages), ids(all.slice(69)));
  assert.equal(thread.isStale, false);
  await thread.loadOlder(history.fetch);
  await thread.loadOlder(history.fetch);
  assert.deepEqual(ids(thread.messages), ids(all));
  assert.equal(thread.hasOlder, false);
  assert.equal(thread.add(all[7]), false, 'known');
});

test('of one millisecond the id decides', () => {
  const at = Date.parse('2026-01-31T12:00:00.000Z');
  const [a, b] = [message(1, { at, id: 'a'.repeat(24) }), message(2, { at, id: 'b'.repeat(24) })];
  const thread = new Thread();
  thread.add(b);
  thread.add(a);
  assert.deepEqual(thread.messages, [a, b]);
});

test('what was missed is read until it meets what is known, also over several pages', async () => {
  const all = messages(0, 700);
  const history = new History(all.slice(0, 60));
  const thread = new Thread();
  await thread.load(history.fetch);
  thread.markStale();
  history.all = all.slice(0, 690);
  thread.add(all[690]); // live, after the hole
  thread.add(all[695]);
  const loading = thread.load(history.fetch);
  thread.add(all[696]);
  await loading;
  assert.deepEqual(ids(thread.messages), ids([...all.slice(10, 691), all[695], all[696]]));
  assert.ok(history.asked.length <= 6, JSON.stringify(history.asked));
});

test('after a very long absence the newest is shown, and what is older is read by scrolling: no hole', async () => {
  const all = messages(0, 5000);
  const history = new History(all.slice(0, 60));
  const thread = new Thread();
  await thread.load(history.fetch);
  thread.markStale();
  history.all = all;
  await thread.load(history.fetch);
  const first = all.indexOf(thread.messages[0]);
  assert.ok(first > 60);
  assert.deepEqual(ids(thread.messages), ids(all.slice(first)), 'without a hole');
  assert.equal(thread.hasOlder, true);
  await thread.loadOlder(history.fetch);
  assert.deepEqual(ids(thread.messages), ids(all.slice(first - 50)));
});

test('an interruption while it is read has it read once more', async () => {
  const all = messages(0, 3);
  const history = new History(all.slice(0, 1));
  const thread = new Thread();
  const loading = thread.load(history.fetch);
  thread.markStale();
  await settle();
  history.all = all;
  thread.markStale();
  await Promise.all([loading, thread.load(history.fetch)]);
  await thread.load(history.fetch);
  assert.deepEqual(ids(thread.messages), ids(all));
});

test('a read that fails leaves it stale, and what was there stays', async () => {
  const thread = new Thread();
  thread.add(message(1));
  await assert.rejects(thread.load(async () => { throw new Error('503'); }), /503/);
  assert.equal(thread.isStale, true);
  assert.equal(thread.isLoaded, false);
  await thread.load(new History(messages(0, 2)).fetch);
  assert.equal(thread.messages.length, 2);
});

test('what was edited or deleted is not undone by an older answer', () => {
  const thread = new Thread();
  const before = message(1);
  thread.add(before);
  thread.update({ ...before, message: '', deletedAt: '2026-02-01T00:00:00.000Z' });
  thread.add(before);
  assert.equal(thread.messages[0].message, '');
  const other = message(2);
  thread.add({ ...other, message: 'better', editedAt: '2026-02-01T00:00:00.000Z' });
  thread.add(other);
  assert.equal(thread.messages[1].message, 'better');
});

test('a mark covers what was written until its message', () => {
  const [a, b, c] = messages(0, 3);
  const known = new Map([a, b, c].map((one) => [one._id, one]));
  assert.deepEqual([a, b, c].map((one) => isWithin(one, b._id, known)), [true, true, false]);
  assert.deepEqual([a, b, c].map((one) => isWithin(one, b._id)), [true, true, false], 'by the second in its id');
  assert.equal(isWithin(a, null, known), false);
  assert.equal(laterMark(a._id, c._id), c._id);
  assert.equal(laterMark(c._id, a._id), c._id, 'never backward');
  assert.equal(laterMark(null, a._id), a._id);
});

test('an interruption while it is read leaves no hole before what came live after it', async () => {
  const all = messages(0, 400);
  const history = new History(all.slice(0, 60));
  const thread = new Thread();
  await thread.load(history.fetch);
  thread.markStale();
  let release;
  const late = new Promise((resolve) => { release = resolve; });
  let isFirst = true;
  const loading = thread.load(async (limit, from) => {
    const page = await history.fetch(limit, from);
    if (isFirst) await late; // it is of before the interruption
    isFirst = false;
    return page;
  });
  await settle();
  history.all = all;
  thread.markStale();
  thread.add(all[399]);
  release();
  await loading;
  assert.deepEqual(ids(thread.messages), ids(all));
});

test('an edit of the oldest message does not lose the page before it', async () => {
  const all = messages(0, 80);
  const history = new History(all);
  const thread = new Thread();
  await thread.load(history.fetch);
  const loading = thread.loadOlder(history.fetch);
  thread.update({ ...all[30], message: 'better', editedAt: '2026-02-01T00:00:00.000Z' });
  await loading;
  assert.equal(thread.messages.length, 80);
  assert.equal(thread.hasOlder, false);
});

test('a conversation that is not open keeps its newest messages, and the others are read again', async () => {
  const all = messages(0, 700);
  const history = new History(all);
  const thread = new Thread();
  await thread.load(new History(all.slice(0, 30)).fetch);
  assert.equal(thread.hasOlder, false);
  for (const one of all.slice(0, 500)) thread.add(one);
  thread.trim();
  assert.equal(thread.messages.length, 500, 'not at once: that would be read again and again');
  for (const one of all.slice(500)) thread.add(one);
  thread.trim();
  assert.deepEqual(ids(thread.messages), ids(all.slice(500)));
  assert.deepEqual([thread.byId.size, thread.hasOlder], [200, true]);
  for (let i = 0; i < 11; i++) await thread.loadOlder(history.fetch);
  assert.deepEqual([ids(thread.messages), thread.hasOlder], [ids(all), false]);
});

test('a hole is closed, whatever was trimmed meanwhile', async () => {
  const all = messages(0, 900);
  const thread = new Thread();
  await thread.load(new History(all.slice(0, 50)).fetch);
  thread.markStale();
  for (const one of all.slice(300)) thread.add(one);
  thread.trim();
  const history = new History(all);
  await thread.load(async (limit, before) => { const page = await history.fetch(limit, before); thread.trim(); return page; });
  const [oldest] = thread.messages;
  assert.deepEqual(ids(thread.messages), ids(all.slice(all.indexOf(oldest))));
  thread.trim();
  assert.deepEqual(ids(thread.messages), ids(all.slice(700)));
});
