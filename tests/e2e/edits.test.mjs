// Taking back a word: who may, what others see of it, live and after they were away. Two processes of each service,
// so that nothing depends on which one is asked.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { LlmServer, say } from '../support/llm_server.mjs';
import { bothServe, processOf, signal } from '../support/processes.mjs';
import { whileRedisStays } from '../support/redis.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { patience, waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { MESSAGE_PROCESSES: '2', PRESENCE_PROCESSES: '2' });
const persons = [];
const people = async (...names) => {
  const made = await Promise.all(names.map((name) => Person.signUp(hold.stack.url, name)));
  persons.push(...made);
  return made;
};
afterEach(() => { for (const person of persons.splice(0)) person.close(); });

const nobody = 'f'.repeat(24);
const tick = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const sent = async (from, to, text, headers) => {
  const done = await from.send(to, text, headers);
  assert.equal(done.status, 201, done.text);
  return done.json;
};
const edited = async (person, message, text, headers) => {
  const done = await person.edit(message, text, headers);
  assert.equal(done.status, 200, done.text);
  return done.json;
};
const removed = async (person, message, headers) => {
  const done = await person.remove(message, headers);
  assert.equal(done.status, 200, done.text);
  return done.json;
};
const assertRefused = (done, status, code) => assert.deepEqual([done.status, done.json?.code, typeof done.json?.error], [status, code, 'string'], done.text);
const changeNames = ['messageUpdated', 'messageDeleted'];
const told = (socket, ...names) => socket.events.filter(({ name }) => names.includes(name)).map(({ name, args }) => [name, changeNames.includes(name) ? args[0].message : args[0]]);
const changes = (socket) => told(socket, ...changeNames);

const options = { transports: ['websocket'], reconnectionDelay: 300, reconnectionDelayMax: 300 };
/** Away for as long as the action takes. */
const breakDuring = async (socket, action = () => {}) => {
  const gone = withDeadline('the socket to notice', new Promise((resolve) => { socket.once('disconnect', resolve); }));
  const back = new Promise((resolve) => { socket.once('connect', resolve); });
  socket.io.reconnection(false);
  socket.io.engine.transport.ws._socket.destroy();
  await gone;
  await action();
  socket.io.reconnection(true);
  socket.connect();
  await withDeadline('the socket to be back', back);
};
/** Away, and back with its first offset at least. */
const awayDuring = async (socket, action) => {
  await waitUntil('the first offset', () => socket.all('getOnlineUsers').length > 0);
  await breakDuring(socket, action);
};

