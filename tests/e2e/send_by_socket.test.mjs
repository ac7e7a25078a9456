// sendMessage: a send by socket is what the POST is, and stock clients make it exactly-once.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { bothServe, processOf } from '../support/processes.mjs';
import { Proxy } from '../support/proxy.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { awakeNow, patient, waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach });
const people = [];
const signUp = async (name, stack = hold.stack) => { const p = await Person.signUp(stack.url, name); people.push(p); return p; };
afterEach(() => { for (const p of people.splice(0)) p.close(); });

const nobody = '0'.repeat(24);
const say = (socket, said) => withDeadline('an answer', new Promise((resolve) => socket.emit('sendMessage', ...said, (...all) => resolve(all))), 20000);
const send = async (socket, to, message, key) => (await say(socket, [{ to: to.id ?? to, message, ...(key !== undefined && { key }) }]))[0];
const texts = async (a, b) => (await a.history(b)).json.map(({ message }) => message);

describe('what is said is judged as a POST is', () => {
  // [what, body without "to", receiver, key]
  const bob = Symbol('bob');
  const cases = [
    ['a text', { message: 'hello' }, bob],
    ['all of Unicode', { message: 'Grüße 🌍\u0001 \u200dé' }, bob],
    ['white space around it', { message: '  x \n' }, bob],
    ['markup', { message: '<b>"&\\' }, bob],
    ['the longest', { message: 'x'.repeat(65536) }, bob],
    ['one byte more', { message: 'x'.repeat(65537) }, bob],
    ['one that escapes to more than a body', { message: '\u0001'.repeat(20000) }, bob],
    ['to oneself', { message: 'note' }, 'self'],
    ['more members', { message: 'x', autoReply: { kind: 'llm' }, senderId: nobody, _id: nobody }, bob],
    ['no message', {}, bob],
    ['an empty one', { message: '' }, bob],
    ['white space', { message: ' \n\t\u3000' }, bob],
    ['what nobody sees', { message: '\u200b\u2060' }, bob],
    ['a number', { message: 7 }, bob],
    ['true', { message: true }, bob],
    ['null', { message: null }, bob],
    ['an object', { message: { $gt: '' } }, bob],
    ['an array', { message: ['x'] }, bob],
    ['NUL', { message: 'a\0b' }, bob],
    ['a lone surrogate', { message: 'a\ud800' }, bob],
    ['the other half of one', { message: '\udc00a' }, bob],
    ['nobody', { message: 'x' }, nobody],
    ['a bad id', { message: 'x' }, 'x'],
    ['an id that is too long', { message: 'x' }, '0'.repeat(25)],
    ['a bad id, and a bad text', { message: 1 }, 'zz'],
    ['a key', { message: 'x' }, bob, 'a-key_1!~'],
    ['the longest key', { message: 'x' }, bob, 'k'.repeat(64)],
    ['a longer key', { message: 'x' }, bob, 'k'.repeat(65)],
    ['a key with a blank', { message: 'x' }, bob, 'a b'],
    ['a bad text, and a bad key', { message: '' }, bob, 'a b'],
  ];
  const shapeOf = ({ senderId, receiverId, message, ...rest }) => ({ senderId, receiverId, message, rest: Object.keys(rest) });

  for (const transports of [['polling'], ['websocket']]) {
    for (const [what, body, to, key] of cases) {
      test(`${what}, over ${transports[0]}`, async () => {
        const [ann, other] = [await signUp('ann'), await signUp('bob')];
        const id = to === bob ? other.id : to === 'self' ? ann.id : to;
        const socket = await ann.connect({ transports });
        const posted = await ann.post(`/api/messages/send/${id}`, body, key && { 'idempotency-key': key });
        const answers = await say(socket, [{ to: id, ...body, ...(key && { key: key.length > 64 ? key : `${key.slice(0, -1)}2` }) }]);
        assert.equal(answers.length, 1);
        if (posted.status === 201) {
          assert.deepEqual(Object.keys(answers[0]), ['message']);
          assert.deepEqual(shapeOf(answers[0].message), shapeOf(posted.json));
          assert.deepEqual((await ann.history(id)).json, [posted.json, answers[0].message]);
        } else {
          assert.deepEqual(answers[0], posted.json);
        }
        assert.ok(socket.connected);
      });
    }

    test(`what is no object, over ${transports[0]}`, async () => {
      const ann = await signUp('ann');
      const socket = await ann.connect({ transports });
      for (const said of [[], [null], [7], ['x'], [true], [[]], [[{ to: ann.id, message: 'x' }]]]) {
        assert.deepEqual(await say(socket, said), [{ error: 'The body must be one valid JSON object', code: 'BAD_JSON' }], JSON.stringify(said));
      }
      for (const to of [undefined, null, 1, {}, [ann.id], Buffer.from('abc'), 'a\ud800']) {
        assert.deepEqual(await say(socket, [{ to, message: 'x' }]), [{ error: 'id must be 24 hexadecimal digits', code: 'BAD_ID' }]);
      }
      for (const key of [null, '', 1, {}, 'a\0', 'é', '\ud800']) {
        const [answer] = await say(socket, [{ to: ann.id, message: 'x', key }]);
        assert.equal(answer.code, 'INVALID_FIELD', JSON.stringify(key));
      }
      assert.deepEqual(await texts(ann, ann), []);
      assert.equal((await send(socket, ann, 'still here')).message.message, 'still here');
    });
  }
});

