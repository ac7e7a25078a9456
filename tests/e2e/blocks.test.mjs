// Whom one does not want to hear from: what a block refuses, what it leaves alone, and that it holds at every process
// from its answer on: after a kill -9, and with Redis away.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { LlmServer, say, stall } from '../support/llm_server.mjs';
import { bothServe, processOf, signal } from '../support/processes.mjs';
import { whileRedisStays } from '../support/redis.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

const llm = await LlmServer.start();
after(() => llm.stop());
const hold = useStack({ before, after, afterEach }, {
  MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2', LIMIT_BLOCKS: '3',
  LLM_API_URL: `${llm.url}/v1`, LLM_API_TOKEN: 'a-token', LLM_MODEL: 'a-model', LIMIT_LLM_SENDER: '0', LIMIT_LLM_USER: '0',
});
const all = [];
afterEach(() => { for (const person of all.splice(0)) person.close(); });
const people = async (...names) => {
  const made = await Promise.all(names.map((name) => Person.signUp(hold.stack.url, name)));
  all.push(...made);
  return made;
};
const testOfTold = (name, body) => test(name, () => whileRedisStays(hold.stack, body));
const nobody = 'f'.repeat(24);
const tick = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const change = (method) => (person, other) => call(person.base, method, `/api/users/block/${other.id ?? other}`, undefined, { cookie: person.cookie });
const [block, unblock] = [change('POST'), change('DELETE')];
const blocked = async (person) => {
  const { status, json } = await person.get('/api/users/blocked');
  assert.equal(status, 200);
  return json;
};
const isDone = ({ status, text }) => assert.deepEqual([status, text], [200, '{"success":true}']);
const refusal = { error: 'You cannot write to this user', code: 'BLOCKED' };
const isBlocked = ({ status, json }) => assert.deepEqual([status, json], [403, refusal]);
const isSent = ({ status, text }) => assert.equal(status, 201, text);
const history = async (person, other) => (await person.history(other)).json.map(({ message }) => message);
/** Acknowledged by the server. */
const ask = (socket, name, ...args) => withDeadline(`an answer to ${name}`, new Promise((resolve) => { socket.emit(name, ...args, resolve); }));

/** Each message process, past the gateway. */
async function messageProcesses() {
  const targets = JSON.parse(await readFile(path.join(hold.stack.dir, 'data/run/targets.json'), 'utf8'));
  const urls = targets.filter(({ labels }) => labels.service === 'message').flatMap((target) => target.targets).map((at) => `http://${at}`);
  assert.equal(urls.length, 2);
  return urls;
}
const sendBy = (url, from, to, message, headers) =>
  call(url, 'POST', `/api/messages/send/${to.id}`, { message }, { cookie: from.cookie, ...headers });
/** What is said once it can be: one that starts, or that stood still while Redis was away, answers 503, and does nothing. */
const untilItCan = (ask) => waitUntil('an answer that is no 503', async () => {
  const answer = await ask().catch(() => ({ status: 503 }));
  return answer.status !== 503 && answer;
}, { within: 20000 });
async function refusedEverywhere(from, to) {
  for (const url of await messageProcesses()) isBlocked(await untilItCan(() => sendBy(url, from, to, 'no')));
}

/** Sockets of one person at both processes of presence. */
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

