// Real time, with the stock clients that MERN pages use, through the gateway.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { io } from 'socket.io-client';
import { io as io40 } from 'socket.io-client-40';
import { Person } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';
import { awakeNow, patience, patient, waitUntil, withDeadline } from '../support/wait.mjs';

const GRACE_MS = 1000;
const TYPING_MS = 6000; // shared/bus/events.h
const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: String(GRACE_MS) });
const base = () => hold.stack.url;
const people = [];
const signUp = async (name) => { const p = await Person.signUp(base(), name); people.push(p); return p; };
afterEach(() => { for (const p of people.splice(0)) p.close(); });

const refused = (socket) => withDeadline('a refusal', new Promise((resolve, reject) => {
  socket.once('connect_error', resolve);
  socket.once('connect', () => reject(new Error('connected')));
}));
const lastOnline = (socket) => socket.all('getOnlineUsers').at(-1) ?? [];

const clients = [
  ['default', {}, io], ['polling', { transports: ['polling'] }, io], ['websocket', { transports: ['websocket'] }, io],
  ['default, client 4.0', {}, io40], ['polling, client 4.0', { transports: ['polling'] }, io40],
  ['websocket, client 4.0', { transports: ['websocket'] }, io40],
];

for (const [name, options, client] of clients) {
  test(`a ${name} client gets newMessage well under a second, as the 201 showed it`, async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const socket = await bob.connect(options, client);
    const sent = awakeNow();
    const answer = await ann.send(bob, 'hello');
    assert.equal(answer.status, 201);
    await waitUntil('newMessage', () => socket.all('newMessage').length > 0);
    const event = socket.events.find(({ name: n }) => n === 'newMessage');
    assert.ok(event.awakeAt - sent < patient(1000), `took ${event.awakeAt - sent} ms`);
    assert.deepEqual(event.args[0], answer.json);
  });
}

test('a default client upgrades to WebSocket and misses nothing on the way', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const socket = bob.open();
  const texts = [];
  await withDeadline('connect', new Promise((resolve) => socket.once('connect', resolve)));
  for (let i = 0; i < 20; i++) {
    texts.push(`m${i}`);
    assert.equal((await ann.send(bob, `m${i}`)).status, 201);
  }
  await waitUntil('the upgrade', () => socket.io.engine.transport.name === 'websocket');
  await waitUntil('all of them', () => socket.all('newMessage').length === 20);
  assert.deepEqual(socket.all('newMessage').map((m) => m.message), texts);
});

test('the sender\'s sockets that ask for it get messageSent, save the one in X-Socket-Id; none gets newMessage', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const asking = { auth: { messageSent: true } };
  const [page, phone] = [await ann.connect(asking), await ann.connect(asking)];
  const stock = [await ann.connect(), await ann.connect({ auth: { messageSent: 'true' } }), await ann.connect({ auth: { messageSent: false } })];
  const other = await bob.connect();
  const sent = await ann.send(bob, 'once', { 'x-socket-id': page.id });
  await waitUntil('messageSent', () => phone.all('messageSent').length > 0);
  await waitUntil('newMessage', () => other.all('newMessage').length > 0);
  assert.deepEqual(phone.all('messageSent'), [sent.json]);
  assert.deepEqual([...page.all('messageSent'), ...page.all('newMessage'), ...phone.all('newMessage')], []);
  // What follows comes to them after what was sent.
  await bob.send(ann, 'and back');
  for (const socket of stock) {
    await waitUntil('newMessage', () => socket.all('newMessage').length > 0);
    assert.deepEqual(socket.all('messageSent'), []);
  }
});

test('a device that comes while its user writes without a pause hears of all that is sent from then on', async () => {
  const bob = await signUp('bob');
  for (let i = 0; i < 10; i++) {
    const ann = await signUp('ann');
    assert.equal((await ann.send(bob, 'before')).status, 201); // so that it is known that nobody listens
    const device = await ann.connect({ auth: { messageSent: true }, transports: ['websocket'] });
    for (let n = 0; n < 3; n++) assert.equal((await ann.send(bob, `after ${n}`)).status, 201);
    await waitUntil('messageSent', () => device.all('messageSent').some(({ message }) => message === 'after 2'));
    assert.deepEqual(device.all('messageSent').map(({ message }) => message).filter((text) => text !== 'before'), ['after 0', 'after 1', 'after 2']);
  }
});

