// Edits and deletes of one's own messages: in order, never undone, never lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Changes } from '../../gateway/web/core/changes.js';
import { Inbox } from '../../gateway/web/core/inbox.js';
import { Outbox } from '../../gateway/web/core/outbox.js';
import { squareOf, sideMost, tries } from '../../gateway/web/core/picture.js';
import { later, States } from '../../gateway/web/core/states.js';
import { Thread } from '../../gateway/web/core/thread.js';
import { ann, History, me, MemoryStorage, message, messages, settle } from './helpers.mjs';

const id = 'a'.repeat(24);
const edited = (one, text, second = 0) => ({ ...one, message: text, editedAt: `2026-02-01T00:00:0${second}.000Z` });
const deleted = (one) => ({ ...one, message: '', deletedAt: '2026-02-01T00:00:05.000Z' });

function make({ storage = new MemoryStorage(), owner = 'one', after } = {}) {
  const posts = [];
  const sent = [];
  const changes = new Changes({
    userId: me, storage, owner, after, onSent: (item) => sent.push(item.text ?? item.kind),
    post: (item) => new Promise((resolve, reject) => { posts.push({ ...item, resolve, reject }); }),
  });
  const answer = async (error) => {
    if (error) posts.at(-1).reject(error);
    else posts.at(-1).resolve({});
    await settle();
  };
  return { changes, storage, posts, sent, answer };
}

test('of several edits that wait the last one goes; what is under way is answered first', async () => {
  const { changes, posts, sent, answer } = make();
  changes.resume();
  changes.edit(id, ann, 'one');
  changes.edit(id, ann, 'two');
  changes.edit(id, ann, 'three');
  assert.equal(changes.of(id).text, 'three', 'shown at once');
  assert.deepEqual(posts.map((item) => item.text), ['one']);
  await answer();
  await answer();
  assert.deepEqual(sent, ['one', 'three']);
  assert.deepEqual(changes.all, []);
});

test('a delete takes the place of edits that wait', async () => {
  const { changes, sent, answer } = make();
  changes.edit(id, ann, 'one');
  changes.delete(id, ann);
  changes.resume();
  await answer();
  assert.deepEqual(sent, ['delete']);
});

test('a change of a message that is on its way waits until that has its id; others do not wait for it', async () => {
  const { changes, posts, sent, answer } = make();
  changes.resume();
  changes.edit('key of the outbox', ann, 'better');
  changes.edit(id, ann, 'another');
  await answer();
  assert.deepEqual(sent, ['another']);
  changes.named('key of the outbox', 'b'.repeat(24));
  assert.equal(posts.at(-1).target, 'b'.repeat(24));
  await answer();
  assert.deepEqual(sent, ['another', 'better']);
});

test('what failed stays, says whether a second try may help, and is tried again or forgotten', async () => {
  const { changes, storage, sent, answer } = make();
  changes.resume();
  const late = changes.edit(id, ann, 'late');
  await answer(Object.assign(new Error('Too late.'), { status: 403, code: 'TOO_LATE' }));
  assert.deepEqual([changes.of(id).state, changes.of(id).reason, changes.of(id).isFinal], ['failed', 'Too late.', true]);
  changes.remove(late.key);
  const { key } = changes.delete(id, ann);
  await answer(Object.assign(new Error('Busy.'), { status: 503 }));
  assert.equal(changes.of(id).isFinal, false);
  changes.retry(key);
  await answer(Object.assign(new Error('Offline.'), { status: 403, code: 'OFFLINE' }));
  assert.equal(changes.of(id).isFinal, false);
  changes.retry(key);
  await answer();
  assert.deepEqual(sent, ['delete']);
  assert.equal(storage.length, 0);
});

test('after a 429 all wait for as long as it says, and then go on by themselves, in order', async () => {
  const waits = [];
  const { changes, posts, sent, answer } = make({ after: (ms, run) => waits.push({ ms, run }) });
  const limited = (fields) => Object.assign(new Error('Too many.'), { status: 429, code: 'TOO_MANY_REQUESTS', ...fields });
  changes.resume();
  const ids = ['a', 'b', 'c'].map((digit) => digit.repeat(24));
  for (const one of ids) changes.delete(one, ann);
  await answer();
  await answer(limited({ retryAfter: 3 }));
  assert.deepEqual([posts.length, changes.all.map((item) => item.state)], [2, ['waiting', 'waiting']]);
  changes.pause();
  changes.resume(); // a connection that comes back does not shorten it
  assert.deepEqual([posts.length, waits.map(({ ms }) => ms)], [2, [3000]]);
  waits[0].run();
  await answer(limited());
  assert.equal(waits[1].ms, 1000, 'as little as can be said');
  waits[1].run();
  await answer();
  await answer();
  assert.deepEqual([posts.map((item) => item.target), sent.length], [[ids[0], ids[1], ids[1], ids[1], ids[2]], 3]);
  // The budget of a day is no matter of waiting.
  for (const fields of [{ code: 'QUOTA', retryAfter: 1 }, { retryAfter: 3600 }]) {
    const { key } = changes.edit(id, ann, 'long');
    await answer(limited(fields));
    assert.equal(changes.of(id).state, 'failed');
    changes.remove(key);
  }
  assert.equal(waits.length, 2);
});