describe('the routes', () => {
  test('block, list and unblock, however often they are asked', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    assert.deepEqual(await blocked(ann), []);
    for (let i = 0; i < 2; i++) isDone(await block(ann, bob));
    isDone(await block(ann, eve));
    assert.deepEqual((await blocked(ann)).sort((a, b) => a._id.localeCompare(b._id)), [bob.user, eve.user].sort((a, b) => a._id.localeCompare(b._id)));
    assert.deepEqual(await blocked(bob), []);
    for (let i = 0; i < 2; i++) isDone(await unblock(ann, bob));
    assert.deepEqual(await blocked(ann), [eve.user]);
  });

  test('leave one no new words by an edit, but let one take back what was said', async () => {
    const [ann, bob] = await people('ann', 'bob');
    for (const [by, other] of [[ann, bob], [bob, ann]]) {
      const [kept, gone] = [(await ann.send(bob, 'kept')).json, (await ann.send(bob, 'gone')).json];
      isDone(await block(by, other));
      const { status, json } = await ann.edit(kept, 'other words');
      assert.deepEqual([status, json.code], [403, 'BLOCKED']);
      assert.equal((await ann.remove(gone)).status, 200);
      assert.deepEqual((await bob.history(ann)).json.slice(-2).map(({ message }) => message), ['kept', '']);
      isDone(await unblock(by, other));
      assert.equal((await ann.edit(kept, 'other words')).status, 200);
    }
  });

  test('refuse what is no user, no id, oneself, another method and nobody\'s cookie', async () => {
    const [ann] = await people('ann');
    const are = async (answer, expected) => { const { status, json } = await answer; assert.deepEqual([status, json.code], expected); };
    for (const by of [block, unblock]) {
      await are(by(ann, nobody), [404, 'USER_NOT_FOUND']);
      for (const bad of ['x', '1234', 'F'.repeat(23), `${nobody}0`, 'g'.repeat(24), 'blocked']) await are(by(ann, bad), [400, 'BAD_ID']);
      await are(by(ann, ann), [400, 'BLOCKS_ONESELF']);
      await are(by({ base: ann.base, cookie: '' }, nobody), [401, 'NO_TOKEN']);
    }
    await are(call(ann.base, 'GET', '/api/users/blocked'), [401, 'NO_TOKEN']);
    const wrong = await call(ann.base, 'PUT', `/api/users/block/${nobody}`, undefined, { cookie: ann.cookie });
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST, DELETE, OPTIONS']);
    const other = await call(ann.base, 'POST', '/api/users/blocked', undefined, { cookie: ann.cookie });
    assert.deepEqual([other.status, other.headers.get('allow')], [405, 'GET, HEAD, OPTIONS']);
    assert.deepEqual(await blocked(ann), []);
  });

  test('take no more blocks than LIMIT_BLOCKS, and go on after one of them went', async () => {
    const [ann, ...others] = await people('ann', 'bob', 'eve', 'joe', 'sue');
    for (const other of others.slice(0, 3)) isDone(await block(ann, other));
    const beyond = await block(ann, others[3]);
    assert.deepEqual([beyond.status, beyond.json.code], [409, 'TOO_MANY_BLOCKS']);
    isDone(await block(ann, others[0]));
    isSent(await others[3].send(ann, 'hi'));
    isDone(await unblock(ann, others[0]));
    isDone(await block(ann, others[3]));
    assert.equal((await blocked(ann)).length, 3);
  });

  test('are slowed down for one who changes without pause', async () => {
    const [ann, bob] = await people('ann', 'bob');
    // Each process lets a hundred pass, and twenty a second more: on a slow machine 300 may not be enough.
    await waitUntil('one to be refused', async () => {
      const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => (i % 2 ? block : unblock)(ann, bob)));
      assert.ok(answers.every(({ status }) => status === 200 || status === 429));
      return answers.some(({ status, headers }) => status === 429 && headers.get('retry-after'));
    }, { within: 20000 });
  });
});

