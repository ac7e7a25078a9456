// Who is online, as clients are told: the list for all, or the list once and then the changes
// for those that say {presence: 'delta'}. Two processes of presence.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Random, seedOf } from '../support/random.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_PROCESSES: '2', PRESENCE_GRACE_MS: '300' });
const people = [];
const signUp = async (name) => { const p = await Person.signUp(hold.stack.url, name); people.push(p); return p; };
const signUpMany = (count) => Promise.all(Array.from({ length: count }, (_, i) => signUp(`p${i}`)));
afterEach(() => { for (const p of people.splice(0)) p.close(); });

const websocket = { transports: ['websocket'], reconnectionDelay: 50, reconnectionDelayMax: 50 };
const delta = { ...websocket, auth: { presence: 'delta' } };
const lists = (socket) => socket.all('getOnlineUsers');
const changes = (socket) => socket.all('presence');

/** Who is online, as a client knows it from all it was told. */
const known = (socket) => {
  const ids = new Set();
  for (const { name, args: [arg] } of socket.events) {
    if (name === 'getOnlineUsers') { ids.clear(); for (const id of arg) ids.add(id); }
    if (name === 'presence') ids[arg.online ? 'add' : 'delete'](arg.userId);
  }
  return [...ids].sort();
};
const agree = (socket, persons, what) => {
  const ids = persons.map(({ id }) => id).sort().join();
  return waitUntil(`${what}: ${persons.length} online`, () => known(socket).join() === ids, { within: 10000 });
};

test('a delta socket gets the list once, and then who comes, goes and changes their status', async () => {
  const [ann, bob] = await signUpMany(2);
  const socket = await ann.connect(delta);
  await agree(socket, [ann], 'the list');
  const other = await bob.connect(websocket);
  await waitUntil('bob to come', () => changes(socket).some(({ userId }) => userId === bob.id));
  assert.deepEqual(changes(socket).find(({ userId }) => userId === bob.id), { userId: bob.id, online: true, status: 'AVAILABLE' });
  await bob.setStatus('BUSY');
  await waitUntil('his status', () => changes(socket).some(({ status }) => status === 'BUSY'));
  assert.deepEqual(changes(socket).at(-1), { userId: bob.id, online: true, status: 'BUSY' });
  other.disconnect();
  await waitUntil('bob to go', () => changes(socket).some(({ online }) => !online));
  assert.deepEqual(changes(socket).at(-1), { userId: bob.id, online: false, status: 'BUSY' });
  assert.equal(lists(socket).length, 1);
  assert.deepEqual(known(socket), [ann.id]);
});

test('a socket that says nothing, or something else, gets lists and no changes', async () => {
  const [ann, bob] = await signUpMany(2);
  const sockets = [];
  for (const auth of [undefined, { presence: 'list' }, { presence: true }]) sockets.push(await ann.connect({ ...websocket, auth }));
  await bob.connect(websocket);
  for (const socket of sockets) {
    await agree(socket, [ann, bob], 'lists');
    assert.deepEqual(changes(socket), []);
  }
});

test('who comes in is in their own first list', async () => {
  const persons = await signUpMany(12);
  await Promise.all(persons.map((p) => p.connect(websocket)));
  for (const { id, sockets: [socket] } of persons) {
    await waitUntil('a list', () => lists(socket).length > 0);
    assert.ok(lists(socket)[0].includes(id));
  }
});

test('a broken delta socket gets the list again when it is back', async () => {
  const [ann, bob, eve] = await signUpMany(3);
  const socket = await ann.connect(delta);
  await bob.connect(websocket);
  await agree(socket, [ann, bob], 'before');
  const gone = withDeadline('the break', new Promise((resolve) => socket.once('disconnect', resolve)));
  const back = withDeadline('the return', new Promise((resolve) => socket.once('connect', resolve)));
  socket.io.engine.transport.ws._socket.destroy();
  await gone;
  bob.close();
  await eve.connect(websocket);
  await back;
  assert.equal(socket.recovered, true);
  await waitUntil('a list', () => lists(socket).length > 1);
  await agree(socket, [ann, eve], 'after');
});

test('when many change at once a delta socket gets the list instead', async () => {
  const persons = await signUpMany(45);
  const [ann, ...others] = persons;
  const socket = await ann.connect(delta);
  await waitUntil('a second list', async () => {
    await Promise.all(others.map((p) => p.connect(websocket)));
    await agree(socket, persons, 'all in');
    for (const p of others) p.close();
    await agree(socket, [ann], 'all gone');
    return lists(socket).length > 1;
  }, { within: 20000 });
});

test('whoever comes and goes on two processes, delta and list sockets end up knowing the same', async () => {
  const persons = await signUpMany(14);
  const [ann, bob, ...others] = persons;
  const begin = Date.now();
  const [told, listed] = [await ann.connect(delta), await bob.connect(websocket)];
  const random = new Random(seedOf('ONLINE_SEED'));
  for (let i = 0; i < 150; i++) {
    const p = others[random.below(others.length)];
    const alive = p.sockets.filter((socket) => socket.active);
    if (random.oneIn(40)) told.io.engine.transport.ws?._socket?.destroy();
    if (alive.length > 0 && random.oneIn(2)) alive[0].disconnect();
    else if (alive.length > 0 && random.oneIn(3)) alive[0].io.engine.transport.ws?._socket?.destroy();
    else if (random.oneIn(4)) await p.connect(websocket);
    else p.open(websocket);
  }
  const online = () => persons.filter((p) => p.sockets.some((socket) => socket.active));
  await waitUntil('all sockets to be in', () => persons.every((p) => p.sockets.every((s) => s.connected === s.active)), { within: 10000 });
  await agree(listed, online(), 'the list socket');
  await agree(told, online(), 'the delta socket');
  // However many came and went: one telling a second, save the first.
  const seconds = (Date.now() - begin) / 1000;
  assert.ok(lists(listed).length <= seconds + 3, `${lists(listed).length} lists in ${seconds} s`);
});
