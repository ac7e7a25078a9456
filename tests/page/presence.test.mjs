// Who is watched: those on the screen, until the server has taken it.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Presence } from '../../gateway/web/presence.js';
import { ann, bob, me } from './helpers.mjs';

test('a set that the server could not take is sent again, and what it tells is learnt', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const asked = [];
  const chat = {
    user: { _id: me }, openId: ann, isConnected: true, learnt: [], draw() {}, learn(person) { chat.learnt.push(person); },
    sidebar: { rows: { visible: [bob] } }, socket: { ask: (name, { users }, answer) => asked.push({ users, answer }) },
  };
  const presence = new Presence(chat);
  presence.restart();
  mock.timers.tick(250);
  assert.deepEqual(asked[0].users, [me, ann, bob]);
  presence.soon();
  mock.timers.tick(250);
  assert.equal(asked.length, 1, 'nobody else is on the screen');
  asked[0].answer({ error: 'Service unavailable, try again', code: 'UNAVAILABLE' });
  mock.timers.tick(1000);
  assert.deepEqual(asked[1].users, [me, ann, bob]);
  asked[1].answer([{ userId: ann, online: true, status: 'BUSY', statusNote: 'away' }]);
  mock.timers.tick(5000);
  assert.equal(asked.length, 2);
  assert.deepEqual(chat.learnt, [{ _id: ann, online: true, status: 'BUSY', statusNote: 'away' }]);
  mock.timers.reset();
});
