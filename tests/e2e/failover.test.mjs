// Two processes of presence behind the gateway, and one of them is killed, ended, or stopped,
// while messages flow: whoever is connected to it misses nothing and gets nothing twice.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { io as io40 } from 'socket.io-client-40';
import { Person } from '../support/api.mjs';
import { Socket } from '../support/conformance.mjs';
import { bothServe, processOf, signal } from '../support/processes.mjs';
import { Redis } from '../support/redis.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, {
  // As long as it is, a standstill of seconds hides neither that a drain is spread nor who keeps a socket.
  PRESENCE_PROCESSES: '2', MESSAGE_PROCESSES: '2', DRAIN_SECONDS: '8', PING_TIMEOUT_MS: '60000',
});
const people = [];
const signUp = async (name) => { const p = await Person.signUp(hold.stack.url, name); people.push(p); return p; };
afterEach(() => { for (const p of people.splice(0)) p.close(); });

const kinds = [io, io40].flatMap((client) => [undefined, ['polling'], ['websocket']].map((transports) => ({
  name: `${transports ?? 'default'}, client ${client === io ? 'of now' : '4.0'}`,
  client, options: transports ? { transports } : {}, recovers: client === io,
})));

/** A client with a record of what it has got, as a page keeps it. */
class Reader {
  constructor(person, sender, { name, client, options, recovers }) {
    Object.assign(this, { name, person, sender, recovers, record: [], live: new Set(), twice: [], connects: 0 });
    this.socket = person.open(options, client);
    this.socket.on('newMessage', (m) => this.take(m));
    this.socket.on('connect', () => this.onConnect());
  }

  take(m) {
    if (this.live.has(m._id)) this.twice.push(m);
    this.live.add(m._id);
    this.keep(m);
  }

  keep(m) { if (!this.record.some(({ _id }) => _id === m._id)) this.record.push(m); }

  /** If the session is another one, the page reads the history, as it did when it began. */
  async onConnect() {
    this.connects++;
    if (this.connects === 1 || this.socket.recovered) return;
    this.live.clear();
    this.rereads = true;
    for (const m of (await this.person.history(this.sender)).json) this.keep(m);
  }
}

/** A pair for each kind of client, with a socket on each process. */
async function readersOfAllKinds() {
  const readers = [];
  for (const kind of kinds) {
    const [sender, person] = [await signUp('sender'), await signUp('reader')];
    await waitUntil('a socket on each process', async () => {
      const reader = new Reader(person, sender, kind);
      await waitUntil('it to connect', () => reader.socket.connected, { within: 15000 });
      if (readers.some((r) => r.person === person && processOf(r.socket) === processOf(reader.socket))) reader.socket.disconnect();
      else readers.push(reader);
      return readers.filter((r) => r.person === person).length === 2;
    }, { within: 20000 });
  }
  return readers;
}

/** Send to each reader, 50 messages a second in all, until `isOver`. Gives what got a 201. */
async function sendTo(readers, isOver) {
  const pairs = [...new Map(readers.map((r) => [r.person, r.sender]))];
  const sent = new Map(pairs.map(([person]) => [person, []]));
  await Promise.all(pairs.map(async ([person, sender]) => {
    for await (const _ of ticks(1000 * pairs.length / 50)) {
      if (isOver()) return;
      const answer = await sender.send(person, `m${sent.get(person).length}`);
      assert.equal(answer.status, 201, answer.text);
      sent.get(person).push(answer.json);
    }
  }));
  return sent;
}

/** Connections to the first process that say nothing: an array of promises of their ends. */
async function idleOnes(count) {
  const sockets = Array.from({ length: 2 * count }, () => new Socket(`${hold.stack.url}/socket.io/?EIO=4&transport=websocket`));
  const ends = [];
  for (const socket of sockets) {
    if (JSON.parse((await socket.take()).slice(1)).sid.startsWith('p1.')) ends.push(socket.closed.then((code) => ({ code, at: Date.now() })));
    else socket.close();
  }
  return ends;
}

async function endIt() {
  const ends = await idleOnes(20);
  process.kill(await hold.stack.pidOf('presence1'), 'SIGTERM');
  const ended = await withDeadline('all to be sent away', Promise.all(ends), 20000);
  assert.ok(ended.every(({ code }) => code === 1001));
  const times = ended.map(({ at }) => at);
  assert.ok(Math.max(...times) - Math.min(...times) >= 1000, 'spread over DRAIN_SECONDS');
}

