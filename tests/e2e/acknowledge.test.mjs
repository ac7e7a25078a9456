// Every event of a client that asks for an acknowledgement gets one, and only one.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Socket } from '../support/conformance.mjs';
import { residentBytes, workerOf } from '../support/process.mjs';
import { whileRedisStays } from '../support/redis.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const MiB = 1024 * 1024;
const hold = useStack({ before, after, afterEach });
const people = [];
const signUp = async (name) => { const p = await Person.signUp(hold.stack.url, name); people.push(p); return p; };
afterEach(() => { for (const p of people.splice(0)) p.close(); });

const nobody = '0'.repeat(24);
const unknown = { error: 'Unknown event', code: 'UNKNOWN_EVENT' };
const badId = { error: 'to must be 24 hexadecimal digits', code: 'BAD_ID' };
const badFlag = { error: 'isTyping must be true or false', code: 'INVALID_FIELD' };

const cases = [
  ['typing begins', ['typing', { to: nobody, isTyping: true }], []],
  ['typing goes on', ['typing', { to: nobody, isTyping: true }], []],
  ['typing ends', ['typing', { to: nobody, isTyping: false }], []],
  ['typing ends that never began', ['typing', { to: nobody, isTyping: false }], []],
  ['typing with more arguments', ['typing', { to: nobody, isTyping: false }, 1, 'x'], []],
  ['typing without an argument', ['typing'], [badId]],
  ['typing with null', ['typing', null], [badId]],
  ['typing with text', ['typing', nobody], [badId]],
  ['typing to a bad id', ['typing', { to: 'x', isTyping: true }], [badId]],
  ['typing to a query', ['typing', { to: { $gt: '' }, isTyping: true }], [badId]],
  ['typing without isTyping', ['typing', { to: nobody }], [badFlag]],
  ['typing with isTyping as text', ['typing', { to: nobody, isTyping: 'true' }], [badFlag]],
  ['an unknown event', ['nothing', { a: 1 }], [unknown]],
  ['an event of ours, from a client', ['newMessage', {}], [unknown]],
  ['the empty name', ['', 1], [unknown]],
  ['a name beyond ASCII', ['schreiben…', 1], [unknown]],
  ['a name that begins like another', ['typing2', { to: nobody, isTyping: true }], [unknown]],
  ['binary', ['picture', Buffer.from('abc'), { deep: [Buffer.alloc(1000)] }], [unknown]],
  ['binary where none is due', ['typing', { to: Buffer.from('abc'), isTyping: true }], [badId]],
];

/** What `emit` with these is acknowledged with, all arguments. */
const ask = (socket, args) => withDeadline(`an answer to ${args[0]}`,
  new Promise((resolve) => socket.emit(...args, (...answer) => resolve(answer))), 3000);

for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
  describe(`over ${transports.join(', then ')}`, () => {
    for (const [what, args, answer] of cases) {
      test(what, async () => assert.deepEqual(await ask(await (await signUp('ann')).connect({ transports }), args), answer));
    }

    test('emitWithAck() and timeout() end well', async () => {
      const socket = await (await signUp('ann')).connect({ transports });
      assert.equal(await socket.emitWithAck('typing', { to: nobody, isTyping: true }), undefined);
      assert.deepEqual(await socket.timeout(patient(3000)).emitWithAck('nothing'), unknown);
      const answer = await new Promise((resolve) => socket.timeout(patient(3000)).emit('typing', {}, (...all) => resolve(all)));
      assert.deepEqual(answer, [null, badId]);
    });

    test('a client with retries goes on after each, in order, and sends none twice', () => whileRedisStays(hold.stack, async () => {
      const [ann, bob] = [await signUp('ann'), await signUp('bob')];
      const heard = await bob.connect();
      // What it sends again it sends later than we wait for.
      const socket = await ann.connect({ transports, retries: 3, ackTimeout: patient(60000) });
      const answers = [];
      const sent = [];
      socket.onAnyOutgoing((name) => sent.push(name));
      socket.emit('nothing', 1, (...all) => answers.push(all));
      socket.emit('typing', { to: bob.id, isTyping: true });
      socket.emit('typing', 'bad', (...all) => answers.push(all));
      // Of typing that ends before it was found to be allowed, nobody hears.
      await waitUntil('the first at bob', () => heard.all('typing').length > 0);
      socket.emit('typing', { to: bob.id, isTyping: false }, (...all) => answers.push(all));
      await waitUntil('the last one', () => answers.length === 3);
      assert.deepEqual(sent, ['nothing', 'typing', 'typing', 'typing']);
      assert.deepEqual(answers, [[null, unknown], [null, badId], [null]]);
      await waitUntil('both at bob', () => heard.all('typing').length === 2);
      assert.deepEqual(heard.all('typing').map(({ isTyping }) => isTyping), [true, false]);
    }));
  });
}

