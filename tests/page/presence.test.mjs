// Who is watched: those on the screen, until the server has taken it.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Presence } from '../../gateway/web/presence.js';
import { ann, bob, me } from './helpers.mjs';

beforeEach(() => { mock.timers.enable({ apis: ['setTimeout'] }); });
afterEach(() => { mock.timers.reset(); });

/** What presence needs of the chat; asked: the sets that the server was told. */
function makeChat() {
  const asked = [];
  const chat = {
    user: { _id: me }, openId: ann, isConnected: true, learnt: [], draw() {}, learn(person) { chat.learnt.push(person); },
    sidebar: { rows: { visible: [bob] } }, socket: { ask: (name, { users }, answer) => asked.push({ users, answer }) },
  };
  return { chat, asked, presence: new Presence(chat) };
}

const refusal = { error: 'Service unavailable, try again', code: 'UNAVAILABLE' };

test('a set that the server could not take is sent again, and what it tells is learnt', () => {
  const { chat, asked, presence } = makeChat();
  presence.restart();
  mock.timers.tick(250);
  assert.deepEqual(asked[0].users, [me, ann, bob]);
  presence.soon();
  mock.timers.tick(250);
  assert.equal(asked.length, 1, 'nobody else is on the screen');
  asked[0].answer(refusal);
  mock.timers.tick(1000);
  assert.deepEqual(asked[1].users, [me, ann, bob]);
  asked[1].answer([{ userId: ann, online: true, status: 'BUSY', statusNote: 'away' }]);
  mock.timers.tick(5000);
  assert.equal(asked.length, 2);
  assert.deepEqual(chat.learnt, [{ _id: ann, online: true, status: 'BUSY', statusNote: 'away' }]);
});

test('who is refused again and again asks ever more rarely, until another connection is there, or an answer', () => {
  const { asked, presence } = makeChat();
  const refuse = () => asked.at(-1).answer(refusal);
  /** In how many milliseconds, by tens, it asks again. */
  const wait = () => {
    const { length } = asked;
    let ms = 0;
    for (; asked.length === length && ms < 60000; ms += 10) mock.timers.tick(10);
    return ms;
  };
  presence.restart();
  wait();
  const waits = Array.from({ length: 8 }, () => { refuse(); return wait(); });
  for (const [i, most] of [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000].entries()) {
    assert.ok(waits[i] >= most / 2 && waits[i] <= most + 10, `${waits}`);
  }
  refuse();
  presence.restart();
  assert.equal(wait(), 250, 'nor does what waited for the old connection hold the new one up');
  refuse();
  assert.ok(wait() <= 1010);
  asked.at(-1).answer([]);
  presence.restart();
  wait();
  refuse();
  assert.ok(wait() <= 1010);
});
