// What a socket misses, and gets nevertheless: when its connection breaks, when a process dies,
// when Redis is away.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Socket } from '../support/conformance.mjs';
import { bothServe as serve, processOf, signal } from '../support/processes.mjs';
import { Redis } from '../support/redis.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_PROCESSES: '2', PRESENCE_GRACE_MS: '1000' });
const people = [];
const signUp = async (name) => { const p = await Person.signUp(hold.stack.url, name); people.push(p); return p; };
afterEach(() => { for (const p of people.splice(0)) p.close(); });

const texts = (socket) => socket.all('newMessage').map(({ message }) => message);
const options = { transports: ['websocket'], reconnectionDelay: 300, reconnectionDelayMax: 300 };

/** Cut the TCP connection, do something, and wait until the socket is back. */
const breakDuring = async (socket, action = () => {}) => {
  const gone = withDeadline('the socket to notice', new Promise((resolve) => socket.once('disconnect', resolve)));
  const back = new Promise((resolve) => socket.once('connect', resolve));
  socket.io.engine.transport.ws._socket.destroy();
  await gone;
  await action();
  await withDeadline('the socket to be back', back);
};

const sendAll = async (from, to, list) => {
  for (const text of list) assert.equal((await from.send(to, text)).status, 201);
};

/** CONNECT by hand: the answer, and the events up to the list of who is online. */
const connectRaw = async (person, payload) => {
  const socket = new Socket(`${hold.stack.url}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: person.cookie } });
  try {
    await socket.take();
    socket.send(`40${typeof payload === 'string' ? payload : JSON.stringify(payload)}`);
    const answer = JSON.parse((await socket.take()).slice(2));
    const events = [];
    do events.push(JSON.parse((await socket.take()).slice(2))); while (events.at(-1)[0] !== 'getOnlineUsers');
    return { ...answer, events };
  } finally {
    socket.close();
  }
};

/** One command to the stack's Redis; gives the line it replies. */
const redis = async (...words) => {
  const connection = await Redis.of(hold.stack);
  try {
    return await connection.do(...words);
  } finally {
    connection.end();
  }
};

describe('a connection that breaks', () => {
  test('before any message recovers what was sent meanwhile', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const socket = await bob.connect(options);
    const { id } = socket;
    assert.equal(socket.recovered, false);
    await waitUntil('the first offset, with getOnlineUsers', () => socket.all('getOnlineUsers').length > 0);
    await breakDuring(socket, () => sendAll(ann, bob, ['1', '2', '3', '4', '5']));
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, id);
    await waitUntil('all five', () => texts(socket).length >= 5);
    assert.deepEqual(texts(socket), ['1', '2', '3', '4', '5']);
  });

  test('again and again loses and repeats nothing', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const socket = await bob.connect(options);
    const sent = [];
    for (let round = 0; round < 4; round++) {
      const [live, missed] = [`live ${round}`, `missed ${round}`];
      await sendAll(ann, bob, [live]);
      sent.push(live);
      await waitUntil(live, () => texts(socket).includes(live));
      await breakDuring(socket, () => sendAll(ann, bob, [missed]));
      sent.push(missed);
      assert.equal(socket.recovered, true);
      await waitUntil(missed, () => texts(socket).includes(missed));
    }
    assert.deepEqual(texts(socket), sent);
  });

  test('under a stream of messages gets each once, in order', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const socket = await bob.connect({ ...options, reconnectionDelay: 20, reconnectionDelayMax: 20 });
    const sent = Array.from({ length: 150 }, (_, i) => `m${i}`);
    const sending = sendAll(ann, bob, sent);
    for (let i = 1; i <= 3; i++) {
      await waitUntil('some to come', () => texts(socket).length >= i * 20);
      await breakDuring(socket);
      assert.equal(socket.recovered, true);
    }
    await sending;
    await waitUntil('all of them', () => texts(socket).length >= sent.length);
    assert.deepEqual(texts(socket), sent);
  });

  // Two processes store at once, and the one whose message comes first tells later.
  test('misses none that stands ahead of one it has', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const socket = await bob.connect(options);
    const [id, at] = ['f'.repeat(24), Date.now() + 5000];
    const first = { senderId: ann.id, receiverId: bob.id, message: 'told first', _id: id, createdAt: new Date(at).toISOString() };
    const event = `{"name":"newMessage","id":"${id}"}\n2${JSON.stringify(['newMessage', first, `${at.toString(16)}-${id}`])}`;
    // While the bus is in doubt, as after a start, what is not in the store does not pass.
    await waitUntil('the one told first', async () => {
      await redis('PUBLISH', `parley:user:${bob.id}`, event);
      return texts(socket).length === 1;
    }, { within: 20000 });
    await breakDuring(socket, () => sendAll(ann, bob, ['stored ahead of it']));
    assert.equal(socket.recovered, true);
    await waitUntil('the other', () => texts(socket).length === 2);
    await breakDuring(socket, () => sendAll(ann, bob, ['a third']));
    await waitUntil('the third', () => texts(socket).length >= 3);
    assert.deepEqual(texts(socket), ['told first', 'stored ahead of it', 'a third']);
  });

  test('over polling recovers as well', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const { pid, events } = await connectRaw(bob, {});
    const offset = events.at(-1)[2];
    await sendAll(ann, bob, ['while away']);
    const socket = bob.open({ transports: ['polling'] });
    Object.assign(socket, { _pid: pid, _lastOffset: offset });
    await waitUntil('the message', () => texts(socket).length > 0);
    assert.equal(socket.recovered, true);
  });

  test('for more than 300 messages is a new session, and the history has them', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const { pid, events } = await connectRaw(bob, {});
    await Promise.all(Array.from({ length: 301 }, (_, i) => ann.send(bob, `m${i}`)));
    const again = await connectRaw(bob, { pid, offset: events.at(-1)[2] });
    assert.notEqual(again.pid, pid);
    assert.deepEqual(again.events.map(([name]) => name), ['getOnlineUsers']);
    assert.equal((await bob.history(ann)).json.length, 301);
  });
});

/** Does a process say that it has the socket? It says so, or no longer, within 10 ms. */
const isHeld = async (pid) => await redis('EVAL', `
  for _, key in ipairs(redis.call('KEYS', 'parley:held:*')) do
    if redis.call('SISMEMBER', key, ARGV[1]) == 1 then return 1 end
  end
  return 0`, 0, pid.split('.')[1]) === ':1';
/** A connection that broke: it is noted, and its process has said so. */
const breakOff = async (person) => {
  const left = await connectRaw(person, {});
  await waitUntil('the break to be noted', async () => await redis('EXISTS', `parley:left:${left.pid}`) === ':1');
  await waitUntil('it to be held no more', async () => !await isHeld(left.pid));
  return left;
};

test('a connection that broke more than 120 s ago is a new session', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  for (const [seconds, recovers] of [[110, true], [121, false]]) {
    const { pid, events } = await breakOff(bob);
    await sendAll(ann, bob, ['missed']);
    assert.equal(await redis('SET', `parley:left:${pid}`, Date.now() - seconds * 1000), '+OK');
    const again = await connectRaw(bob, { pid, offset: events.at(-1)[2] });
    assert.equal(again.pid === pid, recovers);
    assert.equal(again.events.some(([name]) => name === 'newMessage'), recovers);
  }
});

test('a client that said goodbye begins anew', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const socket = await bob.connect({ transports: ['websocket'] });
  const first = socket.id;
  socket.disconnect();
  await sendAll(ann, bob, ['missed']);
  const back = new Promise((resolve) => { socket.once('connect', resolve); });
  socket.connect(); // with its pid and offset, as every stock client
  await withDeadline('connect', back);
  assert.notEqual(socket.id, first);
  assert.equal(socket.recovered, false);
});

/** As if all sockets had been known for so long. */
const knownFor = async (seconds) => assert.equal(await redis('SET', 'parley:held-since', Date.now() - seconds * 1000), '+OK');
const anOffsetOfHoursAgo = () => `${(Date.now() - 10 * 3600 * 1000).toString(16)}-${'0'.repeat(24)}`;
const leaveWithoutNote = async (person) => {
  const { pid } = await breakOff(person);
  await redis('DEL', `parley:left:${pid}`);
  return pid;
};

test('a connection whose note is lost, or was never written, recovers, also from an offset of hours ago', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const pid = await leaveWithoutNote(bob);
  await knownFor(60);
  await sendAll(ann, bob, ['missed']);
  const again = await connectRaw(bob, { pid, offset: anOffsetOfHoursAgo() });
  assert.equal(again.pid, pid);
  assert.deepEqual(again.events.map(([name]) => name), ['newMessage', 'getOnlineUsers']);
});

test('a connection that broke so long ago that its note is gone is a new session', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const other = await bob.connect(options); // another tab does not make it one that is still there
  const pid = await leaveWithoutNote(bob);
  await knownFor(200);
  await sendAll(ann, bob, ['missed']);
  const again = await connectRaw(bob, { pid, offset: anOffsetOfHoursAgo() });
  assert.notEqual(again.pid, pid);
  assert.deepEqual(again.events.map(([name]) => name), ['getOnlineUsers']);
  assert.ok(other.connected);
});

test('a connection that no process has seen break yet recovers at any process, again and again', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const half = new Socket(`${hold.stack.url}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: bob.cookie } });
  try {
    await half.take();
    half.send('40');
    const { pid } = JSON.parse((await half.take()).slice(2));
    await waitUntil('it to be held', () => isHeld(pid));
    for (const text of ['1', '2', '3', '4']) {
      await knownFor(200);
      await sendAll(ann, bob, [text]);
      const again = await connectRaw(bob, { pid, offset: anOffsetOfHoursAgo() });
      assert.equal(again.pid, pid);
    }
  } finally {
    half.close();
  }
});

