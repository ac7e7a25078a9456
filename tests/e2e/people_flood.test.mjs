// People at several presence processes: who is online, and one who asks without end.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { storeManyUsers } from '../support/database.mjs';
import { useStack } from '../support/stack.mjs';
import { awakeNow, patient, waitUntil } from '../support/wait.mjs';

// A query counts for 80 kB at least: ten a second, and twenty at once.
const perSecond = 10, atOnce = 20, processes = 2, seconds = 8;
const hold = useStack({ before, after, afterEach }, {
  TEST_STORE: 'sqlite', MONGO_DB_URI: '', LIMIT_READS_AT_ONCE: '4', LIMIT_READ_BYTES_PER_SECOND: String(perSecond * 80000), PRESENCE_PROCESSES: String(processes),
});

test('without end: what is over the share waits, and others do not', async (t) => {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
  storeManyUsers(hold.stack, 2000);
  await waitUntil('all to be found', async () => (await bob.get('/api/users?q=many-199&limit=100')).json.length === 11, { within: 30000 });
  const begin = Date.now(), isOn = (ms = 0) => Date.now() - begin + ms < seconds * 1000;
  let asked = 0, refused = 0;
  // The second word finds nobody, so that its cost is not in what is sent.
  const flood = Promise.all(Array.from({ length: 8 }, async () => {
    while (isOn()) {
      const { status } = await ann.get('/api/users?q=many%20nobodyatall');
      assert.ok(status === 200 || status === 429, status);
      if (status === 200) asked++; else refused++;
    }
  }));
  const delays = [];
  do {
    const at = awakeNow();
    assert.equal((await bob.get('/api/users?limit=50')).status, 200);
    delays.push(awakeNow() - at);
    await new Promise((resolve) => setTimeout(resolve, 100));
  } while (isOn(500));
  await flood;
  delays.sort((a, b) => a - b);
  t.diagnostic(`${asked} answered, ${refused} refused; another waited ${Math.round(delays[delays.length >> 1])} ms, at most ${Math.round(delays.at(-1))}`);
  const share = processes * (atOnce + perSecond * seconds);
  assert.ok(asked <= share * 1.2 + 8, `${asked} answered, her share is ${share}`);
  assert.ok(delays.at(-1) < patient(2000), `${delays.at(-1)} ms`);
});

test('a profile says online at every process, wherever the socket is', async () => {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
  const online = async () => (await Promise.all(Array.from({ length: 8 }, () => ann.get(`/api/users/profile/${bob.id}`)))).map(({ json }) => json.online);
  assert.ok(!(await online()).includes(true));
  const socket = await bob.connect({ transports: ['websocket'] });
  await waitUntil('all to say online', async () => !(await online()).includes(false));
  socket.disconnect();
  await waitUntil('all to say offline', async () => !(await online()).includes(true));
});
