// Who is shown, in which order, and how much of it is unread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inbox } from '../../gateway/web/core/inbox.js';
import { ann, bob, me, message } from './helpers.mjs';

const user = (_id, fullName) => ({ _id, fullName, username: fullName.toLowerCase(), status: 'AVAILABLE' });
const told = (id, name, fields) => ({ user: user(id, name), lastMessage: null, unread: 0, readUpTo: null, theirReadUpTo: null, theirDeliveredUpTo: null, ...fields });

test('conversations by their last message, then everybody else by name', () => {
  const inbox = new Inbox(me);
  inbox.take(told(ann, 'Ann', { lastMessage: message(1), unread: 1 }));
  inbox.take(told(bob, 'Bob', { lastMessage: message(2, { from: bob }) }));
  inbox.list(user('1'.repeat(24), 'Zoë'));
  inbox.list(user('2'.repeat(24), 'Émile'));
  inbox.list(user('2'.repeat(24), 'Émile'));
  inbox.list(user(ann, 'Ann'));
  inbox.list(user(me, 'Me'));
  assert.deepEqual(inbox.rows(), [bob, ann, '2'.repeat(24), '1'.repeat(24)]);
  inbox.list(user('2'.repeat(24), 'Žofie'));
  assert.deepEqual(inbox.rows(), [bob, ann, '1'.repeat(24), '2'.repeat(24)], 'under another name, once');
  inbox.add(message(3));
  assert.equal(inbox.rows()[0], ann);
  assert.deepEqual(inbox.rows({ query: 'ANN' }), [ann]);
  assert.deepEqual(inbox.rows({ query: 'ann', found: [ann, '2'.repeat(24)] }), [ann, '2'.repeat(24)]);
});

test('a message is counted once, whether the event or the answer comes first', () => {
  const first = message(1);
  const second = message(2);
  const eventFirst = new Inbox(me);
  eventFirst.add(first);
  eventFirst.add(second);
  eventFirst.take(told(ann, 'Ann', { lastMessage: first, unread: 1 }));
  assert.equal(eventFirst.conversation(ann).unread, 2, 'the answer is of before the second');
  assert.equal(eventFirst.conversation(ann).lastMessage, second);
  eventFirst.take(told(ann, 'Ann', { lastMessage: second, unread: 2 }));
  assert.equal(eventFirst.conversation(ann).unread, 2);

  const answerFirst = new Inbox(me);
  answerFirst.take(told(ann, 'Ann', { lastMessage: second, unread: 2 }));
  assert.equal(answerFirst.add(second), false);
  assert.equal(answerFirst.unread, 2);
});

test('what is read here or elsewhere is no longer unread; what came later is', () => {
  const inbox = new Inbox(me);
  const [first, second] = [message(1), message(2)];
  inbox.add(first);
  inbox.add(second);
  inbox.read(ann, first._id, 1);
  assert.equal(inbox.unread, 1);
  inbox.read(ann, second._id, 0);
  assert.equal(inbox.unread, 0);
  inbox.read(ann, first._id, 0);
  assert.equal(inbox.conversation(ann).readUpTo, second._id, 'never backward');
});

test('one hundred means one hundred or more', () => {
  const inbox = new Inbox(me);
  inbox.take(told(ann, 'Ann', { lastMessage: message(1), unread: 100 }));
  inbox.add(message(2));
  assert.equal(inbox.unread, 100);
});

test('a message of one\'s own is sent, delivered, read', () => {
  const inbox = new Inbox(me);
  const mine = message(5, { from: me, to: ann });
  inbox.learn(user(ann, 'Ann'));
  inbox.add(mine);
  assert.equal(inbox.unread, 0);
  assert.equal(inbox.stateOf(mine, ann), 'sent');
  inbox.told(ann, 'theirDeliveredUpTo', mine._id);
  assert.equal(inbox.stateOf(mine, ann), 'delivered');
  inbox.told(ann, 'theirReadUpTo', mine._id);
  assert.equal(inbox.stateOf(mine, ann), 'read');
  assert.equal(inbox.stateOf(message(6, { from: me, to: ann }), ann), 'sent');
});