describe('an edit', () => {
  test('gives the message another text and editedAt, in its place; nothing else of it changes', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const one = await sent(ann, bob, 'one');
    const two = await sent(ann, bob, 'two');
    const after = await edited(ann, one, '  uno \u{1F600} ');
    assert.deepEqual(after, { ...one, message: '  uno \u{1F600} ', updatedAt: after.editedAt, editedAt: after.editedAt });
    assert.match(after.editedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(after.editedAt > one.createdAt);
    for (const [me, other] of [[ann, bob], [bob, ann]]) assert.deepEqual((await me.history(other)).json, [after, two]);
    const last = await edited(ann, two, 'dos');
    assert.deepEqual((await bob.get(`/api/conversations/${ann.id}`)).json.lastMessage, last);
    assert.deepEqual((await bob.get('/api/conversations')).json[0].lastMessage, last);
    assert.ok((await edited(ann, one, 'un')).editedAt > after.editedAt);
  });

  test('obeys the rules of a text, and stores nothing if it does not', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const one = await sent(ann, bob, 'one');
    const patch = (body, headers) => call(ann.base, 'PATCH', `/api/messages/message/${one._id}`, body, { cookie: ann.cookie, ...headers });
    for (const body of [{}, { message: 1 }, { message: null }, { message: ['a'] }, { message: { $gt: '' } }, { message: '' }, { message: ' \n' },
      { message: 'x'.repeat(65537) }, { message: '\ud800' }, '[]', '{"message":"a"', 'null', '', '{"message":"a","message":2}']) {
      const done = await patch(body);
      assert.equal(done.status, 400, `${JSON.stringify(body).slice(0, 60)}: ${done.text}`);
      assert.equal(typeof done.json.error, 'string');
    }
    assertRefused(await patch('message=a', { 'content-type': 'application/x-www-form-urlencoded' }), 415, 'NOT_JSON');
    assertRefused(await patch(JSON.stringify({ message: 'x'.repeat(200000) })), 413, 'TOO_LARGE');
    assert.deepEqual((await bob.history(ann)).json, [one]);
    assert.equal((await edited(ann, one, 'x'.repeat(65536))).message.length, 65536);
  });

  test('is for its writer alone, of what is there', async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    const one = await sent(ann, bob, 'one');
    for (const other of [bob, eve]) {
      assertRefused(await other.edit(one, 'mine'), 403, 'FORBIDDEN');
      assertRefused(await other.remove(one), 403, 'FORBIDDEN');
    }
    for (const id of ['zzz', '1', 'g'.repeat(24), 'f'.repeat(25), '%24gt']) {
      assertRefused(await ann.edit(id, 'x'), 400, 'BAD_ID');
      assertRefused(await ann.remove(id), 400, 'BAD_ID');
    }
    for (const id of [nobody, ann.id]) {
      assertRefused(await ann.edit(id, 'x'), 404, 'MESSAGE_NOT_FOUND');
      assertRefused(await ann.remove(id), 404, 'MESSAGE_NOT_FOUND');
    }
    assertRefused(await call(ann.base, 'PATCH', `/api/messages/message/${one._id}`, { message: 'x' }), 401, 'NO_TOKEN');
    assertRefused(await call(ann.base, 'DELETE', `/api/messages/message/${one._id}`), 401, 'NO_TOKEN');
    assert.deepEqual((await bob.history(ann)).json, [one]);
  });

  test('of two at once one is the later one, and all agree which', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const sockets = await Promise.all([ann.connect(options), bob.connect(options), bob.connect(options)]);
    const one = await sent(ann, bob, 'one');
    for (let round = 0; round < 5; round++) {
      const done = await Promise.all(Array.from({ length: 6 }, (_, i) => edited(ann, one, `${round}.${i}`)));
      const times = done.map(({ editedAt }) => editedAt);
      assert.equal(new Set(times).size, 6);
      const last = done.find(({ editedAt }) => editedAt === [...times].sort().at(-1));
      assert.deepEqual((await bob.history(ann)).json, [last]);
      for (const socket of sockets) {
        await waitUntil('the latest', () => changes(socket).at(-1)?.[1].message === last.message);
        const got = socket.all('messageUpdated').map(({ message }) => message.editedAt);
        assert.deepEqual(got, [...got].sort());
      }
    }
  });
});

describe('a deletion', () => {
  test('takes the text away, and says when; again it is the same', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const one = await sent(ann, bob, 'one');
    const uno = await edited(ann, one, 'uno');
    const gone = await removed(ann, one);
    assert.deepEqual(gone, { ...uno, message: '', updatedAt: gone.deletedAt, deletedAt: gone.deletedAt });
    assert.ok(gone.deletedAt > uno.editedAt);
    assert.deepEqual(await removed(ann, one), gone);
    assertRefused(await ann.edit(one, 'back'), 410, 'DELETED');
    assert.deepEqual((await bob.history(ann)).json, [gone]);
    assert.deepEqual((await bob.get(`/api/conversations/${ann.id}`)).json.lastMessage, gone);
    assert.equal((await bob.get(`/api/conversations/${ann.id}`)).json.unread, 0);
  });

  test('does not count as unread', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const messages = [];
    for (let i = 0; i < 4; i++) messages.push(await sent(ann, bob, `${i}`));
    await removed(ann, messages[1]);
    await removed(ann, messages[3]);
    assert.equal((await bob.get('/api/conversations')).json[0].unread, 2);
    const read = await bob.post(`/api/messages/read/${ann.id}`, { upTo: messages[0]._id });
    assert.deepEqual(read.json, { success: true, upTo: messages[0]._id, unread: 1 });
  });

  test('answers a send that comes again under its key', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const key = { 'idempotency-key': 'one' };
    const one = await sent(ann, bob, 'one', key);
    const uno = await edited(ann, one, 'uno');
    assert.deepEqual(await sent(ann, bob, 'one', key), uno);
    for (const text of ['two', 'uno']) assert.equal((await ann.send(bob, text, key)).status, 422, text);
    const gone = await removed(ann, one);
    const again = await ann.send(bob, 'one', key);
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed'), again.json], [201, 'true', gone]);
    for (const text of ['two', 'uno']) assert.equal((await ann.send(bob, text, key)).status, 422, text);
    assert.equal((await bob.history(ann)).json.length, 1);
  });

  test('from a form of another page is refused', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const one = await sent(ann, bob, 'one');
    const from = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    assertRefused(await ann.remove(one, from), 403, 'BAD_ORIGIN');
    assertRefused(await ann.edit(one, 'x', from), 403, 'BAD_ORIGIN');
    assert.deepEqual((await bob.history(ann)).json, [one]);
  });

  test('has no other methods, and says which it has', async () => {
    const [ann] = await people('ann');
    for (const method of ['GET', 'POST', 'PUT']) {
      const done = await call(ann.base, method, `/api/messages/message/${nobody}`, method === 'GET' ? undefined : {}, { cookie: ann.cookie });
      assert.deepEqual([done.status, done.headers.get('allow')], [405, 'PATCH, DELETE, OPTIONS']);
    }
  });
});

