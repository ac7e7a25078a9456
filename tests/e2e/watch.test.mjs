// Sockets that watch: {presence: 'watch'} in CONNECT, and then the users whom they name, and no others.
// Two processes of presence.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Socket } from '../support/conformance.mjs';
import { usedMs, workerOf } from '../support/process.mjs';
import { Redis } from '../support/redis.mjs';
import { useStack } from '../support/stack.mjs';
import { awakeNow, patient, waitUntil, withDeadline } from '../support/wait.mjs';

const GRACE_MS = 1500;
const hold = useStack({ before, after, afterEach }, { PRESENCE_PROCESSES: '2', PRESENCE_GRACE_MS: String(GRACE_MS) });
const people = [];
const signUp = async (name) => { const p = await Person.signUp(hold.stack.url, name); people.push(p); return p; };
const signUpMany = (count) => Promise.all(Array.from({ length: count }, (_, i) => signUp(`w${i}`)));
afterEach(() => { for (const p of people.splice(0)) p.close(); });

const websocket = { transports: ['websocket'], reconnectionDelay: 50, reconnectionDelayMax: 50 };
const watching = { ...websocket, auth: { presence: 'watch' } };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const told = (socket) => socket.all('presence');
/** What `watch` of these is acknowledged with. */
const watch = (socket, persons) => socket.timeout(patient(5000)).emitWithAck('watch', { users: persons.map((p) => p.id ?? p) });
const is = (person, online, status = 'AVAILABLE', statusNote = undefined) =>
  ({ userId: person.id, online, status, ...(statusNote && { statusNote }) });
/** The next event after the `count` first ones, which came within a second. */
const nextOf = async (socket, count, since) => {
  await waitUntil(`event ${count + 1}`, () => told(socket).length > count);
  const { awakeAt } = socket.events.filter(({ name }) => name === 'presence')[count];
  assert.ok(awakeAt - since < patient(1000), `${awakeAt - since} ms later`);
  return told(socket)[count];
};
/** Both processes know that they are online; else a watch may be answered with what was before. */
const knownOnline = (viewer, person) => waitUntil(`both processes to know ${person.user.username}`, async () =>
  (await Promise.all(Array.from({ length: 8 }, () => viewer.get(`/api/users/profile/${person.id}`)))).every(({ json }) => json.online));
const breakOff = async (socket) => {
  const back = withDeadline('the return', new Promise((resolve) => socket.once('connect', resolve)));
  socket.io.engine.transport.ws._socket.destroy();
  await back;
};

const bothWorkers = () => Promise.all(['presence1', 'presence2'].map(async (name) => workerOf(await hold.stack.pidOf(name))));

for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
  test(`over ${transports.join(', then ')}: an answer, and each change once within a second`, async () => {
    const [ann, bob, eve] = await signUpMany(3);
    await bob.setStatus('BUSY', 'till "3"');
    const socket = await ann.connect({ ...watching, transports });
    assert.deepEqual(await watch(socket, [eve, bob, ann, bob]), [is(eve, false), is(bob, false, 'BUSY', 'till "3"'), is(ann, true)]);
    let since = awakeNow();
    const his = await bob.connect(websocket);
    assert.deepEqual(await nextOf(socket, 0, since), is(bob, true, 'BUSY', 'till "3"'));
    await pause(600); // each is the first of its round
    since = awakeNow();
    await bob.setStatus('AVAILABLE');
    assert.deepEqual(await nextOf(socket, 1, since), is(bob, true));
    since = awakeNow();
    await bob.setStatus('BUSY', 'again');
    assert.deepEqual(await nextOf(socket, 2, since), is(bob, true, 'BUSY', 'again'));
    since = awakeNow();
    his.disconnect();
    assert.deepEqual(await nextOf(socket, 3, since), is(bob, false, 'BUSY', 'again'));
    since = awakeNow();
    await bob.setStatus('AVAILABLE'); // whoever is offline may change it, too
    assert.deepEqual(await nextOf(socket, 4, since), is(bob, false));
    await pause(1200);
    assert.equal(told(socket).length, 5);
  });
}