describe('while either has blocked the other', () => {
  test('a send is refused both ways, by request and by socket, and stores nothing', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    const [hers, his] = [await ann.connect(), await bob.connect()];
    isSent(await ann.send(bob, 'before'));
    isDone(await block(ann, bob));
    isBlocked(await bob.send(ann, 'no', { 'idempotency-key': 'k1' }));
    isBlocked(await ann.send(bob, 'no'));
    assert.deepEqual(await ask(his, 'sendMessage', { to: ann.id, message: 'no', key: 'k2' }), refusal);
    assert.deepEqual(await ask(hers, 'sendMessage', { to: bob.id, message: 'no' }), refusal);
    await refusedEverywhere(bob, ann);
    assert.deepEqual(await history(ann, bob), ['before']);
    assert.deepEqual((await ann.get(`/api/conversations/${bob.id}`)).json.lastMessage.message, 'before');
    // Nobody else has to do with it.
    isSent(await eve.send(ann, 'hi'));
    isSent(await eve.send(bob, 'hi'));
    isSent(await bob.send(bob, 'to myself'));
    isDone(await unblock(ann, bob));
    isSent(await bob.send(ann, 'after', { 'idempotency-key': 'k1' })); // nothing was kept under it
    await waitUntil('both', () => hers.all('newMessage').length >= 2);
    assert.deepEqual(hers.all('newMessage').map(({ message }) => message).sort(), ['after', 'hi']); // of two people, in any order
  });

  test('the block of the one stays when that of the other goes', async () => {
    const [ann, bob] = await people('ann', 'bob');
    isDone(await block(ann, bob));
    isDone(await block(bob, ann));
    isDone(await unblock(ann, bob));
    isBlocked(await ann.send(bob, 'no'));
    isDone(await unblock(bob, ann));
    isSent(await ann.send(bob, 'yes'));
  });

  test('two who never wrote have no conversation by it', async () => {
    const [ann, bob] = await people('ann', 'bob');
    isDone(await block(ann, bob));
    isBlocked(await bob.send(ann, 'no'));
    assert.deepEqual((await ann.get('/api/conversations')).json, []);
    assert.deepEqual((await bob.get('/api/conversations')).json, []);
  });

  test('a send that was accepted before is answered as before', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const key = { 'idempotency-key': 'the-key' };
    const first = await ann.send(bob, 'hi', key);
    isSent(first);
    isDone(await block(bob, ann));
    const again = await ann.send(bob, 'hi', key);
    assert.deepEqual([again.status, again.json, again.headers.get('idempotent-replayed')], [201, first.json, 'true']);
    assert.equal((await ann.send(bob, 'another', key)).status, 422);
    assert.deepEqual(await history(ann, bob), ['hi']);
  });

  testOfTold('typing is dropped, and what was shown ends', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    const [hers, his] = [await socketsAtBoth(ann), await socketsAtBoth(bob)];
    const types = (socket, to, isTyping) => ask(socket, 'typing', { to: to.id ?? to, isTyping });
    await types(his[0], ann, true);
    await waitUntil('typing at both', () => hers.every((socket) => socket.all('typing').length >= 1));
    isDone(await block(ann, bob));
    await waitUntil('its end at both, though he goes on', async () => {
      await types(his[0], ann, true);
      return hers.every((socket) => socket.all('typing').length >= 2);
    });
    for (const [socket, to] of [...his.map((at) => [at, ann]), ...hers.map((at) => [at, bob])]) {
      await types(socket, to, true);
      await types(socket, to, false);
      await types(socket, to, true);
    }
    await types(his[0], nobody, true); // who is not there hears nothing, and it is no error
    const others = await eve.connect();
    await types(others, ann, true);
    const from = (person, socket) => socket.all('typing').filter((event) => event.from === person.id).map(({ isTyping }) => isTyping);
    await waitUntil('what eve types', () => hers.every((socket) => from(eve, socket).length > 0));
    await tick(500);
    for (const socket of hers) assert.deepEqual([from(bob, socket), from(eve, socket)[0]], [[true, false], true]);
    assert.deepEqual(his.flatMap((socket) => socket.all('typing')), []);
  });

  testOfTold('what is read or got there is noted, and the other is not told', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const [hers, his] = [await socketsAtBoth(ann), await bob.connect()];
    const messages = [];
    for (const text of ['1', '2']) messages.push((await bob.send(ann, text)).json);
    isDone(await block(ann, bob));
    assert.deepEqual(await ask(hers[0], 'delivered', { from: bob.id, upTo: messages[0]._id }), undefined);
    const read = await ann.post(`/api/messages/read/${bob.id}`, { upTo: messages[1]._id });
    assert.deepEqual([read.status, read.json], [200, { success: true, upTo: messages[1]._id, unread: 0 }]);
    await waitUntil('her other sockets', () => hers.every((socket) => socket.all('conversationRead').length === 1));
    await tick(300);
    assert.deepEqual([...his.all('messagesRead'), ...his.all('messagesDelivered')], []);
    isDone(await unblock(ann, bob));
    isSent(await bob.send(ann, '3'));
  });

  test('no model is asked, and a reply that is owed is dropped', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    assert.equal((await bob.setStatus('BUSY')).status, 200);
    const asked = llm.requests.length;
    // While it is written.
    llm.script(stall());
    const hers = await ann.connect();
    isSent(await ann.send(bob, 'Lunch?'));
    await waitUntil('the model to be asked', () => llm.requests.length > asked);
    isDone(await block(bob, ann));
    isBlocked(await ann.send(bob, 'Lunch?'));
    await tick(11000);
    assert.deepEqual(await history(ann, bob), ['Lunch?']);
    assert.deepEqual(hers.all('newMessage'), []);
    assert.ok(llm.requests.length <= asked + 1);
    // Others are answered.
    llm.script(say('At three.'));
    isSent(await eve.send(bob, 'When?'));
    await waitUntil('the reply to eve', async () => (await history(eve, bob)).length === 2, { within: 10000 });
  });
});