test('a ninth whom one types to is refused, and the eight stay', async () => {
  const socket = await (await signUp('ann')).connect();
  const others = await Promise.all(Array.from({ length: 9 }, (_, i) => signUp(`other${i}`)));
  const to = (i) => others[i - 1].id;
  for (let i = 1; i <= 8; i++) assert.deepEqual(await ask(socket, ['typing', { to: to(i), isTyping: true }]), []);
  assert.deepEqual(await ask(socket, ['typing', { to: to(9), isTyping: true }]),
    [{ error: 'You cannot type to more than 8 people at once', code: 'TOO_MANY_REQUESTS' }]);
  assert.deepEqual(await ask(socket, ['typing', { to: to(8), isTyping: false }]), []);
  assert.deepEqual(await ask(socket, ['typing', { to: to(9), isTyping: true }]), []);
});

/** A socket that is let in, its welcome taken. */
const bare = async (person) => {
  const socket = new Socket(`${person.base}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: person.cookie } });
  await socket.take();
  socket.send('40');
  while (!(await socket.take()).includes('getOnlineUsers'));
  /** The next one that is no list and no ping, which may come at any time. */
  socket.answer = async () => {
    for (;;) {
      const heard = await socket.take();
      if (heard === '2') socket.send('3');
      else if (!heard.includes('getOnlineUsers')) return heard;
    }
  };
  return socket;
};

test('byte by byte: each id as it came, 0 and the largest, none where none was asked for', async () => {
  const socket = await bare(await signUp('ann'));
  const refusal = JSON.stringify([unknown]);
  for (const [packet, answer] of [
    ['420["a"]', `430${refusal}`], ['42/,7["a"]', `437${refusal}`],
    ['429007199254740991["a"]', `439007199254740991${refusal}`], ['425[1,2]', `435${refusal}`],
    [`426["typing",{"to":"${nobody}","isTyping":false}]`, '436[]'],
  ]) {
    socket.send('42["a"]');
    socket.send(packet);
    assert.equal(await socket.answer(), answer, packet);
  }
  socket.close();
});

describe('who asks without end', () => {
  const flood = Array.from({ length: 200 }, (_, i) => `42${i}["x"]`);
  const idsOf = (text) => text.split('\x1e').filter((p) => p.startsWith('43')).map((p) => Number(/^43(\d+)/.exec(p)[1]));

  test('and takes nothing, by WebSocket, is cut off at the bound; others do not notice', async (t) => {
    const [eve, ann] = [await signUp('eve'), await signUp('ann')];
    const [asking, witness] = [await bare(eve), await ann.connect()];
    const worker = await workerOf(await hold.stack.pidOf('presence1'));
    asking.ws.pause();
    const begin = await residentBytes(worker);
    let most = begin;
    let sent = 0;
    const stop = Date.now() + patient(60000);
    const isOver = () => asking.isClosed || asking.ws.readyState !== 1 || Date.now() > stop;
    asking.ws._socket.once('error', () => {});
    while (!isOver() && sent < 2_000_000) {
      for (const packet of flood) asking.send(packet);
      sent += flood.length;
      await waitUntil('what was said to be out', () => isOver() || asking.ws.bufferedAmount < MiB, { within: 60000 });
      if (sent % 20000 === 0) most = Math.max(most, await residentBytes(worker));
      if (sent % 100000 === 0) assert.deepEqual(await ask(witness, ['nothing']), [unknown]);
      await new Promise(setImmediate);
    }
    t.diagnostic(`${sent} events, ${((most - begin) / MiB).toFixed(1)} MiB more at most`);
    asking.ws.resume();
    await asking.end(30000);
    assert.ok(most - begin <= 8 * MiB, `${most - begin} bytes more`);
    assert.deepEqual(await ask(witness, ['nothing']), [unknown]);
  });

  test('and takes nothing, by polling, is cut off at the bound', async () => {
    const eve = await signUp('eve');
    const path = (sid) => `/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`;
    const say = (sid, body) => eve.post(path(sid), body, { 'content-type': 'text/plain' });
    const { sid } = JSON.parse((await eve.get(path())).text.slice(1));
    await say(sid, '40');
    assert.match((await eve.get(path(sid))).text, /^40/);
    let posts = 0;
    while ((await say(sid, flood.join('\x1e'))).status === 200) assert.ok(++posts < 100, 'it may ask on and on');
    assert.ok(posts > 10, `${posts} posts of 200 fit into its queue`);
    assert.equal((await eve.get(path(sid))).status, 400);
  });

  test('and takes all gets all: nothing is lost below the bound', async () => {
    const eve = await signUp('eve');
    const socket = await bare(eve);
    for (let n = 0; n < 50; n++) {
      for (const packet of flood) socket.send(packet);
      for (let i = 0; i < flood.length; i++) assert.deepEqual(idsOf(await socket.answer()), [i]);
    }
    socket.close();
  });
});
