// How processes end: at once when they have closed what they have, whatever a library would still do; and a worker that
// is ended alone is replaced.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { workerOf } from '../support/process.mjs';
import { Stack, root, useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const library = path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), 'hang_at_exit.so');
const preload = [process.env.SERVICE_PRELOAD, library].filter(Boolean).join(':');
const serving = ['auth1', 'message1', 'presence1', 'responder1'];

test('a library whose clean-up never ends holds up no process', async () => {
  const stack = await Stack.start({ SERVICE_PRELOAD: preload });
  try {
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
    await ann.connect();
    assert.equal((await ann.send(bob, 'hello')).status, 201);
    ann.close();
  } finally {
    await stack.stop({ keep: true });
  }
  const logs = await stack.logs();
  await stack.stop();
  assert.deepEqual(stack.exit, { code: 0, signal: null });
  for (const name of serving) assert.ok(!logs.includes(`${name} does not end`), logs);
  for (const name of serving) assert.match(logs, new RegExp(`--- ${name}\\.log[^]*?"msg":"(worker|llm-responder) ended"`), name);
});

describe('a worker that is ended alone', () => {
  const hold = useStack({ before, after, afterEach }, { DRAIN_SECONDS: '0' });

  for (const service of ['auth', 'message', 'presence']) {
    test(`${service}: another takes its place`, async () => {
      const name = `${service}1`;
      const [parent, worker] = [await hold.stack.pidOf(name), await workerOf(await hold.stack.pidOf(name))];
      process.kill(worker, 'SIGTERM');
      await waitUntil('another worker', async () => (await workerOf(parent)) !== worker, { within: 20000 });
      assert.equal(await hold.stack.pidOf(name), parent);
      await waitUntil('it to answer', async () =>
        (await fetch(`${await hold.stack.addressOf(service)}/readyz`).catch(() => ({}))).status === 200, { within: 20000 });
    });
  }
});