describe('at every process', () => {
  test('it holds at the very next send, though one process after the other is killed', async () => {
    const [ann, bob] = await people('ann', 'bob');
    isSent(await ann.send(bob, 'before'));
    isDone(await block(bob, ann));
    await refusedEverywhere(ann, bob);
    for (const name of ['message1', 'message2', 'presence1']) {
      const pid = await hold.stack.pidOf(name);
      await signal(hold.stack, name, 'SIGKILL');
      await waitUntil(`another ${name}`, async () => (await hold.stack.pidOf(name)) !== pid, { within: 20000 });
      await refusedEverywhere(ann, bob); // one that is not ready yet says so; none takes it
    }
    await bothServe(hold.stack);
    assert.deepEqual(await history(ann, bob), ['before']);
    isDone(await unblock(bob, ann));
    for (const url of await messageProcesses()) isSent(await sendBy(url, ann, bob, 'after'));
  });

  test('it holds with Redis away', async () => {
    const [ann, bob] = await people('ann', 'bob');
    isSent(await ann.send(bob, 'before'));
    const pid = await hold.stack.pidOf('redis');
    process.kill(pid, 'SIGSTOP');
    try {
      isDone(await untilItCan(() => block(bob, ann)));
      for (let i = 0; i < 2; i++) await refusedEverywhere(ann, bob);
      isDone(await untilItCan(() => unblock(bob, ann)));
      for (const url of await messageProcesses()) isSent(await untilItCan(() => sendBy(url, ann, bob, 'after', { 'idempotency-key': url })));
      isDone(await untilItCan(() => block(ann, bob)));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await refusedEverywhere(ann, bob);
    assert.deepEqual(await history(ann, bob), ['before', 'after', 'after']);
  });

  test('after its answer no message is accepted, of however many that are under way', async () => {
    const urls = await messageProcesses();
    for (let round = 0; round < 5; round++) {
      const [ann, bob] = await people('ann', 'bob');
      const sockets = await socketsAtBoth(ann);
      let goesOn = true;
      const senders = [
        ...[...urls, ...urls].map((url) => async () => (await sendBy(url, ann, bob, 'x')).status === 201),
        ...sockets.map((socket) => async () => !(await ask(socket, 'sendMessage', { to: bob.id, message: 'x' })).code),
      ].map((send) => ({ send, accepted: 0, refused: 0 }));
      const sending = senders.map(async (sender) => { while (goesOn) { if (await sender.send()) sender.accepted++; else sender.refused++; } });
      const each = (what, holds) => waitUntil(`every sender to be ${what}`, () => senders.every(holds), { within: 10000 });
      let then;
      try {
        await each('accepted', ({ accepted }) => accepted > 0);
        isDone(await block(bob, ann));
        then = (await history(bob, ann)).length;
        await each('refused', ({ refused }) => refused > 2);
      } finally {
        goesOn = false;
        await Promise.all(sending);
      }
      const accepted = senders.reduce((sum, sender) => sum + sender.accepted, 0);
      assert.deepEqual([(await history(bob, ann)).length, accepted], [then, then]);
      ann.close();
    }
  });
});

test('it is there after a restart', async () => {
  const [ann, bob] = await people('ann', 'bob');
  isDone(await block(bob, ann));
  const { dir, port } = hold.stack;
  await hold.stack.stop({ keep: true });
  hold.stack = await Stack.start({ MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2' }, { dir, port });
  await refusedEverywhere(ann, bob);
  assert.deepEqual((await blocked(bob)).map(({ _id }) => _id), [ann.id]);
});
