// What waits for whom: the list of conversations, what of it is read, and what got there. Two processes of each
// service, so that nothing depends on which one is asked.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { bothServe, processOf, signal } from '../support/processes.mjs';
import { whileRedisStays } from '../support/redis.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2' });
const people = (...names) => Promise.all(names.map((name) => Person.signUp(hold.stack.url, name)));
const testOfTold = (name, body) => test(name, () => whileRedisStays(hold.stack, body));
const nobody = 'f'.repeat(24);
const tick = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const list = (person, query = '') => person.get(`/api/conversations${query}`);
const one = (person, other) => person.get(`/api/conversations/${other.id ?? other}`);
const read = (person, other, upTo, headers) => person.post(`/api/messages/read/${other.id ?? other}`, { upTo }, headers);
/** Acknowledged by the server. */
const deliver = (socket, from, upTo) => withDeadline('the acknowledgement', new Promise((resolve) => {
  socket.emit('delivered', { from: from.id ?? from, upTo }, (...args) => resolve(args));
}));
const sent = async (from, to, text) => {
  const answer = await from.send(to, text);
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
};
const sendMany = async (from, to, count) => {
  const messages = [];
  for (let i = 0; i < count; i++) messages.push(await sent(from, to, `${i + 1}`));
  return messages;
};
const marksOf = ({ unread, readUpTo, theirReadUpTo, theirDeliveredUpTo }) => ({ unread, readUpTo, theirReadUpTo, theirDeliveredUpTo });
const noMarks = { unread: 0, readUpTo: null, theirReadUpTo: null, theirDeliveredUpTo: null };
const next = (answer) => answer.headers.get('link')?.match(/^<(\/api\/conversations\?[^>]+)>; rel="next"$/)?.[1];

/** Sockets of one person at both processes. */
async function socketsAtBoth(person) {
  const sockets = [await person.connect()];
  await waitUntil('a socket at the other process', async () => {
    const socket = await person.connect();
    if (processOf(socket) !== processOf(sockets[0])) return sockets.push(socket);
    socket.disconnect();
    return false;
  }, { within: 15000 });
  return sockets;
}