test('what comes and goes leaves nothing in Redis that stays', async () => {
  const bob = await signUp('bob');
  /** Keys that stay for three minutes or more. (What others left is on its way to less.) */
  const lasting = async () => (await redis('EVAL', `
    local names = {}
    for _, key in ipairs(redis.call('KEYS', '*')) do
      local left = redis.call('PTTL', key)
      if left < 0 or left > 180000 then names[#names + 1] = key end
    end
    return redis.status_reply(table.concat(names, ' '))`, 0)).slice(1).split(' ');
  await connectRaw(bob, {});
  const before = await lasting();
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 10 }, () => connectRaw(bob, {})));
  assert.deepEqual((await lasting()).filter((key) => !before.includes(key)), []);
  await waitUntil('no socket to be held', async () => await redis('EVAL', "return #redis.call('KEYS', 'parley:held:*')", 0) === ':0');
});

describe('a pid', () => {
  test('is no use to another user', async () => {
    const [ann, bob, eve] = [await signUp('ann'), await signUp('bob'), await signUp('eve')];
    const { pid, events } = await connectRaw(bob, {});
    await sendAll(ann, bob, ['for bob']);
    const stolen = await connectRaw(eve, { pid, offset: events.at(-1)[2] });
    assert.notEqual(stolen.pid, pid);
    assert.deepEqual(stolen.events.map(([name]) => name), ['getOnlineUsers']);
  });

  test('or offset that is none of ours makes a new session', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const good = await connectRaw(bob, {});
    const offset = good.events.at(-1)[2];
    await sendAll(ann, bob, ['missed']);
    const long = 'a'.repeat(15000); // more is refused before it is read: strangers.test.mjs
    for (const payload of [
      { pid: good.pid }, { offset }, { pid: 1, offset }, { pid: [good.pid], offset }, { pid: '../..', offset },
      { pid: `${good.pid}/`, offset }, { pid: bob.id, offset }, { pid: `${bob.id}.`, offset }, { pid: long, offset },
      { pid: good.pid, offset: 1 }, { pid: good.pid, offset: '' }, { pid: good.pid, offset: long },
      { pid: good.pid, offset: `${offset}0` }, { pid: good.pid, offset: offset.replace('-', '') }, { pid: null, offset: null },
    ]) {
      const again = await connectRaw(bob, payload);
      assert.notEqual(again.pid, good.pid, JSON.stringify(payload).slice(0, 80));
      assert.deepEqual(again.events.map(([name]) => name), ['getOnlineUsers']);
    }
    const recovered = await connectRaw(bob, { pid: good.pid, offset });
    assert.equal(recovered.pid, good.pid);
    assert.deepEqual(recovered.events.map(([name]) => name), ['newMessage', 'getOnlineUsers']);
  });
});