test('20,000 people are put in order in no time', () => {
  const inbox = new Inbox(me);
  for (let i = 19999; i >= 0; i--) inbox.list(user((i + 1000).toString(16).padStart(24, '0'), `Person ${String(i).padStart(5, '0')}`));
  const rows = inbox.rows();
  assert.equal(rows.length, 20000);
  assert.equal(rows[0], (1000).toString(16).padStart(24, '0'));
});

test('people are namesakes while their names are the same, whatever the case and the accents', () => {
  const inbox = new Inbox(me);
  const [one, other] = [inbox.learn(user(ann, 'Émile')), inbox.learn(user(bob, 'emile'))];
  assert.deepEqual([one, other].map((person) => inbox.isNamesake(person)), [true, true]);
  inbox.learn({ _id: ann, online: true });
  assert.equal(inbox.isNamesake(one), true, 'told of once more, they are still one');
  const renamed = inbox.learn({ _id: bob, fullName: 'Zoë' });
  assert.deepEqual([inbox.people.get(ann), renamed].map((person) => inbox.isNamesake(person)), [false, false]);
  inbox.learn({ _id: '3'.repeat(24), online: true });
  inbox.forgetOnline();
  assert.equal(inbox.people.get(ann).online, undefined);
});

/** An answer that was asked for before all that a test does, and one of now. */
const before = { askedAt: 0 };
const now = () => ({ askedAt: performance.now() });

test('an answer of before something was read does not make it unread again, and is asked for once more', () => {
  const inbox = new Inbox(me);
  const [first, second, third] = [message(1), message(2), message(3)];
  assert.equal(inbox.take(told(ann, 'Ann', { lastMessage: second, unread: 2, ...now() })), false);
  inbox.read(ann, second._id, 0);
  assert.equal(inbox.take(told(ann, 'Ann', { lastMessage: second, unread: 2, readUpTo: first._id, ...before })), true);
  assert.deepEqual([inbox.unread, inbox.conversation(ann).readUpTo], [0, second._id]);
  inbox.add(third);
  assert.equal(inbox.unread, 1);
  assert.equal(inbox.take(told(ann, 'Ann', { lastMessage: third, unread: 2, readUpTo: first._id, ...before })), true);
  assert.equal(inbox.unread, 1);
  assert.equal(inbox.take(told(ann, 'Ann', { lastMessage: third, unread: 1, readUpTo: second._id, ...now() })), false);
  assert.deepEqual([inbox.unread, inbox.conversation(ann).readUpTo], [1, second._id]);
});

test('what was read is told late: an older mark brings no number back', () => {
  const inbox = new Inbox(me);
  const [first, second] = [message(1), message(2)];
  inbox.take(told(ann, 'Ann', { lastMessage: second, unread: 2 }));
  inbox.read(ann, second._id, 0);
  inbox.read(ann, first._id, 1);
  assert.equal(inbox.unread, 0);
});

test('a message that one\'s own has overtaken counts, and once', () => {
  const inbox = new Inbox(me);
  const mine = message(5, { from: me, to: ann });
  inbox.take(told(ann, 'Ann', { lastMessage: message(1), unread: 1 }));
  inbox.add(mine);
  assert.equal(inbox.add(message(4)), true);
  assert.equal(inbox.add(message(4)), false);
  assert.equal(inbox.add(message(1)), false, 'the server has counted it');
  assert.deepEqual([inbox.unread, inbox.conversation(ann).lastMessage], [2, mine]);
  inbox.read(ann, message(4)._id, 0);
  assert.equal(inbox.add(message(4)), false);
  assert.equal(inbox.unread, 0);
});