describe('the list', () => {
  test('of somebody new is empty, and has no next page', async () => {
    const [ann] = await people('ann');
    const answer = await list(ann);
    assert.deepEqual([answer.status, answer.text, answer.headers.get('link')], [200, '[]', null]);
  });

  test('has an entry for both after the first message: exactly these fields', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const message = await sent(ann, bob, 'hello');
    const hers = await list(ann);
    assert.deepEqual(hers.json, [{ user: bob.user, lastMessage: message, ...noMarks }]);
    assert.deepEqual(Object.keys(hers.json[0]), ['user', 'lastMessage', 'unread', 'readUpTo', 'theirReadUpTo', 'theirDeliveredUpTo']);
    assert.deepEqual((await list(bob)).json, [{ user: ann.user, lastMessage: message, ...noMarks, unread: 1 }]);
    assert.ok(!hers.text.includes('password'));
  });

  test('shows status and statusNote of the other as they are now', async () => {
    const [ann, bob] = await people('ann', 'bob');
    await sent(bob, ann, 'hello');
    await bob.setStatus('BUSY', 'in a meeting');
    const [{ user }] = (await list(ann)).json;
    assert.deepEqual(user, { ...bob.user, status: 'BUSY', statusNote: 'in a meeting' });
    await bob.setStatus('AVAILABLE');
    assert.deepEqual((await list(ann)).json[0].user, bob.user);
  });

  test('is ordered by the last message, whoever wrote it; one entry for each correspondent', async () => {
    const [ann, bob, eve, joe] = await people('ann', 'bob', 'eve', 'joe');
    const names = async () => (await list(ann)).json.map(({ user }) => user._id);
    await sent(bob, ann, '1');
    await sent(ann, eve, '2');
    await sent(joe, ann, '3');
    assert.deepEqual(await names(), [joe.id, eve.id, bob.id]);
    const last = await sent(ann, bob, '4');
    assert.deepEqual(await names(), [bob.id, joe.id, eve.id]);
    assert.deepEqual((await list(ann)).json[0].lastMessage, last);
    await sent(eve, ann, '5');
    assert.deepEqual(await names(), [eve.id, bob.id, joe.id]);
  });

  test('counts what the other wrote, and not what one wrote oneself, to 100', async () => {
    const [ann, bob] = await people('ann', 'bob');
    await sendMany(ann, bob, 3);
    const messages = await sendMany(bob, ann, 99);
    const unread = async () => (await one(ann, bob)).json.unread;
    assert.equal(await unread(), 99);
    messages.push(...await sendMany(bob, ann, 1));
    assert.equal(await unread(), 100);
    messages.push(...await sendMany(bob, ann, 30));
    assert.equal(await unread(), 100, '100 means 100 or more');
    assert.deepEqual((await read(ann, bob, messages[29]._id)).json, { success: true, upTo: messages[29]._id, unread: 100 });
    assert.deepEqual((await read(ann, bob, messages[30]._id)).json, { success: true, upTo: messages[30]._id, unread: 99 });
    assert.equal((await list(ann)).json[0].unread, 99);
    assert.equal((await one(bob, ann)).json.unread, 3);
  });

  test('counts automatic replies', async () => {
    const [ann, bob] = await people('ann', 'bob');
    await bob.setStatus('BUSY');
    const message = await sent(ann, bob, 'are you there?');
    await waitUntil('the reply', async () => (await one(ann, bob)).json.unread === 1, { within: 15000 });
    const { lastMessage } = (await list(ann)).json[0];
    assert.equal(lastMessage.autoReply.inReplyTo, message._id);
    assert.equal((await read(ann, bob, lastMessage._id)).json.unread, 0);
  });

  test('comes in pages that miss none and repeat none; 30 if no limit is given', async () => {
    const [ann, ...others] = await people('ann', ...Array.from({ length: 34 }, (_, i) => `other${i}`));
    for (const other of others) await sent(other, ann, 'hello');
    const expected = others.map(({ id }) => id).reverse();
    const first = await list(ann);
    assert.deepEqual(first.json.map(({ user }) => user._id), expected.slice(0, 30));
    assert.ok(next(first), first.headers.get('link'));
    assert.equal(new URL(next(first), hold.stack.url).searchParams.get('limit'), '30');
    const whole = await list(ann, '?limit=100');
    assert.equal(whole.json.length, 34);
    assert.equal(whole.headers.get('link'), null);
    assert.equal((await list(ann, '?limit=34')).headers.get('link'), null);
    const found = [];
    let pages = 0;
    for (let path = '/api/conversations?limit=5'; path; pages++) {
      const page = await ann.get(path);
      assert.equal(page.status, 200, page.text);
      found.push(...page.json);
      path = next(page);
      if (pages === 2) await sent(others[30], ann, 'again'); // was in the first page, and is not told twice
    }
    assert.equal(pages, 7);
    assert.deepEqual(found.map(({ user }) => user._id), expected);
    const [before] = (await list(ann, '?limit=1')).json;
    assert.equal(before.user._id, others[30].id);
  });

  test('with long texts goes out in pieces, and is whole', async () => {
    const [ann, ...others] = await people('ann', ...Array.from({ length: 12 }, (_, i) => `long${i}`));
    for (const other of others) await sent(other, ann, `${other.id}${'"'.repeat(45000)}`);
    const page = await list(ann, '?limit=10');
    assert.deepEqual(page.json.map(({ user }) => user._id), others.map(({ id }) => id).reverse().slice(0, 10));
    assert.ok(page.json.every(({ user, lastMessage }) => lastMessage.message === `${user._id}${'"'.repeat(45000)}`));
    const rest = await ann.get(next(page));
    assert.deepEqual(rest.json.map(({ user }) => user._id), [others[1].id, others[0].id]);
    assert.equal(next(rest), undefined);
  });

  test('refuses limits and cursors that are none, and says which', async () => {
    const [ann] = await people('ann');
    for (const limit of ['0', '101', '-1', '1.5', 'x', '', '1e1', '%31%00', '1&limit=2']) {
      const answer = await list(ann, `?limit=${limit}`);
      assert.equal(answer.status, 400, limit);
      assert.match(answer.json.error, /^limit /);
    }
    for (const before of ['x', '', nobody, `0-${nobody}x`, `-${nobody}`, '%00', `1-${nobody}&before=1-${nobody}`, '9'.repeat(200)]) {
      const answer = await list(ann, `?before=${before}`);
      assert.equal(answer.status, 400, before);
      assert.match(answer.json.error, /^before /);
    }
    assert.equal((await list(ann, '?limit=1&other=2')).status, 200);
  });
});

