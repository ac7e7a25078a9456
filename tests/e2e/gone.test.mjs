// Users whom another program deletes from the store: their sockets end as by a log-out, on both stores.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { deleteUsers, disableUsers } from '../support/database.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { Proxy } from '../support/proxy.mjs';
import { whileRedisStays } from '../support/redis.mjs';
import { Stack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const settings = { USER_CHECK_MS: '1000', PRESENCE_PROCESSES: '2' };
const online = (socket) => socket.all('getOnlineUsers').at(-1);

// They mostly wait: all at once.
describe('one who is gone', { concurrency: true }, () => {
  for (const [store, ofStore] of [['SQLite', async () => ({ MONGO_DB_URI: '' })], ['MongoDB', async () => ({ MONGO_DB_URI: await newDatabase() })]]) {
    describe(`with ${store}, a user who is deleted`, { concurrency: 1 }, () => {
      let stack;
      const people = [];
      const signUp = async (name) => { const p = await Person.signUp(stack.url, name); people.push(p); return p; };
      before(async () => { stack = await Stack.start({ ...settings, ...await ofStore() }); }, { timeout: patient(60000) });
      after(() => stack?.stop(), { timeout: patient(30000) });
      afterEach(() => { for (const p of people.splice(0)) p.close(); });

      test('is put out on every process, is offline, types no more, and cannot come back; others notice nothing else', () => whileRedisStays(stack, async () => {
        const [ann, bob, eve] = [await signUp('ann'), await signUp('bob'), await signUp('eve')];
        const [heard, delta] = [await ann.connect(), await bob.connect({ auth: { presence: 'delta' } })];
        const sockets = [];
        for (const transports of [['websocket'], ['polling'], ['websocket'], ['polling']]) sockets.push(await eve.connect({ transports }));
        await waitUntil('eve to be online', () => online(heard)?.includes(eve.id));
        await waitUntil('and with delta', () => delta.all('presence').some(({ userId, online: is }) => userId === eve.id && is));
        let drops = 0;
        for (const socket of [heard, delta]) socket.on('disconnect', () => drops++);
        const refusals = sockets.map((socket) => new Promise((resolve) => socket.on('connect_error', (error) => { if (error.data) resolve(error); }))); // not that nothing could be reached
        const reasons = sockets.map((socket) => new Promise((resolve) => socket.once('disconnect', resolve)));
        sockets[0].emit('typing', { to: ann.id, isTyping: true });
        await waitUntil('typing', () => heard.all('typing').length > 0);

        await deleteUsers(stack, eve);
        for (const reason of await Promise.all(reasons)) assert.match(reason, /^transport/);
        for (const { data } of await Promise.all(refusals)) assert.equal(data.code, 'BAD_TOKEN');
        await waitUntil('typing to end', () => heard.all('typing').length > 1, { within: 2000 });
        assert.deepEqual(heard.all('typing')[1], { from: eve.id, isTyping: false });
        await waitUntil('the list to say so', () => !online(heard).includes(eve.id));
        await waitUntil('and the delta', () => delta.all('presence').some(({ userId, online: is }) => userId === eve.id && !is));
        for (const id of [ann.id, bob.id]) await waitUntil('the others to be on it', () => online(heard).includes(id));
        assert.equal(drops, 0);
      }));

      test('has no good token any more, is on no list, and gets no message', async () => {
        const [ann, eve] = [await signUp('ann'), await signUp('eve')];
        const socket = await eve.connect();
        const ended = new Promise((resolve) => socket.once('disconnect', resolve));
        await deleteUsers(stack, eve);
        await ended;
        assert.equal((await ann.send(eve, 'are you there?')).status, 404);
        assert.ok(!(await ann.get('/api/users')).json.some(({ _id }) => _id === eve.id));
        assert.equal((await ann.get(`/api/users/${eve.id}`)).status, 404);
        // Each process remembers for at most 5 s that they were there.
        await waitUntil('401', async () => (await eve.send(ann, 'still here')).status === 401, { within: 8000 });
        await waitUntil('401', async () => (await eve.get('/api/auth/me')).status === 401, { within: 8000 });
        await waitUntil('401', async () => (await eve.setStatus('BUSY')).status === 401, { within: 8000 });
      });

      test('or disabled, and nobody could say so, is put out as well; others are not', async () => {
        const [ann, eve] = [await signUp('ann'), await signUp('eve')];
        const [heard, socket] = [await ann.connect(), await eve.connect({ reconnection: false })];
        const ended = new Promise((resolve) => socket.once('disconnect', resolve));
        await disableUsers(stack, eve);
        await ended;
        await waitUntil('the list to say so', () => !online(heard).includes(eve.id));
        assert.ok(heard.connected);
      });

      test('in the grace of a broken connection is offline, too', async () => {
        const [ann, eve] = [await signUp('ann'), await signUp('eve')];
        const [heard, socket] = [await ann.connect(), await eve.connect({ transports: ['websocket'], reconnection: false })];
        await waitUntil('eve to be online', () => online(heard)?.includes(eve.id));
        socket.io.engine.transport.ws.terminate?.();
        await deleteUsers(stack, eve);
        const begin = Date.now();
        await waitUntil('the list to say so', () => !online(heard).includes(eve.id));
        assert.ok(Date.now() - begin < patient(4500), 'not only after 5 s');
      });

      test('costs a read a round, however many they are', async () => {
        const crowd = await Promise.all(Array.from({ length: 20 }, (_, i) => signUp(`p${i}`)));
        for (const person of crowd) await person.connect({ transports: ['websocket'] });
        const reads = async () => Number(/^parley_store_seconds_count\{[^}]*read[^}]*\} (\d+)/m.exec(
          await (await fetch(`${await stack.addressOf('presence')}/metrics`)).text())[1]);
        // Their coming in needs reads, and so does the bus for a while after a standstill; each of them alone would
        // need 20 a second, always. Another one a second is for revocations that nobody told of.
        await waitUntil('five seconds of few reads', async () => {
          const [begun, begin] = [Date.now(), await reads()];
          await new Promise((resolve) => setTimeout(resolve, 5000));
          return await reads() - begin <= 2 * (Date.now() - begun) / 1000 + 3;
        }, { within: 20000 });
        const begin = await reads();
        await waitUntil('two of them', async () => await reads() - begin >= 2);
      });
    });
  }

  test('an outage of the store logs nobody out, and those who are gone after it are', async (t) => {
    const uri = new URL(await newDatabase());
    const proxy = await Proxy.start({ host: uri.hostname, port: Number(uri.port) });
    t.after(() => proxy.stop());
    const stack = await Stack.start({ USER_CHECK_MS: '1000', MONGO_DB_URI: `mongodb://127.0.0.1:${proxy.port}${uri.pathname}` });
    t.after(() => stack.stop());
    const [ann, eve] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'eve')];
    t.after(() => { ann.close(); eve.close(); });
    const [kept, ended] = [await ann.connect(), await eve.connect()];
    const ends = [];
    for (const [name, socket] of [['ann', kept], ['eve', ended]]) socket.on('disconnect', () => ends.push(name));
    proxy.cut();
    await deleteUsers({ mongoUri: uri.href }, eve);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    proxy.mend();
    proxy.stall();
    await new Promise((resolve) => setTimeout(resolve, 5000));
    assert.deepEqual(ends, [], 'nobody, though one is gone');
    assert.ok(kept.connected && ended.connected);
    proxy.flow();
    await waitUntil('who is gone to be put out', () => ends.includes('eve'), { within: 20000 });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.ok(!ends.includes('ann') && kept.connected);
  });
});