test('a user\'s typing ends with their message, though no socket of theirs asks for messageSent', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const [page, other] = [await ann.connect(), await bob.connect()];
  page.emit('typing', { to: bob.id, isTyping: true });
  await waitUntil('typing', () => other.all('typing').length > 0);
  await ann.send(bob, 'written');
  await waitUntil('its end', () => other.all('typing').length > 1, { within: 3000 });
  assert.deepEqual(other.all('typing').map(({ isTyping }) => isTyping), [true, false]);
});

test('every socket of the receiver gets the message', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const sockets = [await bob.connect(), await bob.connect({ transports: ['polling'] })];
  await ann.send(bob, 'to both');
  for (const socket of sockets) await waitUntil('newMessage', () => socket.all('newMessage').length === 1);
});

describe('getOnlineUsers', () => {
  test('comes on connecting and names everybody with a live socket', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const first = await ann.connect();
    await waitUntil('ann to be online', () => lastOnline(first).includes(ann.id));
    const second = await bob.connect();
    await waitUntil('bob to see both', () => [ann, bob].every((p) => lastOnline(second).includes(p.id)));
    await waitUntil('ann to see bob', () => lastOnline(first).includes(bob.id));
  });

  test('counts a disconnect() out at once, and keeps who has another socket', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const watcher = await ann.connect();
    const [one, two] = [await bob.connect(), await bob.connect()];
    await waitUntil('bob online', () => lastOnline(watcher).includes(bob.id));
    one.disconnect();
    await ann.send(bob, 'still there?');
    await waitUntil('the other socket to work', () => two.all('newMessage').length === 1);
    assert.ok(lastOnline(watcher).includes(bob.id));
    two.disconnect();
    await waitUntil('bob gone', () => !lastOnline(watcher).includes(bob.id), { within: 2500 });
  });

  test('counts a broken connection out after the grace, and not when it comes back', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const watcher = await ann.connect();
    const socket = await bob.connect({ transports: ['websocket'], reconnectionDelay: 100, reconnectionDelayMax: 100 });
    await waitUntil('a return within the grace', async () => {
      await waitUntil('bob online', () => lastOnline(watcher).includes(bob.id));
      watcher.events.splice(0, watcher.events.length - 1);
      const [begin, count] = [Date.now(), socket.all('getOnlineUsers').length];
      socket.io.engine.transport.ws._socket.destroy();
      await waitUntil('bob to be back', () => socket.connected && socket.all('getOnlineUsers').length > count);
      if (Date.now() - begin >= GRACE_MS) return false; // this process, or the machine, stood still
      assert.ok(watcher.all('getOnlineUsers').every((list) => list.includes(bob.id)), 'never seen leaving');
      return true;
    }, { within: 20000 });
    socket.io.reconnection(false);
    socket.io.engine.transport.ws._socket.destroy();
    await waitUntil('bob gone', () => watcher.all('getOnlineUsers').length > 0 &&
      !lastOnline(watcher).includes(bob.id), { within: 4000 });
  });
});