describe('one conversation', () => {
  test('is the entry of the list', async () => {
    const [ann, bob] = await people('ann', 'bob');
    await sent(bob, ann, 'hello');
    assert.deepEqual((await one(ann, bob)).json, (await list(ann)).json[0]);
  });

  test('with somebody to whom nobody wrote has no last message, and is not in the list', async () => {
    const [ann, bob] = await people('ann', 'bob');
    assert.deepEqual((await one(ann, bob)).json, { user: bob.user, lastMessage: null, ...noMarks });
    assert.deepEqual((await list(ann)).json, []);
  });

  test('with nobody is 404, with what is no id 400', async () => {
    const [ann] = await people('ann');
    const unknown = await one(ann, nobody);
    assert.deepEqual([unknown.status, unknown.json], [404, { error: 'User not found', code: 'USER_NOT_FOUND' }]);
    for (const id of ['x', 'f'.repeat(23), 'f'.repeat(25), 'g'.repeat(24)]) assert.equal((await one(ann, id)).status, 400, id);
  });
});

describe('a read mark', () => {
  test('says what is left, moves forward only, and is seen by both', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const m = await sendMany(bob, ann, 4);
    const first = await read(ann, bob, m[1]._id);
    assert.deepEqual([first.status, first.json], [200, { success: true, upTo: m[1]._id, unread: 2 }]);
    assert.deepEqual((await read(ann, bob, m[0]._id)).json, { success: true, upTo: m[1]._id, unread: 2 }, 'an older one');
    assert.deepEqual((await read(ann, bob, m[1]._id)).json, { success: true, upTo: m[1]._id, unread: 2 }, 'the same');
    assert.deepEqual(marksOf((await one(ann, bob)).json), { ...noMarks, unread: 2, readUpTo: m[1]._id });
    assert.deepEqual(marksOf((await one(bob, ann)).json), { ...noMarks, theirReadUpTo: m[1]._id, theirDeliveredUpTo: m[1]._id }, 'read implies delivered');
    assert.deepEqual((await read(ann, bob, m[3]._id)).json, { success: true, upTo: m[3]._id, unread: 0 });
    const more = await sent(bob, ann, 'more');
    assert.equal((await one(ann, bob)).json.unread, 1);
    assert.equal((await read(ann, bob, more._id)).json.unread, 0);
  });

  test('may be one of the reader\'s own messages: all before it is read', async () => {
    const [ann, bob] = await people('ann', 'bob');
    await sendMany(bob, ann, 2);
    const own = await sent(ann, bob, 'mine');
    assert.equal((await one(ann, bob)).json.unread, 2, 'to answer is not to read');
    await sent(bob, ann, 'later');
    assert.deepEqual((await read(ann, bob, own._id)).json, { success: true, upTo: own._id, unread: 1 });
    assert.equal((await one(bob, ann)).json.theirReadUpTo, own._id);
  });

  testOfTold('is told to the other\'s sockets and the reader\'s others, once each, and to nobody else', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    await bothServe(hold.stack);
    const [hers, his, hers3] = [await socketsAtBoth(ann), await socketsAtBoth(bob), [await eve.connect()]];
    const m = await sendMany(bob, ann, 3);
    const begun = Date.now();
    await read(ann, bob, m[1]._id, { 'x-socket-id': hers[0].id });
    await waitUntil('the events', () => his.every((s) => s.all('messagesRead').length === 1) && hers[1].all('conversationRead').length === 1);
    await read(ann, bob, m[0]._id, { 'x-socket-id': hers[0].id }); // moves nothing
    await read(ann, bob, m[1]._id);
    await tick(300);
    for (const socket of his) {
      const [event, ...more] = socket.all('messagesRead');
      assert.deepEqual(more, []);
      assert.deepEqual({ ...event, at: 0 }, { userId: ann.id, upTo: m[1]._id, at: 0 });
      assert.match(event.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(Math.abs(Date.parse(event.at) - begun) < patient(10000));
      assert.deepEqual(socket.all('conversationRead'), []);
    }
    assert.deepEqual(hers[0].all('conversationRead'), [], 'the socket that read knows');
    assert.deepEqual(hers[1].all('conversationRead'), [{ userId: bob.id, upTo: m[1]._id, unread: 1 }]);
    for (const socket of [...hers, ...hers3]) assert.deepEqual(socket.all('messagesRead'), []);
    await read(ann, bob, m[2]._id); // without X-Socket-Id: to all of hers
    await waitUntil('both to hear', () => hers.every((s) => s.all('conversationRead').at(-1)?.unread === 0));
    for (const person of [ann, bob, eve]) person.close();
  });

  testOfTold('told again and again at once ends at the newest, and no socket hears it go back after an answer', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const his = await bob.connect();
    const m = await sendMany(bob, ann, 12);
    const answers = await Promise.all([...m].reverse().map(({ _id }) => read(ann, bob, _id)));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal((await one(ann, bob)).json.readUpTo, m.at(-1)._id);
    assert.equal((await one(ann, bob)).json.unread, 0);
    const more = await sendMany(bob, ann, 6);
    for (const { _id } of more) await read(ann, bob, _id);
    const ids = more.map(({ _id }) => _id);
    await waitUntil('the last', () => his.all('messagesRead').at(-1)?.upTo === ids.at(-1));
    assert.deepEqual(his.all('messagesRead').map(({ upTo }) => upTo).slice(-6), ids, 'one after the other they come in order');
    bob.close();
  });

  test('that is no message of the two is 400 BAD_MESSAGE, and changes nothing', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    await sent(bob, ann, 'hello');
    const others = await sent(bob, eve, 'to eve');
    const aside = await sent(eve, ann, 'from eve');
    for (const upTo of [others._id, aside._id, nobody, '', 'x', nobody.slice(1), 1, null, true, [others._id], { $gt: '' }, undefined]) {
      const answer = await read(ann, bob, upTo);
      assert.deepEqual([answer.status, answer.json.code], [400, 'BAD_MESSAGE'], JSON.stringify(upTo));
      assert.match(answer.json.error, /upTo/);
    }
    assert.deepEqual(marksOf((await one(ann, bob)).json), { ...noMarks, unread: 1 });
    assert.equal((await read(ann, nobody, others._id)).json.code, 'BAD_MESSAGE');
    assert.equal((await read(ann, 'x', others._id)).json.code, 'BAD_ID');
    assert.equal((await one(ann, nobody)).status, 404);
  });
});