test('of somebody who is gone nothing is left but that there were messages', () => {
  const thread = new Thread();
  const inbox = new Inbox(me, thread.states);
  const own = { ...message(3), senderId: me, receiverId: ann };
  for (const one of [message(1), message(2), own]) thread.add(one);
  inbox.list({ _id: ann, fullName: 'Ann', username: 'ann' });
  inbox.take({ user: { _id: ann, fullName: 'Ann', username: 'ann' }, lastMessage: own, unread: 2 });
  thread.deleteOf(ann, '2026-02-01T00:00:05.000Z');
  inbox.forget(ann);
  assert.deepEqual(thread.messages.map((one) => [one.message, Boolean(one.deletedAt)]), [['', true], ['', true], [own.message, false]]);
  assert.deepEqual([inbox.rows(), inbox.unread, inbox.people.size], [[], 0, 0]);
});

test('a reload keeps changes, also one that waits for its message', async () => {
  const { changes, storage } = make();
  changes.edit(id, ann, 'kept');
  changes.edit('key of the outbox', ann, 'waits');
  const again = make({ storage, owner: 'two' });
  again.changes.adopt('one');
  again.changes.resume();
  await again.answer();
  again.changes.named('key of the outbox', 'b'.repeat(24));
  await again.answer();
  assert.deepEqual(again.sent, ['kept', 'waits']);
});

test('what has not been tried takes another text in its place; what may be with the server does not', async () => {
  const posts = [];
  const outbox = new Outbox({ userId: me, storage: new MemoryStorage(), post: (item) => { posts.push(item.text); return Promise.reject(Object.assign(new Error(), { isWaiting: true })); } });
  const { key } = outbox.add(ann, 'frist');
  assert.equal(outbox.change(key, 'first'), true);
  outbox.resume();
  await settle();
  assert.deepEqual(posts, ['first']);
  assert.equal(outbox.change(key, 'other'), false, 'under this key it may be known by another text');
  assert.equal(outbox.change('nothing', 'x'), false);
});

test('the later edit wins, whichever comes first; what was deleted stays so', () => {
  const one = message(1);
  const [first, second] = [edited(one, 'first', 1), edited(one, 'second', 2)];
  for (const order of [[first, second], [second, first]]) {
    const thread = new Thread();
    thread.add(one);
    for (const state of order) thread.update(state);
    assert.equal(thread.messages[0].message, 'second');
  }
  assert.equal(later(deleted(one), second).deletedAt, deleted(one).deletedAt);
  assert.equal(later(second, deleted(one)).message, '');
});

test('a change that comes before its message is not lost: with the page under way, an older page, or live', async () => {
  const all = messages(0, 60);
  const history = new History(all);
  const thread = new Thread();
  const loading = thread.load(history.fetch);
  thread.update(edited(all[30], 'edited meanwhile'));
  thread.update(deleted(all[2]));
  await loading;
  assert.equal(thread.byId.get(all[30]._id).message, 'edited meanwhile');
  assert.equal(thread.messages.length, 50, 'and makes no hole');
  await thread.loadOlder(history.fetch);
  assert.equal(thread.byId.get(all[2]._id).message, '');
  const later_ = message(100);
  thread.update(edited(later_, 'edited'));
  thread.add(later_);
  assert.equal(thread.last.message, 'edited');
});

test('only so many changes of messages that are not here are kept', () => {
  const states = new States();
  for (const one of messages(0, 1200)) states.note(edited(one, 'x'));
  assert.equal(states.of(message(1)).message, 'text 1', 'the first ones are forgotten');
  assert.equal(states.of(message(1199)).message, 'x');
});

const told = (lastMessage, unread) => ({ user: { _id: ann, fullName: 'Ann', username: 'ann', status: 'AVAILABLE' }, lastMessage, unread, readUpTo: null, theirReadUpTo: null, theirDeliveredUpTo: null });

test('the preview has the latest text, also if the answer is older than the event', () => {
  const one = message(1);
  const inbox = new Inbox(me);
  inbox.update(edited(one, 'better'));
  inbox.take(told(one, 1));
  assert.equal(inbox.conversation(ann).lastMessage.message, 'better');
  inbox.update(edited(one, 'best', 3));
  inbox.update(edited(one, 'old', 2));
  inbox.take(told(one, 1));
  assert.equal(inbox.conversation(ann).lastMessage.message, 'best');
  assert.equal(inbox.unread, 1);
});

test('an unread message that is deleted is not unread', () => {
  const inbox = new Inbox(me);
  inbox.take(told(message(1), 1));
  inbox.add(message(2));
  assert.equal(inbox.update(deleted(message(2))), false);
  assert.equal(inbox.unread, 1);
  assert.equal(inbox.conversation(ann).lastMessage.deletedAt, deleted(message(2)).deletedAt);
  assert.equal(inbox.update(deleted(message(1))), true, 'only the server knows whether that had been read');
  assert.equal(inbox.add(deleted(message(3))), false, 'nobody is called for what is gone');
});

test('whoever takes another name is found in its place', () => {
  const inbox = new Inbox(me);
  const [a, b] = ['1'.repeat(24), '2'.repeat(24)];
  inbox.list({ _id: a, fullName: 'Anna', username: 'a' });
  inbox.list({ _id: b, fullName: 'Bert', username: 'b' });
  inbox.learn({ _id: a, fullName: 'Zoë' });
  assert.deepEqual(inbox.rows(), [b, a]);
});

test('an avatar is the square in the middle, and never drawn larger than it is', () => {
  assert.deepEqual(squareOf(3000, 2000, 512), { left: 500, top: 0, from: 2000, to: 512 });
  assert.deepEqual(squareOf(100, 300, 512), { left: 0, top: 100, from: 100, to: 100 });
  assert.deepEqual(squareOf(1, 1, 5000), { left: 0, top: 0, from: 1, to: 1 });
  assert.ok(tries.every(({ side }) => side <= sideMost));
});
