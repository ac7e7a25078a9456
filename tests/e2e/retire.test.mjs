// A presence process that ends in order, with another beside it: people who come back in time are online
// throughout, and those who do not are offline after the grace.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Wire, closeFrame, frame, handshake, opcode } from '../support/conformance.mjs';
import { useStack } from '../support/stack.mjs';
import { patience, patient, standstills, waitUntil } from '../support/wait.mjs';

const GRACE_MS = Math.ceil(5000 * Math.sqrt(patience)); // who comes back after 3 s must not stand still for the rest of it
/** When they are offline at the latest: each time that the machine stands still the process has 15 s more to be back (shared/online/set_processes.c). */
const offlineMost = (since) => GRACE_MS + patient(2500) + 15000 * (standstills.filter(([, to]) => to > since).length + (patience > 1 ? 1 : 0));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const hold = useStack({ before, after, afterEach }, { PRESENCE_PROCESSES: '2', PRESENCE_GRACE_MS: String(GRACE_MS) });
const people = [];
afterEach(() => { for (const p of people.splice(0)) p.close(); });
const signUp = async (name) => { const p = await Person.signUp(hold.stack.url, name); people.push(p); return p; };

/** A person with a socket on that process. */
const on = async (process, name, options = {}) => {
  const person = await signUp(name);
  return waitUntil(`${name} to be on ${process}`, async () => {
    const socket = await person.connect(options);
    if (socket.io.engine.id.startsWith(`${process}.`)) return { person, socket, id: person.id };
    socket.disconnect();
    return false;
  }, { within: 20000 });
};

const lists = (socket) => socket.events.filter(({ name }) => name === 'getOnlineUsers');
const isOnline = (socket, { id }) => lists(socket).at(-1).args[0].includes(id);
const end = async (name) => {
  const pid = await hold.stack.pidOf(name);
  process.kill(pid, 'SIGTERM');
  return pid;
};
const another = (name, pid) => waitUntil(`${name} to be another`, async () => (await hold.stack.pidOf(name).catch(() => pid)) !== pid, { within: 30000 });

for (const [how, hurry] of [['by one SIGTERM', false], ['by a second one that hurries it', true]]) {
  describe(`a process that ends ${how}`, () => {
    test('keeps who comes back online throughout, and lets the others go after the grace', async (t) => {
      const witness = await on('p2', 'witness', { transports: ['websocket'] });
      const back = [await on('p1', 'quick'), await on('p1', 'polling', { transports: ['polling'] }),
        await on('p1', 'late', { transports: ['websocket'], reconnectionDelay: 3000, reconnectionDelayMax: 3000, randomizationFactor: 0 })];
      const gone = [await on('p1', 'websocket', { transports: ['websocket'], reconnection: false }),
        await on('p1', 'poll', { transports: ['polling'], reconnection: false })];
      const both = await on('p1', 'both', { reconnection: false });
      await waitUntil('a second socket of hers', async () => (await both.person.connect()).io.engine.id.startsWith('p2.'), { within: 20000 });
      await waitUntil('all to be known', () => [...back, ...gone, both].every((who) => isOnline(witness.socket, who)), { within: 10000 });
      const ends = gone.map(({ socket }) => new Promise((resolve) => socket.once('disconnect', () => resolve(Date.now()))));
      const begin = Date.now();
      const pid = await end('presence1');
      if (hurry) { await sleep(50); await end('presence1').catch(() => {}); }
      const ended = Math.max(...await Promise.all(ends));
      t.diagnostic(`ended after ${ended - begin} ms`);
      await waitUntil('both who are gone to be offline', () => gone.every((who) => !isOnline(witness.socket, who)), { within: 20000 });
      const took = Date.now() - ended;
      t.diagnostic(`offline ${took} ms later`);
      assert.ok(took <= offlineMost(begin), `${took} ms`);
      for (const { id } of gone) {
        const at = lists(witness.socket).find((list) => list.at >= begin && !list.args[0].includes(id)).at;
        assert.ok(at - begin >= GRACE_MS - 500, `offline ${at - begin} ms after the signal already`);
      }
      await another('presence1', pid);
      await sleep(1500);
      for (const who of [...back, both, witness]) {
        const without = lists(witness.socket).filter((list) => list.at >= begin && !list.args[0].includes(who.id));
        assert.deepEqual(without.map(({ at }) => at - begin), [], `${who.person.user.username} was offline`);
      }
      for (const { socket } of back) assert.ok(socket.connected);
    });
  });
}

test('who says goodbye while it ends is offline at once', async () => {
  const witness = await on('p2', 'witness', { transports: ['websocket'] });
  const leaver = await on('p1', 'leaver', { transports: ['websocket'] });
  await waitUntil('both to be known', () => isOnline(witness.socket, leaver));
  const pid = await hold.stack.pidOf('presence1');
  leaver.socket.disconnect();
  process.kill(pid, 'SIGTERM');
  await waitUntil('the list to say so', () => !isOnline(witness.socket, leaver), { within: 3000 });
  await another('presence1', pid);
});

/** A WebSocket of that person, byte by byte, to that process. */
const wireTo = (process, person) => waitUntil(`a socket at ${process}`, async () => {
  const { hostname, port } = new URL(hold.stack.url);
  const wire = await Wire.open({ host: hostname, port: Number(port) });
  wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `${hostname}:${port}`, Cookie: person.cookie }));
  await wire.head();
  if (JSON.parse((await wire.frame()).data.toString().slice(1)).sid.startsWith(`${process}.`)) return wire;
  wire.end();
  return false;
}, { within: 20000 });

// Whoever says goodbye while our Close is under way to them: however the two cross, it counts.
for (const [what, goodbye, least, most] of [['says goodbye after our Close', true, 0, () => patient(2500)], ['does not', false, GRACE_MS - 500, offlineMost]]) {
  test(`who ${what} is offline ${goodbye ? 'at once' : 'after the grace'}`, async () => {
    const witness = await on('p2', 'witness', { transports: ['websocket'] });
    const leaver = await signUp('leaver');
    const wire = await wireTo('p1', leaver);
    wire.write(frame(opcode.text, '40'));
    await waitUntil('both to be known', () => isOnline(witness.socket, leaver));
    const signalled = Date.now();
    const pid = await end('presence1');
    for (let f; (f = await wire.frame())?.op !== opcode.close;) assert.ok(f, 'no Close came');
    const begin = Date.now();
    if (goodbye) wire.write(frame(opcode.text, '41'));
    wire.write(closeFrame(1001));
    await waitUntil('the list to say so', () => !isOnline(witness.socket, leaver), { within: 20000 });
    const { at } = lists(witness.socket).find((list) => list.at >= signalled && !list.args[0].includes(leaver.id));
    assert.ok(at - signalled >= least && at - begin <= most(signalled), `${at - signalled} ms after the signal, ${at - begin} after the Close`);
    await another('presence1', pid);
    wire.end();
  });
}
