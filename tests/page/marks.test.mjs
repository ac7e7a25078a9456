// Where "new" begins: fixed once, when as much is loaded as it takes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Again } from '../../gateway/web/core/again.js';
import { Marks } from '../../gateway/web/marks.js';
import { settle } from './helpers.mjs';

const ann = 'a'.repeat(24);
const messageOf = (i) => ({ _id: String(i).padStart(24, '0'), senderId: ann, message: `m${i}`, createdAt: new Date(1e12 + i).toISOString() });

/** What a conversation is to its marks: 90 unread messages, of which the newest 50 are loaded. */
function conversation({ canReadOlder = true } = {}) {
  const all = Array.from({ length: 90 }, (_, i) => messageOf(i));
  const thread = { isLoaded: true, isStale: false, isReading: false, hasOlder: true, messages: all.slice(40), byId: new Map(all.map((message) => [message._id, message])) };
  const chat = {
    openId: ann, threads: new Map([[ann, thread]]), known: new Set([ann]), begun: 0, starts: [],
    inbox: { conversation: () => ({ unread: 90, readUpTo: null }) },
    conversation: { log: { isPinned: true, startAt: (key) => chat.starts.push(key) } },
    older() {
      if (thread.isReading || !canReadOlder) return false;
      thread.isReading = true;
      chat.begun++;
      return true;
    },
  };
  const marks = new Marks(chat);
  const read = () => Object.assign(thread, { isReading: false, hasOlder: false, messages: all });
  return { chat, thread, marks, read };
}

test('the line waits for the page before, also if something else is told meanwhile', () => {
  const { chat, marks, read } = conversation();
  marks.drawLine(ann);
  marks.drawLine(ann); // the history is here, and now the mark is, too
  assert.deepEqual([chat.begun, marks.lineAt, chat.starts], [1, null, []]);
  read();
  marks.drawLine(ann);
  assert.equal(marks.lineAt, messageOf(0)._id);
  marks.drawLine(ann);
  assert.deepEqual(chat.starts, ['line']);
});

test('the line stands above what is there if the page before cannot be read', () => {
  const { marks } = conversation({ canReadOlder: false });
  marks.drawLine(ann);
  assert.equal(marks.lineAt, messageOf(40)._id);
});

test('what is told as delivered goes forward alone, whatever comes late', () => {
  const chat = { isConnected: false, socket: { emit: (name, { upTo }) => chat.told.push(upTo) }, told: [] };
  const marks = new Marks(chat);
  const [one, two, three] = [1, 2, 3].map(messageOf);
  marks.deliver(ann, two);
  marks.deliver(ann, one); // of an answer that was under way
  chat.isConnected = true;
  marks.tellDelivered();
  marks.deliver(ann, one);
  marks.deliver(ann, two);
  marks.tellDelivered();
  marks.deliver(ann, three);
  marks.tellDelivered();
  assert.deepEqual(chat.told, [two._id, three._id]);
  marks.wasAway(); // the connection may not have taken it
  marks.deliver(ann, three);
  marks.tellDelivered();
  assert.deepEqual(chat.told.slice(2), [three._id]);
});

test('the socket of the page that tells what is read is not told of it', async () => {
  const { fetch } = globalThis;
  const { chat, marks, read } = conversation();
  const asked = [];
  globalThis.fetch = async (path, { headers, body }) => { asked.push([path, headers['X-Socket-Id'], body]); return Response.json({ upTo: messageOf(89)._id, unread: 0 }); };
  Object.assign(chat, { isSeen: true, socket: { id: 'a socket' }, again: new Again(), session: { attempt: (request) => request() }, read() {} });
  chat.inbox.read = () => {};
  read();
  marks.drawLine(ann);
  marks.tellRead();
  marks.tellRead();
  await settle();
  globalThis.fetch = fetch;
  assert.deepEqual(asked, [[`/api/messages/read/${ann}`, 'a socket', JSON.stringify({ upTo: messageOf(89)._id })]]);
});