test('a delete that comes before the answer that still counts what is gone has it asked for again', () => {
  const inbox = new Inbox(me);
  const [first, second] = [message(1), message(2)];
  inbox.update({ ...first, message: '', deletedAt: '2026-02-01T00:00:00.000Z' });
  assert.equal(inbox.take(told(ann, 'Ann', { lastMessage: second, unread: 2, ...before })), true);
  assert.equal(inbox.take(told(ann, 'Ann', { lastMessage: second, unread: 1, ...now() })), false);
  assert.equal(inbox.unread, 1);
});

test('what was told live of somebody is not undone by an answer of before, and what it did not tell is taken', () => {
  const inbox = new Inbox(me);
  inbox.list({ ...user(ann, 'Ann'), ...before });
  inbox.learn({ _id: ann, fullName: 'Annabel' });
  inbox.list({ ...user(ann, 'Ann'), username: 'other', ...before });
  assert.deepEqual([inbox.people.get(ann).fullName, inbox.people.get(ann).username], ['Annabel', 'other']);
  inbox.list({ ...user(ann, 'Anna'), ...now() });
  assert.equal(inbox.people.get(ann).fullName, 'Anna');
  inbox.take({ ...told(ann, 'Anna', now()), user: { ...user(ann, 'Anna'), status: 'BUSY', statusNote: 'away' } });
  inbox.take({ ...told(ann, 'Anna', now()), user: { ...user(ann, 'Anna'), status: 'BUSY' } });
  assert.equal(inbox.people.get(ann).statusNote, undefined, 'a conversation always tells the note');
});

test('presence may be told before it is known of whom', () => {
  const inbox = new Inbox(me);
  inbox.learn({ _id: ann, online: true });
  assert.deepEqual(inbox.rows(), []);
  inbox.list({ ...user(ann, 'Ann'), ...before });
  assert.equal(inbox.people.get(ann).online, true);
  inbox.learn({ _id: bob, online: true });
  inbox.forgetOnline();
  inbox.list({ ...user(bob, 'Bob'), ...before });
  assert.equal(inbox.people.get(bob).online, undefined);
});

test('who is gone is not brought back by an answer of before', () => {
  const inbox = new Inbox(me);
  inbox.list(user(ann, 'Ann'));
  inbox.forget(ann);
  inbox.list(user(ann, 'Ann'));
  inbox.take(told(ann, 'Ann', { lastMessage: message(1), unread: 1, ...before }));
  assert.deepEqual([inbox.rows(), inbox.unread, inbox.learn(user(ann, 'Ann'))], [[], 0, undefined]);
});

test('what comes of somebody who is gone makes no conversation, and their name is nobody\'s any more', () => {
  const inbox = new Inbox(me);
  inbox.take(told(ann, 'Ann', { lastMessage: message(1), unread: 1 }));
  inbox.learn(user(bob, 'Ann'));
  assert.equal(inbox.isNamesake({ fullName: 'Ann' }), true);
  inbox.forget(ann);
  inbox.forget(ann);
  assert.equal(inbox.isNamesake({ fullName: 'Ann' }), false);
  assert.equal(inbox.add(message(2)), false, 'it was under way');
  assert.equal(inbox.update({ ...message(2), deletedAt: message(3).createdAt }), false);
  inbox.read(ann, message(1)._id, 1);
  inbox.add(message(4, { from: me, to: ann }));
  assert.deepEqual([inbox.unread, inbox.conversations.size], [0, 0]);
});

test('of what comes live the newest hundred are kept, and none of it is counted twice', () => {
  const inbox = new Inbox(me);
  const all = Array.from({ length: 300 }, (_, i) => message(i));
  for (const one of all) inbox.add(one);
  assert.deepEqual(inbox.conversation(ann).live, all.slice(200));
  assert.equal(inbox.add(all[7]), false, 'told once more');
  assert.deepEqual(inbox.conversation(ann).live, all.slice(200));
  assert.equal(inbox.unread, 100);
  inbox.read(ann, all[289]._id, 10);
  assert.equal(inbox.unread, 10);
  inbox.take(told(ann, 'Ann', { lastMessage: all[249], unread: 60, readUpTo: all[189]._id, askedAt: -1 }));
  assert.equal(inbox.unread, 10);
});
