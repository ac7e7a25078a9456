// Nothing is sent before it is known who would be sending, and a way back is not lost to another.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Again } from '../../gateway/web/core/again.js';
import { Blocks } from '../../gateway/web/blocks.js';
import { Session } from '../../gateway/web/session.js';
import { ann, bob, me, settle } from './helpers.mjs';

const { fetch } = globalThis;
afterEach(() => { globalThis.fetch = fetch; });

/** A server that answers when it is told to. */
function server() {
  const asked = [];
  globalThis.fetch = (path) => new Promise((resolve, reject) => {
    asked.push({ path, reject, answer: async (json) => { resolve(Response.json(json)); await settle(); await settle(); } });
  });
  return asked;
}

/** What a session needs of the chat. */
function makeChat() {
  const chat = {
    user: { _id: me }, isOver: false, resumed: 0, opened: 0, timers: [], draw() {},
    words: { pause() {} }, learn() {}, changeTo(user) { chat.changedTo = user._id; chat.isOver = true; },
    resume() { if (chat.session.isVerified) chat.resumed++; }, socket: { open() { chat.opened++; } },
    again: new Again({ after: (ms, f) => chat.timers.push(f), cancel: (timer) => { delete chat.timers[timer - 1]; } }),
  };
  chat.session = new Session(chat);
  return chat;
}

test('an answer of before one was to be looked up once more does not say who is logged in now', async () => {
  const asked = server();
  const chat = makeChat();
  chat.session.verify();
  chat.session.verify(); // another tab has logged in meanwhile
  await asked[0].answer({ _id: me });
  assert.deepEqual([chat.session.isVerified, chat.resumed], [false, 0]);
  await asked[1].answer({ _id: ann });
  assert.deepEqual([chat.changedTo, chat.resumed], [ann, 0]);
});

test('a socket that was refused is opened again, also if one looks at the page while that waits', async () => {
  const asked = server();
  const chat = makeChat();
  chat.session.refused();
  asked[0].reject(new Error('offline'));
  await settle();
  chat.session.verify();
  await asked[1].answer({ _id: me });
  assert.deepEqual([chat.session.isVerified, chat.resumed], [true, 1]);
  chat.timers.filter(Boolean)[0](); // again, after two seconds
  await asked[2].answer({ _id: me });
  assert.equal(chat.opened, 1);
});

test('whom one blocks while the list of the blocked is under way is blocked', async () => {
  const asked = server();
  const chat = makeChat();
  const blocks = new Blocks(chat);
  blocks.load();
  const setting = blocks.set({ _id: bob }, true);
  await asked[1].answer({ success: true });
  await setting;
  await asked[0].answer([{ _id: ann }]);
  assert.equal(blocks.has(bob), true);
  await asked[2].answer([{ _id: ann }, { _id: bob }]);
  assert.deepEqual([blocks.has(ann), blocks.has(bob)], [true, true]);
});