for (const [what, end] of [['killed', () => signal(hold.stack, 'presence1', 'SIGKILL')], ['ended', endIt]]) {
  test(`at 50 messages a second, when a process is ${what}, no client of any kind misses one or gets one twice`, async () => {
    await bothServe(hold.stack);
    const readers = await readersOfAllKinds();
    const leaving = readers.filter(({ socket }) => processOf(socket) === 'p1');
    assert.equal(leaving.length, kinds.length);
    let isOver = false;
    const sending = sendTo(readers, () => isOver);
    await waitUntil('all to get some', () => readers.every(({ record }) => record.length >= 5), { within: 15000 });
    await end();
    await waitUntil('all to be back', () => leaving.every(({ connects, socket }) => connects >= 2 && socket.connected), { within: 30000 });
    const counts = readers.map(({ record }) => record.length);
    await waitUntil('all to get more', () => readers.every(({ record }, i) => record.length >= counts[i] + 5), { within: 15000 });
    isOver = true;
    const sent = await sending;
    for (const reader of readers) {
      const ids = sent.get(reader.person).map(({ _id }) => _id);
      await waitUntil('the last', () => reader.record.length >= ids.length, { within: 10000 });
      assert.deepEqual(reader.twice, [], `${reader.name}, ${reader.connects} connections`);
      const got = reader.record.map(({ _id }) => _id);
      // What is read again and what comes meanwhile mix.
      assert.deepEqual(reader.rereads ? got.sort() : got, reader.rereads ? ids.sort() : ids);
      assert.equal(reader.rereads ?? false, leaving.includes(reader) && !reader.recovers, 'only clients before 4.6 reread');
    }
  });
}

test('a process that stands still until Redis gives it up loses nothing, and its users count out meanwhile', async () => {
  const { stack } = hold;
  await bothServe(stack);
  const [ann, bob, eve] = [await signUp('ann'), await signUp('bob'), await signUp('eve')];
  const on = (person, name) => waitUntil(`a socket on ${name}`, async () => {
    const socket = await person.connect({ transports: ['websocket'], reconnection: false });
    if (processOf(socket) === name) return socket;
    socket.disconnect();
    return false;
  }, { within: 15000 });
  const [watcher, socket, other] = [await on(ann, 'p2'), await on(bob, 'p1'), await on(eve, 'p2')];
  const online = () => watcher.all('getOnlineUsers').at(-1) ?? [];
  const texts = () => socket.all('newMessage').map(({ message }) => message);
  const send = async (...list) => { for (const text of list) assert.equal((await ann.send(bob, text)).status, 201); };
  await waitUntil('all online', () => [ann, bob, eve].every(({ id }) => online().includes(id)));
  const redis = await Redis.of(stack);
  await redis.do('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 1mb 1');
  await send('before');
  await waitUntil('the first', () => texts().length === 1);

  const stopped = Date.now();
  await signal(stack, 'presence1', 'SIGSTOP');
  try {
    await send('while it stands still');
    // No event, and it means nothing to anybody; it fills what Redis keeps for a slow reader.
    await waitUntil('Redis to give it up', async () => {
      await redis.do('PUBLISH', `parley:user:${bob.id}`, ' '.repeat(1000000));
      return await redis.do('PUBLISH', `parley:user:${bob.id}`, ' ') === ':0';
    }, { within: 20000 });
    await send('nobody is told', 'nor this');

    // Meanwhile, on the other: a broken connection has its grace of 5 s.
    const broken = Date.now();
    other.io.engine.transport.ws._socket.destroy();
    await waitUntil('eve to count out', () => !online().includes(eve.id), { within: 15000 });
    assert.ok(Date.now() - broken >= 4900, 'not before her grace is over');
    await waitUntil('bob to count out, whose process looks dead', () => !online().includes(bob.id), { within: 35000 });
    assert.ok(Date.now() - stopped < patient(30000), 'within 30 s');
  } finally {
    redis.end();
    await signal(stack, 'presence1', 'SIGCONT');
  }
  await send('after');
  await waitUntil('all of them', () => texts().length >= 5, { within: 15000 });
  assert.deepEqual(texts(), ['before', 'while it stands still', 'nobody is told', 'nor this', 'after']);
  await waitUntil('bob to count again', () => online().includes(bob.id), { within: 15000 });
  assert.ok(socket.connected);
});
