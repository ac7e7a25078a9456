// The checker finds each kind of violation in a history made by hand, and none in a good one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check } from './checker.mjs';

const [ann, bob] = ['a', 'b'].map((c) => c.repeat(24));
const time = (ms) => new Date(1700000000000 + ms);
const message = (id, ms, fields) => ({ _id: id, senderId: ann, receiverId: bob, message: id, createdAt: time(ms).toISOString(), ...fields });
const send = (id, ms, fields) => ({
  lane: 'ann to bob', from: ann, to: bob, text: id, acked: { _id: id }, attempts: [{ at: +time(ms - 1), until: +time(ms + 1), status: 201 }], ...fields,
});
const got = (id, ms) => ({ _id: id, at: +time(ms) });
const connection = (from, to, messages, recovered = false) =>
  ({ recovered, from: +time(from), to: to === null ? null : +time(to), reason: null, messages });
const reply = (id, ms, to) => message(id, ms, { senderId: bob, receiverId: ann, autoReply: { kind: 'llm', inReplyTo: to } });

/** m1 and m2 from ann to bob, whose socket broke between them and recovered; `change` spoils it. */
function history(change = () => {}) {
  const stored = [message('m1', 100), message('m2', 5000)];
  const seen = {
    sends: [send('m1', 100), send('m2', 5000)],
    sockets: [
      { name: 'bob', user: bob, connections: [connection(0, 3000, [got('m1', 101)]), connection(5100, null, [got('m2', 5101)], true)] },
      { name: 'ann', user: ann, connections: [connection(0, null, [])] },
    ],
    history: [{ lane: 'ann to bob', bySender: stored, byReceiver: stored }],
    busy: [],
  };
  change(seen, stored);
  return seen;
}

test('a good history has no violation, and is counted', () => {
  const { violations, summary } = check(history());
  assert.deepEqual(violations, []);
  assert.deepEqual(summary, { sent: 2, acknowledged: 2, delivered: 2, replied: 0, reconnections: 1, recovered: 1, repeated: 0 });
});

describe('allowed', () => {
  for (const [what, change] of [
    ['is a send without an answer that was not stored', (h) => h.sends.push(send('m3', 6000, { acked: null }))],
    ['is a send without an answer that was stored once', (h) => { h.sends[1].acked = null; }],
    ['is to miss what was stored between two sessions', (h) => {
      h.sockets[0].connections[1].recovered = false;
      h.sockets[0].connections[1].messages = [];
    }],
    ['is to get a message again on another connection', (h) => h.sockets[0].connections[1].messages.unshift(got('m1', 5100))],
    ['is a reply within 12 s', (h, stored) => {
      h.busy = [bob];
      stored.push(reply('r1', 9000, 'm1'), reply('r2', 17000, 'm2'));
      h.sockets[1].connections[0].messages.push(got('r1', 9001), got('r2', 17001));
    }],
    ['is a reply that waited for a store which took nothing', (h, stored) => {
      h.busy = [bob];
      stored.push(reply('r1', 5100, 'm1'), reply('r2', 18000, 'm2'));
      h.sockets[1].connections[0].messages.push(got('r1', 5101), got('r2', 18001));
      h.sends.push(send('m3', 9000, { acked: null, attempts: [{ at: +time(9000), until: +time(11000), status: 503 }] }));
    }],
  ]) test(what, () => assert.deepEqual(check(history(change)).violations, []));
});

describe('found', () => {
  for (const [what, rule, change] of [
    ['is an acknowledged message that the history has not', 'lost', (h, stored) => { stored.pop(); h.sockets[0].connections[1].messages = []; }],
    ['is a message that a connected socket did not get', 'lost', (h) => { h.sockets[0].connections[1].messages = []; }],
    ['is a message that a recovered socket did not get', 'lost', (h, stored) => stored.splice(1, 0, message('m3', 4000))],
    ['is a socket that does not come back', 'lost', (h) => { h.sockets[0].connections.pop(); }],
    ['is a message twice on one connection', 'doubled', (h) => h.sockets[0].connections[1].messages.push(got('m2', 5200))],
    ['is a send that is stored twice', 'doubled', (h, stored) => {
      stored.push(message('m3', 6000, { message: 'm2' }));
      h.sockets[0].connections[1].messages.push(got('m3', 6001));
    }],
    ['is a second reply', 'doubled', (h, stored) => {
      h.busy = [bob];
      stored.push(reply('r1', 5100, 'm1'), reply('r2', 5200, 'm2'), reply('r3', 5300, 'm1'));
      h.sockets[1].connections[0].messages.push(got('r1', 5101), got('r2', 5201), got('r3', 5301));
    }],
    ['is a missing reply', 'late', (h) => { h.busy = [bob]; }, 2],
    ['is a late reply', 'late', (h, stored) => {
      h.busy = [bob];
      stored.push(reply('r2', 5100, 'm2'), reply('r1', 12101, 'm1'));
      h.sockets[1].connections[0].messages.push(got('r2', 5101), got('r1', 12102));
    }],
    ['is a late reply, though the store was quiet', 'late', (h, stored) => {
      h.busy = [bob];
      stored.push(reply('r1', 5100, 'm1'), reply('r2', 18000, 'm2'));
      h.sockets[1].connections[0].messages.push(got('r1', 5101), got('r2', 18001));
    }],
    ['is a reply that nobody asked for', 'phantom', (h, stored) => {
      stored.push(reply('r1', 5100, 'm1'));
      h.sockets[1].connections[0].messages.push(got('r1', 5101));
    }],
    ['is an event of a message that is not stored', 'phantom', (h) => h.sockets[0].connections[1].messages.push(got('m9', 5200))],
    ['is an event of another\'s message', 'phantom', (h) => h.sockets[1].connections[0].messages.push(got('m1', 102))],
    ['is a refusal', 'phantom', (h) => { h.sends[1].attempts.unshift({ at: +time(4000), until: +time(4001), status: 403, error: 'offline' }); }],
    ['are readers who see different histories', 'phantom', (h, stored) => { h.history[0].byReceiver = stored.slice(0, 1); }],
    ['is live delivery in another order than that of sending', 'disorder', (h) => {
      h.sockets[0].connections = [connection(0, null, [got('m2', 5100), got('m1', 5101)])];
    }],
    ['is a history in another order than that of sending', 'disorder', (h, stored) => {
      stored.splice(0, 2, message('m2', 90), message('m1', 100));
      h.sockets[0].connections = [connection(0, null, [got('m1', 101), got('m2', 5100)])];
    }],
    ['is a history that is not sorted', 'disorder', (h, stored) => { stored[0].createdAt = time(7000).toISOString(); }, 2],
  ]) {
    test(what, () => {
      const found = check(history(change)).violations;
      assert.ok(found.length > 0);
      assert.deepEqual([...new Set(found.map((v) => v.rule))], [rule], JSON.stringify(found));
    });
  }
});