describe('who a socket is', () => {
  test('comes from the cookie, whatever userId the query claims', async () => {
    const [ann, bob, eve] = [await signUp('ann'), await signUp('bob'), await signUp('eve')];
    const spoof = await eve.connect({ query: { userId: bob.id } });
    await waitUntil('eve online', () => lastOnline(spoof).includes(eve.id));
    assert.ok(!lastOnline(spoof).includes(bob.id));
    const real = await bob.connect();
    await ann.send(bob, 'for bob only');
    await waitUntil('bob to have it', () => real.all('newMessage').length === 1);
    assert.deepEqual(spoof.all('newMessage'), []);
  });

  test('comes from auth.token or Authorization too', async () => {
    const ann = await signUp('ann');
    const token = ann.cookie.split('=')[1];
    await ann.connect({ extraHeaders: {}, auth: { token } });
    for (const scheme of ['Bearer ', 'bearer ', 'BEARER  ', ' Bearer ']) {
      await ann.connect({ extraHeaders: { authorization: `${scheme}${token}` } });
      await ann.connect({ extraHeaders: {}, auth: { token: `${scheme}${token}` } });
    }
  });

  for (const [what, code, options] of [
    ['no token', 'NO_TOKEN', { extraHeaders: {} }],
    ['a bad token', 'BAD_TOKEN', { extraHeaders: { cookie: 'jwt=a.b.c' } }],
    ['a bad auth.token', 'BAD_TOKEN', { extraHeaders: {}, auth: { token: 'x' } }],
    ['a bad auth.token behind Bearer', 'BAD_TOKEN', { extraHeaders: {}, auth: { token: 'Bearer x' } }],
    ['Bearer and nothing', 'NO_TOKEN', { extraHeaders: {}, auth: { token: 'Bearer ' } }],
    ['another scheme', 'BAD_TOKEN', { extraHeaders: {}, auth: { token: 'Basic x' } }],
  ]) {
    for (const transports of [['polling'], ['websocket']]) {
      test(`is refused with ${code} for ${what} over ${transports}`, async () => {
        const ann = await signUp('ann');
        const error = await refused(ann.open({ ...options, transports }));
        assert.equal(error.message, 'Unauthorized');
        assert.deepEqual(error.data, { code });
      });
    }
  }

  test('ends with its token: a logout closes its sockets within a second, and no others', async () => {
    const ann = await signUp('ann');
    const other = new Person(base(), ann.user, (await ann.logIn()).cookies[0].split(';')[0]);
    people.push(other);
    const [mine, theirs] = [await ann.connect(), await other.connect()];
    const ended = new Promise((resolve) => mine.once('disconnect', () => resolve(awakeNow())));
    const begin = awakeNow();
    assert.equal((await ann.post('/api/auth/logout')).status, 200);
    assert.ok(await withDeadline('the end of the socket', ended, 2000) - begin < patient(1000));
    assert.ok(theirs.connected);
    assert.equal((await refused(mine)).data.code, 'BAD_TOKEN');
  });
});

test('statusChanged tells everybody', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const socket = await bob.connect();
  assert.equal((await ann.setStatus('BUSY', 'in a meeting')).status, 200);
  await waitUntil('statusChanged', () => socket.all('statusChanged').length > 0);
  assert.deepEqual(socket.all('statusChanged')[0], { userId: ann.id, status: 'BUSY', note: 'in a meeting' });
});

test('typing reaches whom it names, and ends with the message', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const [from, to] = [await ann.connect(), await bob.connect()];
  from.emit('typing', { to: bob.id, isTyping: true });
  await waitUntil('typing', () => to.all('typing').length > 0);
  assert.deepEqual(to.all('typing')[0], { from: ann.id, isTyping: true });
  await ann.send(bob, 'done');
  await waitUntil('typing to end', () => to.all('typing').length > 1);
  assert.deepEqual(to.all('typing')[1], { from: ann.id, isTyping: false });
});

test('typing ends with the socket that said it, and with no other of its user', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const [page, phone, to] = [await ann.connect(), await ann.connect(), await bob.connect()];
  await waitUntil('typing to end before its time', async () => {
    to.events.length = 0;
    const begin = Date.now();
    page.connect();
    page.emit('typing', { to: bob.id, isTyping: true });
    await waitUntil('typing', () => to.all('typing').length > 0);
    phone.disconnect();
    phone.connect(); // its welcome comes after its goodbye
    await waitUntil('the phone to be back', () => phone.connected);
    const before = to.all('typing').length;
    page.disconnect();
    await waitUntil('typing to end', () => to.all('typing').length > 1);
    if (Date.now() - begin >= TYPING_MS) return false; // this process, or the machine, stood still
    assert.equal(before, 1);
    assert.deepEqual(to.all('typing'), [{ from: ann.id, isTyping: true }, { from: ann.id, isTyping: false }]);
    return true;
  }, { within: 20000 });
});