describe('what got there', () => {
  testOfTold('is told to all sockets of the writer, and stands in their conversation', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    const [his, hers, eves] = [await socketsAtBoth(bob), await ann.connect(), await eve.connect()];
    const m = await sendMany(bob, ann, 2);
    assert.deepEqual(await deliver(hers, bob, m[0]._id), []);
    await waitUntil('the event', () => his.every((s) => s.all('messagesDelivered').length === 1));
    for (const socket of his) {
      const [event] = socket.all('messagesDelivered');
      assert.deepEqual({ ...event, at: 0 }, { userId: ann.id, upTo: m[0]._id, at: 0 });
      assert.match(event.at, /^\d{4}-\d\d-\d\dT.*Z$/);
    }
    assert.deepEqual(marksOf((await one(bob, ann)).json), { ...noMarks, theirDeliveredUpTo: m[0]._id });
    assert.deepEqual(marksOf((await one(ann, bob)).json), { ...noMarks, unread: 2 }, 'it is not read');
    hers.emit('delivered', { from: bob.id, upTo: m[1]._id }); // without acknowledgement
    await waitUntil('the next', () => his[0].all('messagesDelivered').at(-1).upTo === m[1]._id);
    assert.deepEqual(await deliver(hers, bob, m[0]._id), [], 'an older one changes nothing');
    await tick(1500);
    assert.equal(his[0].all('messagesDelivered').length, 2);
    assert.equal((await one(bob, ann)).json.theirDeliveredUpTo, m[1]._id);
    assert.deepEqual([...hers.all('messagesDelivered'), ...eves.all('messagesDelivered')], []);
    for (const person of [ann, bob, eve]) person.close();
  });

  testOfTold('is written once a second at most, the newest of it', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const [his, hers] = [await bob.connect(), await ann.connect()];
    const m = await sendMany(bob, ann, 30);
    const begun = Date.now();
    for (const { _id } of m) hers.emit('delivered', { from: bob.id, upTo: _id });
    await waitUntil('the last one', () => his.all('messagesDelivered').at(-1)?.upTo === m.at(-1)._id);
    const seconds = (Date.now() - begun) / 1000;
    assert.ok(his.all('messagesDelivered').length <= 2 + seconds, `${his.all('messagesDelivered').length} in ${seconds} s`);
    assert.equal((await one(bob, ann)).json.theirDeliveredUpTo, m.at(-1)._id);
    for (const person of [ann, bob]) person.close();
  });

  test('each that asks is acknowledged once: with nothing, or with what is wrong', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const hers = await ann.connect();
    const message = await sent(bob, ann, 'hello');
    const good = { from: bob.id, upTo: message._id };
    let count = 0;
    const ask = (...args) => withDeadline('the acknowledgement', new Promise((resolve) => {
      hers.emit('delivered', ...args, (...answer) => { count++; resolve(answer); });
    }));
    for (const said of [undefined, null, 1, 'x', [], {}, { from: bob.id }, { upTo: message._id }, { ...good, from: 1 }, { ...good, from: 'x' },
      { ...good, upTo: 'x' }, { ...good, upTo: null }, { ...good, upTo: { $gt: '' } }, { ...good, from: [bob.id] }]) {
      const [answer, ...more] = await (said === undefined ? ask() : ask(said));
      assert.deepEqual(more, []);
      assert.equal(typeof answer.error, 'string', JSON.stringify(said));
      assert.match(answer.code, /^BAD_(ID|MESSAGE)$/);
    }
    assert.deepEqual(await ask(good), []);
    assert.deepEqual(await ask(good, 'more'), [], 'what comes after it is passed over');
    await tick(200);
    assert.equal(count, 16);
    ann.close();
  });

  testOfTold('with what is no message of the two moves nothing, and is told to nobody', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    const [his, hers] = [await bob.connect(), await ann.connect()];
    const others = await sent(bob, eve, 'to eve');
    const message = await sent(bob, ann, 'hello');
    const refused = { error: 'upTo must be the _id of a message of this conversation', code: 'BAD_MESSAGE' };
    for (const upTo of [nobody, others._id, nobody]) assert.deepEqual(await deliver(hers, bob, upTo), [refused]);
    assert.deepEqual(await deliver(hers, nobody, message._id), [refused]);
    await tick(300);
    assert.deepEqual(his.all('messagesDelivered'), []);
    assert.equal((await one(bob, ann)).json.theirDeliveredUpTo, null);
    await deliver(hers, bob, message._id);
    await waitUntil('the right one', () => his.all('messagesDelivered').length === 1);
    const next = await sent(bob, ann, 'next');
    assert.deepEqual(await deliver(hers, bob, next._id), []);
    for (const upTo of [others._id, nobody]) assert.deepEqual(await deliver(hers, bob, upTo), [refused], 'in the second after it');
    await waitUntil('what was kept', () => his.all('messagesDelivered').at(-1).upTo === next._id);
    for (const person of [ann, bob]) person.close();
  });

  test('is not told after it was read: read is delivered', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const [his, hers] = [await bob.connect(), await ann.connect()];
    const m = await sendMany(bob, ann, 2);
    await read(ann, bob, m[1]._id);
    await deliver(hers, bob, m[0]._id);
    await tick(300);
    assert.deepEqual(his.all('messagesDelivered'), []);
    assert.deepEqual(marksOf((await one(bob, ann)).json), { ...noMarks, theirReadUpTo: m[1]._id, theirDeliveredUpTo: m[1]._id });
    for (const person of [ann, bob]) person.close();
  });

  test('said by a socket that goes at once is stored all the same', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const hers = await ann.connect({ transports: ['websocket'] });
    const m = await sendMany(bob, ann, 2);
    await deliver(hers, bob, m[0]._id);
    await deliver(hers, bob, m[1]._id);
    hers.io.engine.close();
    await waitUntil('the mark', async () => (await one(bob, ann)).json.theirDeliveredUpTo === m[1]._id);
    ann.close();
  });
});

