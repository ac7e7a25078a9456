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
  assert.deepEqual(summary, { sent: 2, acknowledged: 2, delivered: 2, replied: 0, changed: 0, changeEvents: 0, marked: 0, markEvents: 0, reconnections: 1, recovered: 1, repeated: 0, erased: 0 });
});

/** Bob read m1 and then m2, and asked for m1 again; `change` spoils it. */
function marked(change = () => {}) {
  const h = history();
  const [m1, m2] = h.history[0].bySender;
  Object.assign(h.history[0], { from: ann, to: bob });
  const mark = (upTo, ms, got = upTo) => ({
    reader: bob, writer: ann, upTo, at: +time(ms), until: +time(ms + 10), status: 200, answer: { success: true, upTo: got, unread: 0 },
  });
  const entry = (user, fields) => ({ user: { _id: user }, lastMessage: m2, unread: 0, readUpTo: null, theirReadUpTo: null, theirDeliveredUpTo: null, ...fields });
  h.marks = [mark('m1', 200), mark('m2', 6000), mark('m1', 7000, 'm2')];
  h.deliveries = [m1, m2].map(({ _id }, i) => ({ reader: bob, writer: ann, upTo: _id, at: +time(110 + 5000 * i) }));
  h.conversations = [
    { user: bob, entries: [entry(ann, { readUpTo: 'm2' })] },
    { user: ann, entries: [entry(bob, { theirReadUpTo: 'm2', theirDeliveredUpTo: 'm2' })] },
  ];
  const event = (name, userId, upTo, ms) => ({ name, userId, upTo, at: +time(ms) });
  h.sockets[1].connections[0].marks = [
    event('messagesDelivered', bob, 'm1', 120), event('messagesRead', bob, 'm1', 205), event('messagesDelivered', bob, 'm2', 5120),
    event('messagesRead', bob, 'm2', 6005),
  ];
  h.sockets[0].connections[1].marks = [event('conversationRead', ann, 'm2', 6005)];
  change(h, event);
  return h;
}

test('good marks have no violation, and are counted', () => {
  const { violations, summary } = check(marked());
  assert.deepEqual(violations, []);
  assert.deepEqual([summary.marked, summary.markEvents], [3, 5]);
});

describe('of marks, allowed', () => {
  for (const [what, change] of [
    ['is one without an answer that is stored', (h) => { Object.assign(h.marks[1], { status: undefined, answer: undefined, error: 'ECONNRESET' }); }],
    ['is one without an answer that is not', (h) => {
      h.marks = h.marks.slice(0, 2);
      Object.assign(h.marks[1], { status: 503, answer: undefined });
      h.conversations[0].entries[0].readUpTo = h.conversations[1].entries[0].theirReadUpTo = 'm1';
      Object.assign(h.conversations[0].entries[0], { unread: 1 });
      h.sockets[0].connections[1].marks = [];
      h.sockets[1].connections[0].marks.pop();
    }],
    ['is an event that was lost', (h) => { h.sockets[1].connections[0].marks.shift(); }],
    ['are two that were said at once, told the other way round', (h) => {
      h.marks[1].at = h.marks[0].at;
      h.sockets[1].connections[0].marks.splice(0, 4, ...[3, 1].map((i) => marked().sockets[1].connections[0].marks[i]));
      h.marks.pop();
    }],
  ]) test(what, () => assert.deepEqual(check(marked(change)).violations, []));
});