describe('events', () => {
  // What comes by the store comes to the socket that named itself, too.
  test('go to the sockets of the other and to one\'s own others, whichever process they are at', () => whileRedisStays(hold.stack, async () => {
    const [ann, bob, eve] = await people('ann', 'bob', 'eve');
    await bothServe(hold.stack);
    const own = await ann.connect(options);
    const others = [await ann.connect(options), await bob.connect(options), await bob.connect({ transports: ['polling'] })];
    const stranger = await eve.connect(options);
    const one = await sent(ann, bob, 'one');
    // As after a start: what comes by the store is the last change of a message only.
    for (const socket of others.slice(1)) await waitUntil('the message', () => socket.all('newMessage').length === 1);
    const headers = { 'x-socket-id': own.id };
    const uno = await edited(ann, one, 'uno', headers);
    for (const socket of others) await waitUntil('the edit', () => changes(socket).length >= 1);
    const gone = await removed(ann, one, headers);
    const want = [['messageUpdated', uno], ['messageDeleted', gone]];
    for (const socket of others) {
      await waitUntil('both events', () => changes(socket).length >= 2);
      assert.deepEqual(changes(socket), want);
    }
    await removed(ann, one); // again: nobody hears of it
    const mine = await sent(bob, ann, 'end');
    await waitUntil('the end', () => own.all('newMessage').some(({ _id }) => _id === mine._id));
    for (const socket of [own, stranger]) assert.deepEqual(changes(socket), []);
    for (const socket of others) assert.deepEqual(changes(socket), want);
  }));

  test('of a message to oneself come once', async () => {
    const [ann] = await people('ann');
    const socket = await ann.connect(options);
    const one = await sent(ann, ann, 'note');
    const uno = await edited(ann, one, 'better note');
    await waitUntil('the edit', () => changes(socket).length >= 1);
    const gone = await removed(ann, one);
    await waitUntil('both events', () => changes(socket).length >= 2);
    await tick(200);
    assert.deepEqual(changes(socket), [['messageUpdated', uno], ['messageDeleted', gone]]);
  });
});