describe('across processes that end', () => {
  testOfTold('what a drain finds is stored; sockets that come back hear what follows; the list says the rest', async () => {
    const [ann, bob] = await people('ann', 'bob');
    await bothServe(hold.stack);
    const [his, hers] = [await bob.connect(), await ann.connect()];
    const m = await sendMany(bob, ann, 4);
    await deliver(hers, bob, m[0]._id);
    await deliver(hers, bob, m[1]._id); // kept for the rest of the second
    await signal(hold.stack, processOf(hers).replace('p', 'presence'), 'SIGTERM');
    await waitUntil('the mark', async () => (await one(bob, ann)).json.theirDeliveredUpTo === m[1]._id, { within: 15000 });
    await bothServe(hold.stack);
    await waitUntil('both to be back', () => his.connected && hers.connected, { within: 20000 });
    await deliver(hers, bob, m[2]._id);
    await waitUntil('what follows', () => his.all('messagesDelivered').at(-1)?.upTo === m[2]._id);
    await signal(hold.stack, processOf(hers).replace('p', 'presence'), 'SIGKILL');
    await waitUntil('to be back', () => his.connected && hers.connected && hers.io.engine.readyState === 'open', { within: 20000 });
    await waitUntil('the next one to repair it', async () => {
      hers.emit('delivered', { from: bob.id, upTo: m[3]._id });
      await tick(200);
      return (await one(bob, ann)).json.theirDeliveredUpTo === m[3]._id;
    }, { within: 30000 });
    assert.equal((await read(ann, bob, m[3]._id)).json.unread, 0);
    await waitUntil('the badge to go', async () => (await list(ann)).json[0].unread === 0);
    for (const person of [ann, bob]) person.close();
  });
});