describe('of marks, found', () => {
  for (const [what, rule, change] of [
    ['is an answer behind an acknowledged one', 'backward', (h) => { h.marks[2].answer.upTo = 'm1'; }],
    ['is an answer behind what was asked', 'backward', (h) => { h.marks[1].answer.upTo = 'm1'; }],
    ['is an event that goes back', 'backward', (h, event) => h.sockets[1].connections[0].marks.push(event('messagesRead', bob, 'm1', 7005))],
    ['is an end behind an acknowledged one', 'lost', (h) => {
      h.conversations[0].entries[0].readUpTo = h.conversations[1].entries[0].theirReadUpTo = 'm1';
      h.conversations[0].entries[0].unread = 1;
    }],
    ['is a delivery that is not there in the end', 'lost', (h) => { h.conversations[1].entries[0].theirDeliveredUpTo = 'm1'; }],
    ['is a conversation that is not listed', 'lost', (h) => { h.conversations.forEach((c) => { c.entries = []; }); }],
    ['are two who see different marks', 'phantom', (h) => { h.conversations[1].entries[0].theirReadUpTo = 'm1'; }],
    ['is a mark that nobody said', 'phantom', (h) => { h.marks = []; h.sockets.forEach((s) => s.connections.forEach((c) => { c.marks = []; })); }],
    ['is a mark of no message', 'phantom', (h) => { h.conversations[0].entries[0].readUpTo = h.conversations[1].entries[0].theirReadUpTo = 'm9'; }],
    ['is an event that nobody said', 'phantom', (h) => { h.sockets[1].connections[0].marks[0].userId = 'c'.repeat(24); }],
    ['is a wrong count', 'phantom', (h) => { h.conversations[0].entries[0].unread = 1; }],
    ['is another last message', 'phantom', (h) => { [h.conversations[0].entries[0].lastMessage] = h.history[0].bySender; }],
    ['is a refusal', 'phantom', (h) => h.marks.push({ ...h.marks[0], at: +time(9000), status: 400, answer: undefined, error: 'BAD_MESSAGE' })],
  ]) {
    test(what, () => {
      const found = check(marked(change)).violations;
      assert.ok(found.length > 0);
      assert.deepEqual([...new Set(found.map((v) => v.rule))], [rule], JSON.stringify(found));
    });
  }
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
    ['is a reply while the machine stood still, though the store was away for some of it', (h, stored) => {
      h.busy = [bob];
      stored.push(reply('r1', 5100, 'm1'), reply('r2', 20000, 'm2'));
      h.sockets[1].connections[0].messages.push(got('r1', 5101), got('r2', 20001));
      h.sends.push(send('m3', 9000, { acked: null, attempts: [{ at: +time(9000), until: +time(11000), status: 503 }] }));
      h.stood = [[+time(18000), +time(20000)], [+time(6000), +time(7000)]];
    }],
    ['is a refusal of who is offline, soon after a standstill', (h) => {
      h.sends[1].attempts.unshift({ at: +time(4000), until: +time(4001), status: 403, error: '{"code":"OFFLINE"}' });
      h.stood = [[+time(1000), +time(2000)]];
    }],
    ['is the same refusal, told to a socket', (h) => {
      h.sends[1].attempts.unshift({ at: +time(4000), until: +time(4001), status: 403, error: 'OFFLINE: You are offline.' });
      h.stood = [[+time(1000), +time(2000)]];
    }],
    ['is a reply that came late by a standstill', (h, stored) => {
      h.busy = [bob];
      stored.push(reply('r2', 5100, 'm2'), reply('r1', 14000, 'm1'));
      h.sockets[1].connections[0].messages.push(got('r2', 5101), got('r1', 14001));
      h.stood = [[+time(6000), +time(9000)]];
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
    ['is a refusal of who is offline, long after a standstill', 'phantom', (h) => {
      h.sends[1].attempts.unshift({ at: +time(40000), until: +time(40001), status: 403, error: '{"code":"OFFLINE"}' });
      h.stood = [[+time(1000), +time(2000)]];
    }],
    ['is a refusal as of a block, after a standstill', 'phantom', (h) => {
      h.sends[1].attempts.unshift({ at: +time(4000), until: +time(4001), status: 403, error: '{"code":"BLOCKED"}' });
      h.stood = [[+time(1000), +time(2000)]];
    }],
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

/** Ann edited m1 and then deleted m2; `change` spoils it. */
function changed(spoil = () => {}) {
  const h = history();
  const at = (ms) => time(ms).toISOString();
  const edit = { editedAt: at(200), message: 'm1, again' }, end = { deletedAt: at(5200), message: '' };
  const stored = h.history[0].bySender;
  Object.assign(stored[0], edit);
  Object.assign(stored[1], end);
  const change = (message, text, ms, answer) => ({ message, by: ann, text, at: +time(ms), until: +time(ms + 10), status: 200, answer });
  h.changes = [change('m1', 'm1, again', 195, edit), change('m2', null, 5195, end)];
  const heard = (name, _id, { message: text, ...times }, ms) => ({ name, _id, text, ...times, at: +time(ms), n: ms });
  const [bobs, anns] = h.sockets.map(({ connections }) => connections);
  for (const { messages } of bobs) for (const event of messages) Object.assign(event, { text: event._id, n: event.at - time(0) });
  bobs[0].changes = [heard('messageUpdated', 'm1', edit, 205)];
  bobs[1].changes = [heard('messageDeleted', 'm2', end, 5205)];
  anns[0].changes = [heard('messageUpdated', 'm1', edit, 205), heard('messageDeleted', 'm2', end, 5205)];
  spoil({ h, stored, bobs, anns, heard, edit, end });
  return h;
}

describe('of edits and deletions', () => {
  const finds = (name, rule, spoil) => test(name, () => assert.ok(check(changed(spoil)).counts[rule] > 0, JSON.stringify(check(changed(spoil)).violations)));
  test('good ones have no violation', () => assert.deepEqual(check(changed()).violations, []));
  finds('an acknowledged edit that is gone', 'undone', ({ stored }) => { delete stored[0].editedAt; stored[0].message = 'm1'; });
  finds('an acknowledged edit with another text', 'undone', ({ stored }) => { stored[0].message = 'm1'; });
  finds('an acknowledged deletion that is gone', 'undone', ({ stored }) => { delete stored[1].deletedAt; stored[1].message = 'm2'; });
  finds('a deleted message with its text', 'undone', ({ stored }) => { stored[1].message = 'm2'; });
  finds('a text that comes back to a socket', 'undone', ({ bobs }) => { bobs[1].messages[0].n = 9000; });
  finds('a change that a socket missed', 'lost', ({ bobs }) => { bobs[1].changes = []; });
  finds('a change that the writer\'s own socket missed', 'lost', ({ anns }) => { anns[0].changes.pop(); });
  finds('an earlier change after a later one', 'disorder', ({ anns, heard, edit, h }) => {
    anns[0].changes.push(heard('messageUpdated', 'm1', { ...edit, editedAt: time(190).toISOString() }, 300));
    h.changes.push({ ...h.changes[0] });
  });
  finds('a deletion by nobody', 'phantom', ({ h }) => { h.changes.pop(); });
  finds('a text that nobody wrote', 'phantom', ({ stored, h }) => { Object.assign(stored[0], { message: 'x', editedAt: time(300).toISOString() }); h.changes[0].answer = { editedAt: time(200).toISOString() }; });
  finds('a refusal', 'phantom', ({ h }) => { Object.assign(h.changes[0], { status: 403 }); });
});

describe('of people who are gone', () => {
  const gone = (change = () => {}) => {
    const word = (id) => ({ _id: id, message: '', deletedAt: time(900).toISOString() });
    const leaver = {
      name: 'leaver', sends: [{ _id: 'w1', text: 'one' }, { _id: 'w2', text: 'two' }], attempts: [{ status: 200 }],
      history: [word('w1'), word('w2')], login: 400, profile: 404,
    };
    change(leaver);
    return check({ ...history(), leavers: [leaver] });
  };
  const finds = (name, rule, change) => test(name, () => assert.ok(gone(change).counts[rule] > 0, JSON.stringify(gone(change).violations)));
  test('good ones have no violation', () => assert.deepEqual(gone().violations, []));
  test('an answer that was lost is none', () => assert.deepEqual(gone((one) => { one.attempts = [{ error: 'ECONNRESET' }, { status: 502 }, { status: 401 }]; }).violations, []));
  finds('an erasure that was refused', 'phantom', (one) => { one.attempts = [{ status: 403 }]; });
  finds('an erasure that nobody asked for', 'phantom', (one) => { one.attempts = [{ status: 401 }]; });
  finds('a log-in that works', 'undone', (one) => { one.login = 200; });
  finds('a profile that is there', 'undone', (one) => { one.profile = 200; });
  finds('a text that is there', 'undone', (one) => { one.history[1].message = 'two'; });
  finds('a message that is not deleted', 'undone', (one) => { delete one.history[0].deletedAt; });
  finds('a message without its place', 'lost', (one) => { one.history.pop(); });
});