test('neither lists nor changes of others; messages and typing as ever', async () => {
  const [ann, bob, eve] = await signUpMany(3);
  const socket = await ann.connect(watching);
  const [his, hers] = [await bob.connect(websocket), await eve.connect({ ...websocket, auth: { presence: 'delta' } })];
  await waitUntil('the list to say so', () => his.all('getOnlineUsers').some((ids) => ids.includes(eve.id)));
  await eve.setStatus('BUSY');
  await waitUntil('her status', () => his.all('statusChanged').length > 0 && hers.all('statusChanged').length > 0);
  await knownOnline(ann, bob);
  assert.deepEqual(await watch(socket, [bob]), [is(bob, true)]);
  await eve.setStatus('AVAILABLE');
  eve.close();
  await waitUntil('her leave', () => !his.all('getOnlineUsers').at(-1).includes(eve.id));
  his.emit('typing', { to: ann.id, isTyping: true });
  await waitUntil('typing', () => socket.all('typing').length > 0);
  assert.equal((await bob.send(ann, 'hello')).status, 201);
  await waitUntil('the message', () => socket.all('newMessage').length === 1);
  assert.deepEqual(new Set(socket.events.map(({ name }) => name)), new Set(['offset', 'typing', 'newMessage']));
});

test('a set replaces the one before; the empty one ends it; who is no user is left out', async () => {
  const [ann, bob, eve] = await signUpMany(3);
  const socket = await ann.connect(watching);
  assert.deepEqual(await watch(socket, ['0'.repeat(24), bob, 'f'.repeat(24)]), [is(bob, false)]);
  assert.deepEqual(await watch(socket, [eve, eve.id.toUpperCase()]), [is(eve, false)]);
  await bob.connect(websocket);
  const since = awakeNow();
  const hers = await eve.connect(websocket);
  assert.deepEqual(await nextOf(socket, 0, since), is(eve, true));
  assert.deepEqual(await watch(socket, []), []);
  hers.disconnect();
  await bob.setStatus('BUSY');
  await pause(1500);
  assert.equal(told(socket).length, 1);
});

test('without an acknowledgement it is watched all the same', async () => {
  const [ann, bob] = await signUpMany(2);
  const socket = await ann.connect(watching);
  socket.emit('watch', { users: [bob.id] });
  let turn = 0;
  await waitUntil('a change', async () => { await bob.setStatus(turn++ % 2 ? 'AVAILABLE' : 'BUSY'); return told(socket).length > 0; });
  await bob.setStatus('BUSY', 'the last');
  await waitUntil('the last one', () => told(socket).at(-1).statusNote === 'the last');
  assert.deepEqual(told(socket).at(-1), is(bob, false, 'BUSY', 'the last'));
});

test('what is refused says why and keeps the set', async () => {
  const [ann, bob] = await signUpMany(2);
  const socket = await ann.connect(watching);
  await watch(socket, [bob]);
  const noArray = { error: 'users must be an array of at most 500 ids', code: 'INVALID_FIELD' };
  const badId = { error: 'each of users must be 24 hexadecimal digits', code: 'BAD_ID' };
  for (const [args, answer] of [
    [[], noArray], [[null], noArray], [[[bob.id]], noArray], [[{}], noArray], [[{ users: null }], noArray],
    [[{ users: bob.id }], noArray], [[{ users: { 0: bob.id, length: 1 } }], noArray],
    [[{ users: Array(501).fill(bob.id) }], noArray], [[{ users: [bob.id, 'x'] }], badId], [[{ users: [null] }], badId],
    [[{ users: [{ $gt: '' }] }], badId], [[{ users: [Buffer.from(bob.id)] }], badId], [[{ users: [`${bob.id}0`] }], badId],
  ]) assert.deepEqual(await socket.timeout(patient(3000)).emitWithAck('watch', ...args), answer, JSON.stringify(args).slice(0, 60));
  await bob.connect(websocket);
  await waitUntil('bob', () => told(socket).length === 1);
  assert.deepEqual(await watch(socket, Array(500).fill(bob)), [is(bob, true)]);
  for (const auth of [undefined, { presence: 'delta' }, { presence: 'WATCH' }]) {
    const other = await ann.connect({ ...websocket, auth });
    assert.equal((await watch(other, [bob])).code, 'NOT_WATCHING');
  }
});