describe('the routes', () => {
  test('want a session', async () => {
    const bare = (method, path, body) => call(hold.stack.url, method, path, body);
    for (const answer of [await bare('GET', '/api/conversations'), await bare('GET', `/api/conversations/${nobody}`),
      await bare('POST', `/api/messages/read/${nobody}`, { upTo: nobody })]) {
      assert.deepEqual([answer.status, answer.json.code], [401, 'NO_TOKEN']);
    }
  });

  test('want their methods, JSON, and a body that is an object', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const as = (method, path, body, headers) => call(hold.stack.url, method, path, body, { cookie: ann.cookie, ...headers });
    for (const [method, path, allow] of [
      ['POST', '/api/conversations', 'GET, HEAD, OPTIONS'], ['DELETE', '/api/conversations', 'GET, HEAD, OPTIONS'],
      ['PUT', `/api/conversations/${bob.id}`, 'GET, HEAD, OPTIONS'], ['GET', `/api/messages/read/${bob.id}`, 'POST, OPTIONS'],
    ]) {
      const answer = await as(method, path);
      assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allow], `${method} ${path}`);
    }
    const path = `/api/messages/read/${bob.id}`;
    assert.equal((await as('POST', path, 'upTo=1', { 'content-type': 'application/x-www-form-urlencoded' })).status, 415);
    for (const body of ['{', '', '[]', '"x"', '{"upTo":"\\ud800"}']) assert.equal((await as('POST', path, body)).status, 400, body);
    assert.equal((await as('GET', '/api/conversations/')).status, 200, 'one slash at the end does not count');
    assert.equal((await as('GET', `/api/conversations/${bob.id}/x`)).status, 404);
    assert.equal((await as('GET', '/api/conversationsx')).status, 404);
    const head = await fetch(`${hold.stack.url}/api/conversations`, { method: 'HEAD', headers: { cookie: ann.cookie } });
    assert.deepEqual([head.status, await head.text()], [200, '']);
  });

  test('count their caller as online', async () => {
    const stack = await Stack.start({ ONLINE_TTL: '1' });
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
      const isOnline = async () => (await ann.send(bob, 'hello')).status === 201;
      const message = await waitUntil('bob to be online for long enough', async () => {
        assert.equal((await list(bob)).status, 200);
        const { status, json } = await bob.send(ann, 'hello');
        return status === 201 && json;
      });
      for (const ask of [() => list(ann), () => one(ann, bob), () => read(ann, bob, message._id)]) {
        await waitUntil('her to be online by it', async () => {
          await waitUntil('her to be offline', async () => !await isOnline(), { within: 10000 });
          assert.equal((await ask()).status, 200);
          return isOnline(); // in the second that it counts, if the machine goes on
        }, { within: 20000 });
      }
    } finally { await stack.stop(); }
  });
});