describe('a socket that was away', () => {
  test('gets the edits and deletions that it missed, in order, and no others', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const [his, hers] = [await bob.connect(options), await ann.connect(options)];
    const [one, two, three] = [await sent(ann, bob, 'one'), await sent(ann, bob, 'two'), await sent(ann, bob, 'three')];
    const seenLive = await edited(ann, three, 'tres');
    for (const socket of [his, hers]) await waitUntil('the live one', () => changes(socket).length === 1);
    let uno, gone;
    const act = async () => { uno = await edited(ann, one, 'uno'); await tick(5); gone = await removed(ann, two); };
    await Promise.all([awayDuring(his, act), awayDuring(hers)]);
    for (const socket of [his, hers]) {
      assert.equal(socket.recovered, true);
      await waitUntil('what it missed', () => changes(socket).length >= 3);
    }
    await tick(200);
    for (const socket of [his, hers]) {
      assert.deepEqual(changes(socket), [['messageUpdated', seenLive], ['messageUpdated', uno], ['messageDeleted', gone]]);
    }
    assert.equal(his.all('newMessage').length, 3);
    // Once more: nothing comes twice.
    await breakDuring(his, () => sent(ann, bob, 'four'));
    await waitUntil('the new one', () => his.all('newMessage').length === 4);
    assert.equal(changes(his).length, 3);
  });

  test('gets a message that it missed as it is now, and one that was deleted without its text', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const socket = await bob.connect(options);
    let uno, gone, last;
    await awayDuring(socket, async () => {
      const one = await sent(ann, bob, 'secret one'), two = await sent(ann, bob, 'secret two');
      await edited(ann, one, 'secret in between');
      uno = await edited(ann, one, 'uno');
      await tick(5);
      gone = await removed(ann, two);
      last = await sent(ann, bob, 'last');
    });
    assert.equal(socket.recovered, true);
    await waitUntil('the last one', () => socket.all('newMessage').some(({ _id }) => _id === last._id));
    assert.deepEqual(told(socket, 'newMessage', ...changeNames), [
      ['newMessage', uno], ['newMessage', gone], ['messageUpdated', uno], ['messageDeleted', gone], ['newMessage', last]]);
    assert.ok(!JSON.stringify(socket.events).includes('secret'));
  });

  test('gets them after its process was killed', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const socket = await bob.connect(options);
    const [one, two] = [await sent(ann, bob, 'one'), await sent(ann, bob, 'two')];
    await waitUntil('both', () => socket.all('newMessage').length === 2);
    const back = new Promise((resolve) => { socket.once('connect', resolve); });
    await signal(hold.stack, processOf(socket).replace('p', 'presence'), 'SIGKILL');
    const uno = await edited(ann, one, 'uno');
    await tick(5);
    const gone = await removed(ann, two);
    await withDeadline('the socket to be back', back);
    await waitUntil('what it missed', () => changes(socket).length >= 2);
    assert.deepEqual(changes(socket), [['messageUpdated', uno], ['messageDeleted', gone]]);
  });
});

describe('Redis', () => {
  test('that is away loses none of them', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const sockets = [await bob.connect(options), await ann.connect(options)];
    const [one, two] = [await sent(ann, bob, 'one'), await sent(ann, bob, 'two')];
    await signal(hold.stack, 'redis', 'SIGKILL');
    // A service that stands still meanwhile cannot know who asks, and says 503.
    const untilDone = (change) => waitUntil('the change', async () => { const { status, json } = await change(); return status === 200 && json; }, { within: 20000 });
    const uno = await untilDone(() => ann.edit(one, 'uno'));
    await tick(5);
    const gone = await untilDone(() => ann.remove(two));
    for (const socket of sockets) {
      await waitUntil('both changes', () => changes(socket).length >= 2, { within: 20000 });
      assert.deepEqual(changes(socket), [['messageUpdated', uno], ['messageDeleted', gone]]);
    }
  });
});

describe('a busy user', () => {
  test('owes no reply to what was deleted, and the model never reads it', async () => {
    const llm = await LlmServer.start();
    let letAnswer;
    const mayAnswer = new Promise((resolve) => { letAnswer = resolve; });
    llm.usual = async (request, response) => { await mayAnswer; say('Busy, later.')(request, response); };
    const stack = await Stack.start({ LLM_API_URL: `${llm.url}/v1`, LLM_API_TOKEN: 'a-token-of-tests', LLM_MODEL: 'a-model' });
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
      const secret = await sent(ann, bob, 'secret of before');
      await bob.setStatus('BUSY');
      await removed(ann, secret);
      const first = await sent(ann, bob, 'taken back at once');
      await waitUntil('the model to be asked', () => llm.requests.length > 0);
      await removed(ann, first);
      letAnswer();
      const second = await sent(ann, bob, 'stays');
      await waitUntil('the reply', async () => (await ann.history(bob)).json.some(({ autoReply }) => autoReply), { within: 15000 });
      await tick(2500);
      const replies = (await ann.history(bob)).json.filter(({ autoReply }) => autoReply);
      assert.deepEqual(replies.map(({ autoReply }) => autoReply.inReplyTo), [second._id]);
      assert.ok(!JSON.stringify(llm.requests.map(({ body }) => body)).includes('secret'));
      assert.ok(!JSON.stringify(llm.requests.at(-1).body).includes('taken back'));
      // In one's own name it can be deleted, and not edited.
      assertRefused(await bob.edit(replies[0], 'x'), 403, 'AUTO_REPLY');
      assertRefused(await ann.remove(replies[0]), 403, 'FORBIDDEN');
      const gone = await removed(bob, replies[0]);
      assert.deepEqual([gone.message, gone.autoReply], ['', replies[0].autoReply]);
      const log = await stack.logs({ tail: 1e7 });
      for (const text of ['secret of before', 'taken back at once']) assert.ok(!log.includes(text));
    } finally {
      await stack.stop();
      await llm.stop();
    }
  });
});