test('whose connection breaks is not told to be offline during the grace, and then is', async () => {
  const [ann, bob] = await signUpMany(2);
  const socket = await ann.connect(watching);
  await waitUntil('a look within the grace', async () => {
    await watch(socket, []);
    const his = await bob.connect({ ...websocket, reconnection: false });
    await knownOnline(ann, bob);
    assert.deepEqual(await watch(socket, [bob]), [is(bob, true)]);
    const [since, awake, count] = [Date.now(), awakeNow(), told(socket).length];
    his.io.engine.transport.ws._socket.destroy();
    await pause(1000);
    const answer = await watch(socket, [bob]);
    if (Date.now() - since >= GRACE_MS) return false; // this process, or the machine, stood still
    assert.deepEqual([answer, told(socket).slice(count)], [[is(bob, true)], []]);
    await nextOf(socket, count, awake + GRACE_MS);
    assert.deepEqual(told(socket).slice(count), [is(bob, false)]);
    return true;
  }, { within: 20000 });
});

test('who has heard nothing yet recovers: what was missed comes, and the set is said again', async () => {
  const [ann, bob] = await signUpMany(2);
  const socket = await ann.connect(watching);
  const { id } = socket;
  await watch(socket, [bob]);
  const gone = withDeadline('the break', new Promise((resolve) => socket.once('disconnect', resolve)));
  const back = withDeadline('the return', new Promise((resolve) => socket.once('connect', resolve)));
  socket.io.engine.transport.ws._socket.destroy();
  await gone;
  await bob.connect(websocket);
  assert.equal((await bob.send(ann, 'meanwhile')).status, 201);
  await back;
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  await waitUntil('the message', () => socket.all('newMessage').length === 1);
  await bob.setStatus('BUSY');
  await pause(1200);
  assert.deepEqual(told(socket), [], 'nobody is watched on the new connection');
  await knownOnline(ann, bob);
  assert.deepEqual(await watch(socket, [bob]), [is(bob, true, 'BUSY')]);
  await breakOff(socket); // and once more, after an event
  assert.equal(socket.recovered, true);
  assert.equal(socket.all('newMessage').length, 1);
  assert.equal(socket.all('offset').length, 1, 'it is told once, to who is new');
  assert.equal(socket.all('getOnlineUsers').length, 0);
});

test('a profile that changes is told to those alone who watch it', async () => {
  const [ann, bob, eve] = await signUpMany(3);
  const [socket, other, list] = [await ann.connect(watching), await eve.connect(watching), await bob.connect(websocket)];
  await watch(socket, [bob]);
  await watch(other, [ann]);
  const user = { _id: bob.id, fullName: 'Bob Again' };
  const redis = await Redis.of(hold.stack);
  await redis.do('PUBLISH', 'parley:all', `{"name":"userUpdated","id":"${bob.id}"}\n2["userUpdated",${JSON.stringify(user)}]`);
  redis.end();
  await waitUntil('the profile', () => socket.all('userUpdated').length === 1);
  assert.deepEqual(socket.all('userUpdated'), [user]);
  await pause(300);
  for (const each of [other, list]) assert.deepEqual(each.all('userUpdated'), []);
});

