// What our processes may ask of the kernel (shared/ops/sandbox): the list itself is a unit test; here is that
// every process is in it, and that one who had taken a process over would get nowhere.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { LlmServer, say } from '../support/llm_server.mjs';
import { workerOf } from '../support/process.mjs';
import { Stack, root } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

// Builds for sanitizers are in no sandbox.
const isSanitized = Boolean(process.env.SERVICE_PRELOAD);
const library = path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), 'calls.so');
const field = async (pid, name) => (await readFile(`/proc/${pid}/status`, 'utf8')).match(new RegExp(`^${name}:\\s*(\\S+)$`, 'm'))?.[1];

async function onStack(env, work) {
  const llm = await LlmServer.start();
  const stack = await Stack.start({ LLM_API_URL: `${llm.url}/v1`, LLM_API_TOKEN: 'a-token', LLM_MODEL: 'a-model', ...env });
  try { await work(stack, llm); } finally { await stack.stop(); await llm.stop(); }
}

describe('the sandbox', { skip: isSanitized && 'none in a build for sanitizers' }, () => {
  test('holds every thread of every process, and none may gain a right', async () => {
    await onStack({}, async (stack) => {
      const pids = [await stack.pidOf('follower'), await stack.pidOf('responder1')];
      for (const name of ['auth1', 'message1', 'presence1']) pids.push(await workerOf(await stack.pidOf(name)));
      for (const pid of pids) {
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
        assert.equal(await field(pid, 'Seccomp'), '2', command);
        assert.equal(await field(pid, 'NoNewPrivs'), '1', command);
        for (const thread of await readdir(`/proc/${pid}/task`)) {
          assert.equal(await field(`${pid}/task/${thread}`, 'Seccomp'), '2', `thread ${thread} of ${command}`);
        }
      }
    });
  });

  for (const [kind, victim] of [['a kore worker', 'message1'], ['llm-responder', 'responder1']]) {
    test(`${kind} that runs a program dies of it, and is started again`, async () => {
      const mark = path.join(tmpdir(), `parley-ran-${process.pid}-${victim}`);
      rmSync(mark, { force: true });
      const preload = victim === 'message1' ? { SERVICE_PRELOAD: library } : { LD_PRELOAD: library };
      await onStack({ ...preload, PARLEY_FAULT_FILE: mark }, async (stack, llm) => {
        const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
        const now = async () => (victim === 'message1' ? workerOf(await stack.pidOf(victim)) : stack.pidOf(victim));
        const before = await now();
        await bob.setStatus('BUSY');
        llm.script(say(victim === 'message1' ? 'no' : 'run a program'));
        await ann.send(bob, victim === 'message1' ? 'run a program' : 'hello');
        await waitUntil('the program to be asked for', () => existsSync(mark), { within: 10000 });
        await waitUntil('another process', async () => await now() !== before, { within: 10000 });
        assert.ok(!(await stack.processes()).some(({ command }) => command === 'sleep 60'), 'no program was run');
        const again = await waitUntil('a send', async () => {
          const answer = await ann.send(bob, 'and now?');
          return answer.status === 201 && answer;
        }, { within: 10000 });
        assert.equal(again.json.message, 'and now?');
      }).finally(() => rmSync(mark, { force: true }));
    });
  }
});
