// One's own words stand there once, whichever comes first: their answer, or their event.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Inbox } from '../../gateway/web/core/inbox.js';
import { Thread } from '../../gateway/web/core/thread.js';
import { Words } from '../../gateway/web/words.js';
import { waitUntil } from '../support/wait.mjs';
import { ann, me, message, settle } from './helpers.mjs';

const { fetch } = globalThis;
afterEach(() => { globalThis.fetch = fetch; });

/** What one's words need of the chat, and the requests that they make. */
function makeWords() {
  const asked = [];
  globalThis.fetch = () => new Promise((resolve, reject) => {
    asked.push({ reject, answer: async (json) => { resolve(Response.json(json)); await settle(); await settle(); } });
  });
  const chat = {
    user: { _id: me }, draw() {}, resume() {}, session: { attempt: (request) => request() }, socket: { id: 'one' }, aheadMs: 0,
    threads: new Map([[ann, new Thread()]]), inbox: new Inbox(me),
  };
  chat.inbox.learn({ _id: ann, fullName: 'Ann', username: 'ann' });
  const words = new Words(chat, 'a page');
  words.resume();
  return { asked, chat, words, shown: () => chat.threads.get(ann).messages.length + words.outgoingTo(ann).length };
}

const mine = message(1, { from: me, to: ann, text: 'hi' });

test('the event of what is on its way waits for the answer', async () => {
  const { asked, words, shown } = makeWords();
  words.outbox.add(ann, 'hi');
  words.sentElsewhere(mine);
  assert.equal(shown(), 1);
  await asked[0].answer(mine);
  assert.equal(shown(), 1);
});

test('so does that of what waits to be sent once more, for it may have arrived', async () => {
  const { asked, chat, words, shown } = makeWords();
  words.outbox.add(ann, 'hi');
  asked[0].reject(new Error('the connection broke'));
  chat.socket.id = 'two';
  await waitUntil('it to wait', () => words.outbox.of(ann)[0].state === 'waiting');
  words.sentElsewhere(mine);
  assert.equal(shown(), 1);
  words.resume();
  await asked[1].answer(mine);
  assert.equal(shown(), 1);
  assert.deepEqual(words.outbox.all, []);
});

test('if one lets it be, what has arrived is shown', async () => {
  const { asked, chat, words, shown } = makeWords();
  const { key } = words.outbox.add(ann, 'hi');
  asked[0].reject(new Error('the connection broke'));
  chat.socket.id = 'two';
  await waitUntil('it to wait', () => words.outbox.of(ann)[0].state === 'waiting');
  words.sentElsewhere(mine);
  words.forget(key);
  assert.deepEqual([shown(), chat.threads.get(ann).messages], [1, [mine]]);
});

test('what is in the history already is not shown on its way as well, until its answer is here', async () => {
  const { asked, chat, words, shown } = makeWords();
  const thread = chat.threads.get(ann);
  const sent = (n, fields) => message(n, { from: me, to: ann, text: 'hi', at: Date.now(), ...fields });
  thread.add(sent(1, { at: Date.now() - 60000 })); // the same words, earlier
  thread.add(message(2, { text: 'hi', at: Date.now() })); // and of the other
  words.outbox.add(ann, 'hi');
  assert.equal(shown(), 3);
  thread.add(sent(3)); // of the history
  assert.equal(shown(), 3);
  await asked[0].answer(thread.last);
  assert.equal(shown(), 3);
  words.outbox.add(ann, 'hi');
  assert.equal(shown(), 4, 'the one before is no longer on its way');
  asked[1].reject(Object.assign(new Error('refused'), { status: 403 }));
  await waitUntil('it to fail', () => words.outbox.of(ann)[0].state === 'failed');
  thread.add(sent(4)); // of another device
  assert.equal(shown(), 5, 'what has failed is not there');
});