describe('a key', () => {
  test('is one of both ways: a repetition by the other way gives the first answer', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const [socket, receiver] = [await ann.connect(), await bob.connect()];
    const first = await send(socket, bob, 'one', 'k1');
    const posted = await ann.send(bob, 'one', { 'idempotency-key': 'k1' });
    assert.deepEqual([posted.status, posted.headers.get('idempotent-replayed'), posted.json], [201, 'true', first.message]);
    const second = await ann.send(bob, 'two', { 'idempotency-key': 'k2' });
    assert.deepEqual(await send(socket, bob, 'two', 'k2'), { message: second.json });
    assert.deepEqual(await send(socket, bob, 'two', 'k2'), { message: second.json });
    for (const [key, text] of [['k1', 'another'], ['k2', 'another']]) {
      const refused = await ann.send(bob, text, { 'idempotency-key': key });
      assert.equal(refused.status, 422);
      assert.deepEqual(await send(socket, bob, text, key), refused.json);
    }
    assert.deepEqual(await texts(ann, bob), ['one', 'two']);
    await waitUntil('both', () => receiver.all('newMessage').length >= 2);
    assert.deepEqual(receiver.all('newMessage').map(({ message }) => message), ['one', 'two']);
  });

  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    test(`makes a stock client with retries exactly-once across a cut, over ${transports.join(', ')}`, async () => {
      const [ann, bob] = [await signUp('ann'), await signUp('bob')];
      const receiver = await bob.connect();
      const proxy = await Proxy.start({ host: '127.0.0.1', port: hold.stack.port });
      const far = Object.assign(Object.create(Person.prototype), ann, { base: `http://127.0.0.1:${proxy.port}`, sockets: [] });
      people.push(far);
      const socket = await far.connect({ transports, retries: 3, ackTimeout: 1500, reconnectionDelay: 100 });
      const answers = [];
      const emit = (n) => socket.emit('sendMessage', { to: bob.id, message: `m${n}`, key: `key-${n}` }, (error, answer) => answers.push(error ?? answer.message.message));
      emit(0);
      await waitUntil('the first', () => answers.length === 1);
      proxy.drops = true; // what the server answers is lost
      for (let n = 1; n <= 4; n++) emit(n);
      await waitUntil('one to be stored unheard', () => receiver.all('newMessage').length === 2);
      proxy.cut();
      proxy.drops = false;
      proxy.mend();
      await waitUntil('all to be answered', () => answers.length === 5, { within: 30000 });
      assert.deepEqual(answers, ['m0', 'm1', 'm2', 'm3', 'm4']);
      assert.deepEqual(await texts(ann, bob), answers);
      await waitUntil('all at bob', () => receiver.all('newMessage').length === 5);
      assert.deepEqual(receiver.all('newMessage').map(({ message }) => message), answers);
      await proxy.stop();
    });
  }
});

