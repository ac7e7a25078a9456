// Long answers, and one who asks for too many of them: nobody else may notice.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { storeManyUsers } from '../support/database.mjs';
import { residentBytes, workerOf } from '../support/process.mjs';
import { useStack } from '../support/stack.mjs';
import { awakeNow, patient, waitUntil } from '../support/wait.mjs';

const MiB = 1024 * 1024;
const many = 20000; // about 5 MB as a list
const hold = useStack({ before, after, afterEach }, {
  TEST_STORE: 'sqlite', MONGO_DB_URI: '', LIMIT_READS_AT_ONCE: '4', LIMIT_READ_BYTES_PER_SECOND: '8000000',
});

let ann, bob;

test('the list of everybody is whole, in order, without its reader, and in pieces', async () => {
  [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
  storeManyUsers(hold.stack, many);
  const answer = await ann.get('/api/users');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.equal(answer.headers.get('content-length'), null, 'it is streamed');
  assert.equal(answer.json.length, many + 1);
  const ids = answer.json.map(({ _id }) => _id);
  assert.equal(new Set(ids).size, many + 1);
  assert.ok(ids.includes(bob.id) && !ids.includes(ann.id));
  assert.deepEqual(ids, [...ids].sort());
});

test('HEAD says so without a body, and the connection goes on', async () => {
  const response = await fetch(`${hold.stack.url}/api/users`, { method: 'HEAD', headers: { cookie: ann.cookie } });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), '');
  assert.equal((await ann.get('/api/auth/me')).status, 200);
});

test('a hundred lists at once: 200 and whole, or 429 in time; memory is flat, and others do not wait', async (t) => {
  const worker = await workerOf(await hold.stack.pidOf('presence1'));
  const begin = await residentBytes(worker);
  let most = begin, isDone = false;
  const watched = (async () => {
    while (!isDone) { most = Math.max(most, await residentBytes(worker)); await new Promise((resolve) => setTimeout(resolve, 20)); }
  })();
  const asked = Date.now();
  const lists = Promise.all(Array.from({ length: 100 }, async () => {
    const answer = await ann.get('/api/users');
    return { status: answer.status, count: answer.json?.length, code: answer.json?.code, retry: answer.headers.get('retry-after'), at: Date.now() - asked };
  }));
  const delays = [];
  for (let i = 0; i < 40; i++) {
    const at = awakeNow(); // which the lists that this process reads meanwhile hardly lengthen
    assert.equal((await bob.setStatus(i % 2 ? 'BUSY' : 'AVAILABLE')).status, 200);
    delays.push(awakeNow() - at);
  }
  const answers = await lists;
  isDone = true;
  await watched;
  const [whole, refused] = [answers.filter(({ status }) => status === 200), answers.filter(({ status }) => status === 429)];
  delays.sort((a, b) => a - b);
  t.diagnostic(`${whole.length} whole, ${refused.length} refused; ${((most - begin) / MiB).toFixed(1)} MiB more; another's request took ${Math.round(delays[20])} ms, at most ${Math.round(delays.at(-1))}`);
  assert.equal(whole.length + refused.length, 100, JSON.stringify(answers.filter(({ status }) => ![200, 429].includes(status))));
  for (const { count } of whole) assert.equal(count, many + 1);
  for (const { code, retry } of refused) assert.deepEqual([code, retry], ['TOO_MANY_REQUESTS', '1']);
  assert.ok(whole.length >= 4 && refused.length >= 32 - 4);
  assert.ok(most - begin < 32 * MiB, `${most - begin} bytes more`);
  assert.ok(delays.at(-1) < patient(2000), `another's request took ${delays.at(-1)} ms`);
  await waitUntil('her share to be free again', async () => (await ann.get('/api/users')).status === 200, { within: 10000 });
});