test('a client may say what JSON.stringify() writes of any value', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')];
  const [from, to] = [await ann.connect({ reconnection: false }), await bob.connect()];
  const deep = JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`);
  for (const value of [1e20, -1e300, '\0', deep]) from.emit('typing', value);
  from.emit('typing', { to: bob.id, isTyping: true });
  await waitUntil('typing', () => to.all('typing').length > 0);
  assert.ok(from.connected);
});

test('an empty auth.token is none: the cookie counts', async () => {
  const ann = await signUp('ann');
  for (const token of ['', 'Bearer ', 'bearer']) assert.ok((await ann.connect({ auth: { token } })).connected, token);
});

test('the oldest of more than 20 sockets of a user is closed', async () => {
  const ann = await signUp('ann');
  const first = await ann.connect({ reconnection: false, transports: ['websocket'] });
  for (let i = 0; i < 20; i++) await ann.connect({ reconnection: false, transports: ['websocket'] });
  await waitUntil('the oldest to be closed', () => !first.connected);
  assert.equal(ann.sockets.filter((socket) => socket.connected).length, 20);
});

describe('with two processes of each service', () => {
  const pair = useStack({ before, after, afterEach },
    { AUTH_PROCESSES: '2', MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2', PRESENCE_GRACE_MS: '1000' });
  const join = async (name) => { const p = await Person.signUp(pair.stack.url, name); people.push(p); return p; };
  // Engine.IO's session id begins with the name of the process that holds it.
  const processesOf = (person) => new Set(person.sockets.map((socket) => socket.io.engine.id?.split('.')[0]).filter(Boolean));
  const spread = async (person, options) => waitUntil('sockets on both processes', async () => {
    await person.connect(options);
    return processesOf(person).size === 2;
  });

  for (const [name, options] of [['default', {}], ['polling', { transports: ['polling'] }], ['websocket', { transports: ['websocket'] }]]) {
    test(`each socket gets each message once, ${name}`, async () => {
      const [ann, bob] = [await join('ann'), await join('bob')];
      await spread(bob, options);
      const sent = [];
      for (let i = 0; i < 10; i++) sent.push((await ann.send(bob, `m${i}`)).json);
      for (const socket of bob.sockets) {
        await waitUntil('all of them', () => socket.all('newMessage').length >= sent.length);
        assert.deepEqual(socket.all('newMessage'), sent);
      }
    });
  }

  test('all agree on who is online', async () => {
    const [ann, bob, watcher] = [await join('ann'), await join('bob'), await join('watcher')];
    await spread(watcher);
    await spread(ann);
    await spread(bob);
    for (const socket of watcher.sockets) {
      await waitUntil('both online', () => [ann, bob].every(({ id }) => lastOnline(socket).includes(id)));
    }
    ann.sockets[0].disconnect();
    await bob.send(ann, 'still there?');
    await waitUntil('her other sockets to work', () => ann.sockets.slice(1).every((s) => s.all('newMessage').length === 1));
    for (const socket of watcher.sockets) assert.ok(lastOnline(socket).includes(ann.id));
    ann.close();
    for (const socket of watcher.sockets) await waitUntil('ann gone', () => !lastOnline(socket).includes(ann.id));
  });

  test('a logout ends the session on both', async () => {
    const ann = await join('ann');
    await spread(ann);
    assert.equal((await ann.post('/api/auth/logout')).status, 200);
    await waitUntil('all sockets closed', () => ann.sockets.every((socket) => !socket.connected), { within: 1000 * patience });
    const paths = ['/api/auth/me', '/api/users', `/api/messages/${ann.id}`];
    await waitUntil('all processes to refuse it', async () => {
      const answers = await Promise.all(Array(4).fill(paths).flat().map((path) => ann.get(path)));
      return answers.every(({ status }) => status === 401);
    }, { within: 1000 * patience });
  });

  test('a logout everywhere ends the sockets of all sessions on both, and a new one comes in', async () => {
    const ann = await join('ann');
    const other = new Person(ann.base, ann.user, (await ann.logIn()).cookies[0].split(';')[0]);
    people.push(other);
    for (const person of [ann, other]) await spread(person);
    assert.equal((await other.post('/api/auth/logout-all')).status, 200);
    const sockets = [...ann.sockets, ...other.sockets];
    await waitUntil('all sockets closed', () => sockets.every((socket) => !socket.connected), { within: 1000 * patience });
    for (const person of [ann, other]) assert.equal((await refused(person.open())).data.code, 'BAD_TOKEN');
    ann.cookie = (await ann.logIn()).cookies[0].split(';')[0];
    await spread(ann);
  });
});