const bothServe = () => serve(hold.stack);
/** kill -9, parent and worker at once. */
const kill = (name) => signal(hold.stack, name, 'SIGKILL');

test('a process that ends sends its sockets elsewhere, and they lose nothing', async () => {
  await bothServe();
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const sockets = await Promise.all(Array.from({ length: 8 }, () => bob.connect(options)));
  const leaving = sockets.filter((socket) => processOf(socket) === 'p1');
  assert.ok(leaving.length > 0 && leaving.length < 8);
  const ends = leaving.map((socket) => new Promise((resolve) => {
    socket.once('disconnect', (reason, details) => resolve([reason, details?.context?.code]));
  }));
  process.kill(await hold.stack.pidOf('presence1'), 'SIGTERM');
  const texts1 = Array.from({ length: 20 }, (_, i) => `m${i}`);
  await sendAll(ann, bob, texts1);
  for (const end of await withDeadline('all to be sent away', Promise.all(ends))) assert.equal(end[0], 'transport close');
  for (const socket of sockets) {
    await waitUntil('all messages', () => socket.connected && texts(socket).length >= texts1.length, { within: 10000 });
    assert.deepEqual(texts(socket), texts1);
    assert.equal(socket.recovered, leaving.includes(socket));
  }
});

test('a process that is killed loses nothing for its sockets', async () => {
  await bothServe();
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const sockets = await Promise.all([1, 2, 3, 4].map(() => bob.connect(options)));
  await sendAll(ann, bob, ['before']);
  for (const socket of sockets) await waitUntil('the first', () => texts(socket).length === 1);
  await Promise.all(['presence1', 'presence2'].map(kill));
  await sendAll(ann, bob, ['during']);
  for (const socket of sockets) {
    await waitUntil('the second', () => texts(socket).length === 2, { within: 10000 });
    assert.deepEqual(texts(socket), ['before', 'during']);
    assert.equal(socket.recovered, true);
  }
});

test('without Redis messages still come, once, within three seconds', async () => {
  await bothServe();
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const socket = await bob.connect(options);
  await kill('redis');
  for (let i = 0; i < 5; i++) {
    const begin = Date.now();
    await sendAll(ann, bob, [`m${i}`]);
    await waitUntil(`m${i}`, () => texts(socket).includes(`m${i}`), { within: 5000 });
    assert.ok(Date.now() - begin < patient(3000), `took ${Date.now() - begin} ms`);
  }
  assert.deepEqual(texts(socket), ['m0', 'm1', 'm2', 'm3', 'm4']);
  assert.ok(socket.connected);
});
