// A user whose every request reaches the sockets of others: they hear a few a second.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { awakeNow, patient, waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { LIMIT_STATUS_PER_SECOND: '1', LIMIT_MARKS_PER_SECOND: '20' });
const pair = () => Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));

test('a status that changes 140 times at once is changed ten times, the others are 429; the next second it may again', async () => {
  const [ann, bob] = await pair();
  const his = await bob.connect();
  const begun = Date.now();
  const answers = await Promise.all(Array.from({ length: 140 }, (_, i) => ann.setStatus(i % 2 ? 'BUSY' : 'AVAILABLE')));
  const most = 10 + Math.ceil((Date.now() - begun) / 1000);
  const done = answers.filter(({ status }) => status === 200).length;
  assert.ok(done >= 10 && done <= most, `${done} of 140`);
  for (const { status, json, headers } of answers.filter((answer) => answer.status !== 200)) {
    assert.deepEqual([status, json.code], [429, 'TOO_MANY_REQUESTS']);
    assert.ok(Number(headers.get('retry-after')) >= 1);
  }
  assert.equal((await bob.setStatus('BUSY')).status, 200, 'another user does not notice');
  const refused = await ann.post(`/api/users/status/${ann.id}`, { status: 'AWAY' });
  assert.equal(refused.status, 400, 'what is refused costs nothing');
  await waitUntil('the next one', async () => (await ann.setStatus('AVAILABLE')).status === 200);
  assert.ok(his.all('statusChanged').filter(({ userId }) => userId === ann.id).length <= done + 1);
  bob.close();
});

test('typing that begins and ends 5,000 times is heard a few times, and ends', async () => {
  const [ann, bob] = await pair();
  const [hers, his] = [await ann.connect(), await bob.connect()];
  const begun = Date.now();
  // Of typing that ends before the store has said that it may begin, nobody hears: after a standstill of presence, of none of these.
  hers.emit('typing', { to: bob.id, isTyping: true });
  await waitUntil('the beginning', () => his.all('typing').length > 0);
  for (let i = 0; i < 5000; i++) hers.emit('typing', { to: bob.id, isTyping: i % 2 === 0 });
  hers.emit('typing', { to: bob.id, isTyping: false });
  await ann.send(bob, 'there');
  await waitUntil('the message', () => his.all('newMessage').length > 0, { within: 15000 });
  await waitUntil('the end', () => his.all('typing').at(-1).isTyping === false, { within: 10000 });
  const told = his.all('typing');
  const most = 2 * (10 + 2 * Math.ceil((Date.now() - begun) / 1000));
  assert.ok(told.length <= most, `${told.length}, at most ${most}`);
  for (const person of [ann, bob]) person.close();
});

test('1,500 read marks at once are 300 and some, the others are 429; another user does not notice', async () => {
  const [ann, bob] = await pair();
  const message = (await bob.send(ann, 'hello')).json;
  const his = await bob.connect();
  const mark = () => ann.post(`/api/messages/read/${bob.id}`, { upTo: message._id });
  const begun = Date.now();
  const answers = [];
  for (let i = 0; i < 30; i++) answers.push(...await Promise.all(Array.from({ length: 50 }, mark)));
  const most = 300 + 20 * Math.ceil((Date.now() - begun) / 1000);
  const done = answers.filter(({ status }) => status === 200).length;
  assert.ok(done >= 300 && done <= most, `${done}, at most ${most}`);
  for (const { status, json, headers } of answers.filter((answer) => answer.status !== 200)) {
    assert.deepEqual([status, json.code], [429, 'TOO_MANY_REQUESTS']);
    assert.ok(Number(headers.get('retry-after')) >= 1);
  }
  assert.equal((await bob.post(`/api/messages/read/${ann.id}`, { upTo: message._id })).status, 200);
  await waitUntil('the next one', async () => (await mark()).status === 200);
  await waitUntil('the event', () => his.all('messagesRead').length > 0);
  assert.equal(his.all('messagesRead').length, 1, 'it moved once');
  bob.close();
});