test('who says goodbye and connects again on the same connection, or is put out, watches nobody', async () => {
  const [ann, bob] = await signUpMany(2);
  const workers = await bothWorkers();
  const raw = new Socket(`${ann.base}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: ann.cookie } });
  const until = async (word) => { for (;;) { const heard = await raw.take(); if (heard.startsWith(word)) return heard; } };
  await until('0{');
  raw.send('40{"presence":"watch"}');
  await until('42["offset",');
  raw.send(`421["watch",{"users":["${bob.id}"]}]`);
  assert.equal(await until('431'), `431${JSON.stringify([[is(bob, false)]])}`);
  raw.send(`422["watch",{"users":["${bob.id}"]}]`); // its answer is not waited for
  raw.send('41');
  raw.send('40{"presence":"watch"}');
  await until('42["offset",');
  await bob.setStatus('BUSY');
  await pause(800);
  raw.send('423["watch",{"users":[]}]');
  let heard;
  while ((heard = await raw.take()) === '2');
  assert.equal(heard, '433[[]]', 'and nothing before it');
  raw.send(`424["watch",{"users":["${bob.id}"]}]`);
  await until('434');
  for (let i = 0; i < 41; i++) ann.open(watching); // twenty on each process put it out
  await until('41');
  await bob.setStatus('AVAILABLE');
  await pause(800);
  assert.deepEqual(await bothWorkers(), workers, 'both live');
  raw.close();
});

test('a status that was set while Redis was away is told when it is back', async () => {
  const [ann, bob, eve] = await signUpMany(3);
  const socket = await ann.connect(watching);
  await watch(socket, [bob, eve]);
  process.kill(await hold.stack.pidOf('redis'), 'SIGKILL');
  assert.equal((await bob.setStatus('BUSY', 'meanwhile')).status, 200);
  await waitUntil('bob', () => told(socket).length > 0, { within: 20000 });
  assert.deepEqual(told(socket), [is(bob, false, 'BUSY', 'meanwhile')]);
  await waitUntil('a message to pass again', async () => (await ann.send(bob, 'there')).status === 201, { within: 20000 });
  await pause(1200);
  assert.equal(told(socket).length, 1, 'and nothing else, twice or of others');
});

test('twenty sockets of a user ask to watch 500 each, a thousand times a second: bounded, and others do not notice', async (t) => {
  const [eve, ann, bob, ...others] = await signUpMany(60);
  const unknown = Array.from({ length: 440 }, (_, i) => i.toString(16).padStart(24, 'a'));
  const set = { users: [...others.map(({ id }) => id), ann.id, bob.id, ...unknown] };
  const witness = await ann.connect(watching);
  await watch(witness, [bob]);
  const sockets = [];
  for (let i = 0; i < 20; i++) sockets.push(await eve.connect(watching));
  const workers = await bothWorkers();
  const before = await Promise.all(workers.map(usedMs));
  const answers = { ok: 0, TOO_MANY_REQUESTS: 0 };
  let asked = 0;
  const begun = Date.now();
  while (Date.now() - begun < 3000) {
    for (const socket of sockets) {
      if (!socket.connected) continue;
      asked++;
      socket.emit('watch', set, (answer) => { answers[answer.code ?? 'ok']++; });
    }
    await pause(10);
  }
  const since = Date.now();
  await bob.connect(websocket);
  await waitUntil('bob, at the witness', () => told(witness).length > 0);
  assert.deepEqual(told(witness), [is(bob, true)]);
  assert.deepEqual(await watch(witness, [bob, eve]), [is(bob, true), is(eve, true)]);
  const took = Date.now() - since;
  const cost = (await Promise.all(workers.map(usedMs))).map((ms, i) => ms - before[i]);
  t.diagnostic(`${asked} asked, ${JSON.stringify(answers)}; CPU ${cost.map(Math.round)} ms; the witness waited ${took} ms`);
  await waitUntil('some sets to be answered', () => answers.ok >= 20);
  assert.ok(answers.ok <= 2 * (40 + 5 * (Date.now() - begun + 1000) / 1000), `${answers.ok} sets are too many`);
  assert.ok(took < patient(5000), `${took} ms`);
});