describe('limits', () => {
  test('an edit is too late after MESSAGE_EDIT_SECONDS; a deletion never is; both count as sends do', async () => {
    const seconds = Math.ceil(patience); // more than a message and its edits mostly take
    const stack = await Stack.start({ MESSAGE_EDIT_SECONDS: String(seconds), LIMIT_MESSAGES_PER_SECOND: '1', LIMIT_MESSAGES_BURST: '12', LIMIT_MESSAGE_BYTES_PER_DAY: '1000' });
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
      const one = await waitUntil('an edit in time, and one that is too long', async () => {
        const { json } = await ann.send(bob, 'one');
        const [short, long] = [await ann.edit(json, 'uno'), await ann.edit(json, 'x'.repeat(2000))];
        return short.status === 200 && long.status === 429 && long.json.code === 'QUOTA' && json;
      });
      await tick(1000 * seconds + 100);
      assertRefused(await ann.edit(one, 'un'), 403, 'TOO_LATE');
      await removed(ann, one);
      const limited = (await Promise.all(Array.from({ length: 60 }, () => ann.remove(one)))).find(({ status }) => status === 429); // one a second is given back
      assertRefused(limited, 429, 'TOO_MANY_REQUESTS');
      assert.ok(Number(limited.headers.get('retry-after')) >= 1);
    } finally {
      await stack.stop();
    }
  });

  test('whoever takes back many in a row, and waits when they are told to, gets through', async () => {
    const stack = await Stack.start({ LIMIT_MESSAGES_PER_SECOND: '20', LIMIT_MESSAGES_BURST: '30' });
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
      let waited = 0;
      const patiently = async (request) => {
        for (;;) {
          const done = await request();
          if (done.status !== 429) return done;
          const seconds = Number(done.headers.get('retry-after'));
          assert.ok(seconds >= 1 && seconds <= 2, `${seconds}`);
          waited++;
          await tick(1000 * seconds);
        }
      };
      const all = [];
      for (let i = 0; i < 100; i++) all.push((await patiently(() => ann.send(bob, `m${i}`))).json);
      for (const one of all) assert.equal((await patiently(() => ann.remove(one))).json.message, '');
      assert.ok((await bob.history(ann)).json.every((one) => one.deletedAt));
      assert.ok(waited < 60, `${waited} times`);
    } finally {
      await stack.stop();
    }
  });

  test('0 seconds: never', async () => {
    const stack = await Stack.start({ MESSAGE_EDIT_SECONDS: '0' });
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
      const one = await sent(ann, bob, 'one');
      assertRefused(await ann.edit(one, 'uno'), 403, 'TOO_LATE');
      assert.equal((await ann.get('/api/auth/settings')).json.messageEditSeconds, 0);
      await removed(ann, one);
    } finally {
      await stack.stop();
    }
  });
});

test('no file has the text soon after, nor after a restart', { skip: process.env.TEST_STORE === 'mongo' }, async () => {
  const [ann, bob] = await people('ann', 'bob');
  const secrets = Array.from({ length: 20 }, (_, i) => `secret-${i}-${'abc'.repeat(i * i * 10)}`);
  const messages = [];
  for (const text of secrets) messages.push(await sent(ann, bob, text));
  for (const [i, message] of messages.entries()) await (i % 2 ? edited(ann, message, `fine ${i}`) : removed(ann, message));
  const folder = path.join(hold.stack.dir, 'data');
  await waitUntil('the files to have none of it', async () => {
    const names = (await readdir(folder)).filter((name) => name.startsWith('parley.db'));
    const bytes = Buffer.concat(await Promise.all(names.map((name) => readFile(path.join(folder, name)))));
    return bytes.includes('fine 1') && !bytes.includes('secret-'); // what moves from one to the other may be in neither
  }, { within: 15000 });
});