test('delivered of 3,000 who never wrote is taken 300 times and some, and forgotten; of one it is written once a second', async () => {
  const [ann, bob] = await pair();
  const [hers, his] = [await ann.connect({ transports: ['websocket'] }), await bob.connect()];
  const message = (await bob.send(ann, 'hello')).json;
  const waiting = async () => Number((await (await fetch(`${await hold.stack.addressOf('presence')}/metrics`)).text()).match(/^parley_delivered_waiting (\d+)$/m)[1]);
  const say = (from) => new Promise((resolve) => { hers.emit('delivered', { from, upTo: message._id }, resolve); });
  const begun = Date.now();
  const answers = await Promise.all(Array.from({ length: 3000 }, (_, i) => say(`${'c'.repeat(20)}${i.toString(16).padStart(4, '0')}`)));
  const most = 300 + 20 * Math.ceil((Date.now() - begun) / 1000);
  const taken = answers.filter((answer) => answer.code === 'BAD_MESSAGE').length;
  assert.ok(taken >= 300 && taken <= most, `${taken}, at most ${most}`);
  assert.ok(answers.every(({ code }) => code === 'BAD_MESSAGE' || code === 'TOO_MANY_REQUESTS'));
  assert.ok(await waiting() <= most);
  await waitUntil('all to be forgotten', async () => await waiting() === 0, { within: 10000 });
  for (let i = 0; i < 3000; i++) hers.emit('delivered', { from: bob.id, upTo: message._id });
  await waitUntil('the event', () => his.all('messagesDelivered').length > 0, { within: 10000 });
  await waitUntil('the end', async () => await waiting() === 0, { within: 10000 });
  assert.equal(his.all('messagesDelivered').length, 1);
  for (const person of [ann, bob]) person.close();
});

test('who asks for conversations without end pays for the time that it takes, and another user does not wait', async () => {
  const stack = await Stack.start({ LIMIT_READ_CPU_MS: '1', LIMIT_READS_AT_ONCE: '4' });
  try {
    const [ann, bob, ...others] = await Promise.all(['ann', 'bob', ...Array(20).fill('other')].map((name) => Person.signUp(stack.url, name)));
    for (const other of others) await other.send(ann, 'x'.repeat(4000));
    const asked = Date.now();
    let isOver = false, count = 0;
    const flood = Promise.all(Array.from({ length: 8 }, async () => {
      while (!isOver) if ((await ann.get('/api/conversations?limit=100')).status === 200) count++;
    }));
    const waits = [];
    while (waits.length < 30) {
      const at = awakeNow();
      assert.equal((await bob.get('/api/conversations')).status, 200);
      waits.push(awakeNow() - at);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
    isOver = true;
    await flood;
    const seconds = (Date.now() - asked) / 1000;
    assert.ok(count > 0 && count < 50 * seconds, `${count} in ${seconds} s`);
    assert.ok(waits.sort((a, b) => a - b)[Math.floor(waits.length / 2)] < patient(250), String(waits));
  } finally { await stack.stop(); }
});

for (const [what, settings, expected] of [
  ['beyond the quota of a day', { LIMIT_MESSAGE_BYTES_PER_DAY: '100000' }, [429, 'QUOTA']],
  ['without room on the disk', { DISK_FREE_BYTES_MIN: '1000000000000', MONGO_DB_URI: '', TEST_STORE: 'sqlite' }, [507, 'STORAGE_FULL']],
]) {
  test(`a message ${what} is ${expected.join(' ')}, is not stored, and all else goes on`, async () => {
    const stack = await Stack.start(settings);
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
      const sent = [];
      let answer;
      for (let i = 0; i < 5; i++) {
        answer = await ann.send(bob, 'x'.repeat(30000));
        if (answer.status !== 201) break;
        sent.push(answer.json);
      }
      assert.deepEqual([answer.status, answer.json.code], expected);
      assert.equal(sent.length, expected[0] === 429 ? 3 : 0);
      assert.deepEqual((await bob.history(ann)).json, sent);
      if (expected[0] === 429) {
        assert.ok(Number(answer.headers.get('retry-after')) >= 1);
        assert.equal((await ann.send(bob, 'a short one fits')).status, 201);
        assert.equal((await bob.send(ann, 'x'.repeat(30000))).status, 201, 'another user has a quota of their own');
      }
    } finally { await stack.stop(); }
  });
}