describe('one after the other', () => {
  const row = Array.from({ length: 30 }, (_, i) => `m${i}`);

  test('ten in a row and more are stored, acknowledged and delivered in that order', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const [socket, receiver] = [await ann.connect(), await bob.connect()];
    const answered = [];
    for (const message of row) socket.emit('sendMessage', { to: bob.id, message }, (answer) => answered.push(answer.message.message));
    await waitUntil('all answers', () => answered.length === row.length);
    assert.deepEqual(answered, row);
    await waitUntil('all at bob', () => receiver.all('newMessage').length === row.length);
    assert.deepEqual(receiver.all('newMessage').map(({ message }) => message), row);
    assert.deepEqual(await texts(ann, bob), row);
  });

  test('without an acknowledgement they are sent all the same, and nothing is answered', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const [socket, receiver] = [await ann.connect({ transports: ['websocket'] }), await bob.connect()];
    const heard = [];
    socket.io.engine.on('message', (text) => heard.push(String(text)));
    for (const message of row) socket.emit('sendMessage', { to: bob.id, message });
    socket.emit('sendMessage', { to: 'x' });
    socket.emit('sendMessage');
    await waitUntil('all at bob', () => receiver.all('newMessage').length === row.length);
    assert.deepEqual(await texts(bob, ann), row);
    assert.deepEqual(heard.filter((text) => text.startsWith('43')), []);
  });

  test('a socket that goes right after has sent them', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const [socket, receiver] = [await ann.connect({ transports: ['websocket'] }), await bob.connect()];
    for (const message of row) socket.emit('sendMessage', { to: bob.id, message });
    socket.disconnect();
    await waitUntil('all at bob', () => receiver.all('newMessage').length === row.length);
    assert.deepEqual(receiver.all('newMessage').map(({ message }) => message), row);
    assert.deepEqual(await texts(bob, ann), row);
  });

  test('a flood gets an answer each, in order what is taken, and holds nobody else up', async (t) => {
    const [eve, ann, bob] = [await signUp('eve'), await signUp('ann'), await signUp('bob')];
    const [flooding, calm] = [await eve.connect({ transports: ['websocket'] }), await ann.connect({ transports: ['websocket'] })];
    const answers = [];
    for (let i = 0; i < 2000; i++) flooding.emit('sendMessage', { to: bob.id, message: `f${i}` }, (answer) => answers.push({ i, answer }));
    const took = [];
    while (answers.length < 2000) {
      const begin = awakeNow();
      assert.equal((await send(calm, bob, 'calm')).message.message, 'calm');
      took.push(awakeNow() - begin);
    }
    t.diagnostic(`calm sends took ${Math.max(...took)} ms at most`);
    assert.equal(new Set(answers.map(({ i }) => i)).size, 2000);
    const taken = answers.filter(({ answer }) => answer.message).map(({ answer }) => answer.message.message);
    const refused = answers.filter(({ answer }) => !answer.message).map(({ answer }) => answer);
    assert.ok(taken.length >= 100, `${taken.length} were taken`);
    assert.ok(refused.length > 0, 'the queue is bounded');
    for (const answer of refused) assert.deepEqual(answer, { error: 'Too many requests, try again later', code: 'TOO_MANY_REQUESTS', retryAfter: 1 });
    assert.deepEqual(await texts(eve, bob), taken);
    assert.ok(Math.max(...took) < patient(3000));
  });

  test('a flood of long ones is bounded by its bytes', async () => {
    const [eve, bob] = [await signUp('eve'), await signUp('bob')];
    const socket = await eve.connect({ transports: ['websocket'] });
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(socket, bob, 'x'.repeat(60000))));
    assert.ok(answers[0].message);
    assert.ok(answers.some(({ code }) => code === 'TOO_MANY_REQUESTS'));
    assert.equal(answers.filter(({ message }) => message).length, (await eve.history(bob)).json.length);
  });
});

describe('who hears of it', () => {
  test('messageSent goes to those sockets of the sender that asked for it, but not to this one', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const options = { auth: { messageSent: true } };
    const [here, there, silent] = [await ann.connect(options), await ann.connect(options), await ann.connect()];
    const { message } = await send(here, bob, 'hi');
    await waitUntil('the other one', () => there.all('messageSent').length === 1);
    assert.deepEqual(there.all('messageSent'), [message]);
    await send(there, bob, 'and back');
    await waitUntil('the first one', () => here.all('messageSent').length === 1);
    assert.deepEqual(here.all('messageSent').map((m) => m.message), ['and back']);
    assert.deepEqual(silent.all('messageSent'), []);
  });

  test('the sender\'s typing ends with it, to that receiver alone', async () => {
    const [ann, bob, carol] = [await signUp('ann'), await signUp('bob'), await signUp('carol')];
    const [socket, receiver] = [await ann.connect(), await bob.connect()];
    await carol.connect();
    await waitUntil('its end before its time', async () => {
      receiver.events.length = 0;
      const begin = Date.now();
      await socket.emitWithAck('typing', { to: bob.id, isTyping: true });
      await waitUntil('the beginning', () => receiver.all('typing').length > 0);
      await send(socket, bob, 'there');
      await waitUntil('the end', () => receiver.all('typing').length > 1);
      assert.deepEqual(receiver.all('typing').map(({ isTyping }) => isTyping), [true, false]);
      return Date.now() - begin < 6000; // when typing ends by itself; once more, if this process stood still
    }, { within: 20000 });
  });

  test('a busy receiver\'s reply comes in time', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    await bob.setStatus('BUSY');
    const socket = await ann.connect();
    const { message } = await send(socket, bob, 'are you there?');
    const reply = await waitUntil('the reply', () => socket.all('newMessage').find((m) => m.autoReply), { within: 13000 });
    assert.equal(reply.autoReply.inReplyTo, message._id);
  });

  test('it is counted', async () => {
    const metrics = async () => (await fetch(`${await hold.stack.addressOf('presence')}/metrics`)).text();
    const count = (text, outcome) => Number(new RegExp(`^parley_messages_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm').exec(text)[1]);
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const socket = await ann.connect();
    const begin = await metrics();
    await send(socket, bob, 'x');
    await send(socket, nobody, 'x');
    await send(socket, 'x', 'x');
    const end = await metrics();
    assert.deepEqual(['ok', 'refused'].map((o) => count(end, o) - count(begin, o)), [1, 2]);
    assert.match(end, /^parley_sends_waiting 0$/m);
  });
});

describe('within limits', () => {
  const limited = useStack({ before, after, afterEach }, {
    LIMIT_MESSAGES_PER_SECOND: '1', LIMIT_MESSAGES_BURST: '3', LIMIT_MESSAGE_BYTES_PER_DAY: '100', CHAT_REQUIRES_ONLINE: 'both',
  });
  const join = (name) => signUp(name, limited.stack);

  test('the rate, the quota and the online rule are those of the POST, with the time to wait', async () => {
    const [ann, bob, carol] = [await join('ann'), await join('bob'), await join('carol')];
    const socket = await ann.connect();
    const receiver = await bob.connect();
    // More than the seconds give back that a slow disk takes for them.
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => send(socket, bob, `m${i}`)));
    assert.deepEqual(answers.slice(0, 3).map(({ message }) => message.message), ['m0', 'm1', 'm2']);
    const tooFast = answers.find(({ message }) => !message);
    const posts = await Promise.all(Array.from({ length: 12 }, () => carol.send(bob, 'x')));
    const post = posts.find(({ status }) => status !== 201);
    assert.deepEqual({ error: tooFast.error, code: tooFast.code }, post.json);
    assert.equal(tooFast.retryAfter, Number(post.headers.get('retry-after')));

    const dan = await join('dan');
    const dans = await dan.connect();
    const quota = await send(dans, bob, 'x'.repeat(101));
    const posted = await dan.send(bob, 'x'.repeat(101));
    assert.equal(posted.status, 429);
    assert.deepEqual({ error: quota.error, code: quota.code }, posted.json);
    assert.ok(quota.retryAfter >= 1 && Number.isInteger(quota.retryAfter));
    assert.deepEqual(receiver.all('newMessage').filter(({ senderId }) => senderId === dan.id), []);

    const [erin, faye] = [await join('erin'), await join('faye')];
    await faye.post('/api/auth/logout');
    const toOffline = await erin.connect();
    const refused = await erin.send(faye, 'x');
    assert.equal(refused.status, 409, refused.text);
    assert.deepEqual(await send(toOffline, faye, 'x'), refused.json);
  });

  test('a full disk is told as to a POST', async () => {
    const full = await Stack.start({ DISK_FREE_BYTES_MIN: '1000000000000', MONGO_DB_URI: '' });
    try {
      const [ann, bob] = [await Person.signUp(full.url, 'ann'), await Person.signUp(full.url, 'bob')];
      people.push(ann);
      const socket = await ann.connect();
      const posted = await ann.send(bob, 'x');
      assert.equal(posted.status, 507);
      assert.deepEqual(await send(socket, bob, 'x'), posted.json);
    } finally {
      for (const p of people) p.close();
      await full.stop();
    }
  });
});

describe('with two processes of presence', () => {
  const two = useStack({ before, after, afterEach }, { PRESENCE_INSTANCES: '2' });

  test('what is sent on one is heard on the other, and one key holds on both', async () => {
    await bothServe(two.stack);
    const [ann, bob] = [await signUp('ann', two.stack), await signUp('bob', two.stack)];
    const on = async (person, name) => waitUntil(`a socket on ${name}`, async () => {
      const socket = await person.connect({ transports: ['websocket'] });
      if (processOf(socket) === name) return socket;
      socket.disconnect();
      return undefined;
    }, { within: 10000 });
    const [a1, a2, b2] = [await on(ann, 'p1'), await on(ann, 'p2'), await on(bob, 'p2')];
    const first = await send(a1, bob, 'one', 'k');
    assert.deepEqual(await send(a2, bob, 'one', 'k'), first);
    await send(a2, bob, 'two');
    await send(a1, bob, 'three');
    await waitUntil('all', () => b2.all('newMessage').length === 3);
    assert.deepEqual(b2.all('newMessage').map(({ message }) => message), ['one', 'two', 'three']);
  });

  test('a process that ends first answers what is under way', async () => {
    await bothServe(two.stack);
    const [ann, bob] = [await signUp('ann', two.stack), await signUp('bob', two.stack)];
    const socket = await ann.connect({ transports: ['websocket'], retries: 5, ackTimeout: 2000, reconnectionDelay: 100 });
    const answers = [];
    for (let n = 0; n < 40; n++) socket.emit('sendMessage', { to: bob.id, message: `m${n}`, key: `d${n}` }, (error, answer) => answers.push(answer?.message?.message ?? String(error)));
    await waitUntil('some', () => answers.length > 5);
    process.kill(-(await two.stack.pidOf(`presence${processOf(socket).slice(1)}`)), 'SIGTERM');
    await waitUntil('all', () => answers.length === 40, { within: 40000 });
    assert.deepEqual(answers, Array.from({ length: 40 }, (_, n) => `m${n}`));
    assert.deepEqual(await texts(ann, bob), answers);
  });
});
