// What goes wrong around a service, and in the middle of it: a full disk, a crash at the worst moment, a clock that jumps.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Person } from '../support/api.mjs';
import { repliesOwed } from '../support/database.mjs';
import { LlmServer, say } from '../support/llm_server.mjs';
import { workerOf } from '../support/process.mjs';
import { Stack, root } from '../support/stack.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

/** A test on a stack of its own, whose logs are shown if it fails. */
async function onStack(settings, options, body) {
  const stack = await Stack.start(settings, options);
  try {
    await body(stack);
  } catch (error) {
    await stack.printLogs();
    throw error;
  } finally {
    await stack.stop();
  }
}

/** What tests/fault makes, to be put under a service. */
const library = (name) => path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), `${name}.so`);

// DATA_DIR is a disk of 1 MB that only the stack's processes see; what is in its run/ lies outside, for all to see.
const tmpfs = (command) => ['unshare', '--mount', 'sh', '-ec', `
  mkdir -p "$DATA_DIR/run" "$DATA_DIR.run"
  mount --bind "$DATA_DIR/run" "$DATA_DIR.run"
  mount -t tmpfs -o size=1m none "$DATA_DIR"
  mkdir "$DATA_DIR/run"
  mount --bind "$DATA_DIR.run" "$DATA_DIR/run"
  ${command}`, 'sh'];
const mayMount = () => spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

test('a full disk: 507 or 503, nothing is lost, and with room again it goes on', async (t) => {
  if (!mayMount()) return t.skip('mounting a disk of its own takes more rights; tests/contract has the store\'s part');
  return onStack({ MONGO_DB_URI: '', DISK_FREE_BYTES_MIN: '0' }, { by: tmpfs('exec "$@"') }, async (stack) => {
    const inside = (...command) => execFileSync('nsenter', ['--mount', '-t', String(stack.process.pid), ...command], { encoding: 'utf8' });
    const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
    const worker = await workerOf(await stack.pidOf('message1'));
    const stored = [];
    const refused = [];
    while (refused.length < 5) {
      const answer = await ann.send(bob, `${stored.length} ${'x'.repeat(30000)}`);
      if (answer.status === 201) stored.push(answer.json);
      else refused.push(answer.status);
      assert.ok(stored.length < 100, 'the disk never becomes full');
    }
    assert.ok(refused.every((status) => [503, 507].includes(status)), refused.join());
    assert.ok(refused.includes(507), refused.join());
    assert.ok(stored.length > 0);
    assert.deepEqual((await bob.history(ann)).json, stored);

    inside('mount', '-o', 'remount,size=8m', path.join(stack.dir, 'data'));
    const again = await ann.send(bob, 'room');
    assert.equal(again.status, 201, again.text);
    assert.deepEqual((await bob.history(ann)).json, [...stored, again.json]);
    assert.equal(inside('sqlite3', path.join(stack.dir, 'data/parley.db'), 'PRAGMA integrity_check').trim(), 'ok');
    assert.equal(await workerOf(await stack.pidOf('message1')), worker, 'the service was never restarted');
  });
});

test('a start on a full disk says so in one line, and blames no setting', async (t) => {
  if (!mayMount()) return t.skip('mounting a disk of its own takes more rights');
  const stack = await Stack.spawn({ MONGO_DB_URI: '' }, { by: ['unshare', '--mount', 'sh', '-ec', 'mkdir -p "$DATA_DIR"; mount -t tmpfs -o size=300k none "$DATA_DIR"; exec "$@"', 'sh'] });
  t.after(() => stack.stop());
  const { code } = await withDeadline('the end', stack.ended, 20000);
  const lines = stack.output.trim().split('\n').filter((line) => !/^parley: made /.test(line));
  assert.equal(code, 1, stack.output);
  assert.equal(lines.length, 1, stack.output);
  assert.match(lines[0], /^parley: gateway: .*No space left on device$/);
});

test('a crash between commit and publish: the receiver gets the message all the same, once', async () => {
  const preload = [process.env.SERVICE_PRELOAD, library('calls')].filter(Boolean).join(' ');
  const mark = path.join(tmpdir(), `parley-crashed-${process.pid}`);
  rmSync(mark, { force: true });
  await onStack({ SERVICE_PRELOAD: preload, PARLEY_FAULT_FILE: mark }, {}, async (stack) => {
    const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
    const socket = await bob.connect();
    const headers = { 'idempotency-key': 'the-crash' };
    const text = 'crash after commit';
    const worker = await workerOf(await stack.pidOf('message1'));
    const answer = await ann.send(bob, text, headers);
    assert.notEqual(answer.status, 201);
    assert.ok(existsSync(mark), 'it crashed where it should');
    // R2 says 3 s, of a machine that has time.
    await waitUntil('the message', () => socket.all('newMessage').length > 0, { within: 10000 });
    const again = await waitUntil('the service', async () => {
      const retried = await ann.send(bob, text, headers);
      return retried.status === 201 && retried;
    }, { within: 10000 });
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.deepEqual((await bob.history(ann)).json, [again.json]);
    await ann.send(bob, 'the next');
    await waitUntil('the next', () => socket.all('newMessage').some(({ message }) => message === 'the next'));
    assert.deepEqual(socket.all('newMessage').map(({ message }) => message), [text, 'the next']);
    assert.notEqual(await workerOf(await stack.pidOf('message1')), worker);
    bob.close();
  }).finally(() => rmSync(mark, { force: true }));
});

const hour = 3600;
for (const [service, name, jump] of [['llm-responder', 'r1', hour], ['llm-responder', 'r1', -hour], ['message', 'm1', hour]]) {
  test(`the clock of ${service} jumps by ${jump / hour} h and back: each message gets one automatic reply`, async (t) => {
    if (process.env.SERVICE_PRELOAD) return t.skip('a sanitizer lets no other library come first');
    const dir = mkdtempSync(path.join(tmpdir(), 'parley-clock-'));
    const clock = path.join(dir, 'jump');
    const set = (seconds) => writeFileSync(clock, Buffer.from(BigInt64Array.of(BigInt(seconds)).buffer));
    const llm = await LlmServer.start();
    set(0);
    const settings = {
      LD_PRELOAD: library('clock_jump'), SERVICE_PRELOAD: library('clock_jump'), PARLEY_CLOCK_OF: name, PARLEY_CLOCK_FILE: clock,
      LLM_API_URL: `${llm.url}/v1`, LLM_API_TOKEN: 'a-token', LLM_MODEL: 'a-model', LIMIT_LLM_SENDER: '0', LIMIT_LLM_USER: '0',
    };
    await onStack(settings, {}, async (stack) => {
      const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
      await bob.setStatus('BUSY');
      const sent = [];
      const send = async (text) => {
        const answer = await ann.send(bob, text);
        assert.equal(answer.status, 201, answer.text);
        sent.push(answer.json._id);
      };
      const replied = async () => (await ann.history(bob)).json.flatMap((m) => (m.autoReply ? [m.autoReply.inReplyTo] : []));
      const allReplied = () => waitUntil('the replies', async () => {
        const known = new Set(await replied());
        return sent.every((id) => known.has(id));
      }, { within: 15000 });

      // In the middle of one, the model thinks until the clock has jumped.
      let think;
      llm.script((...exchange) => { think = () => say('thought about')(...exchange); });
      await send('before the jump');
      await waitUntil('the model to be asked', () => think);
      set(jump);
      think();
      for (const text of ['behind it', 'and another']) await send(text);
      await allReplied();
      if (jump > 0) { // if it jumped back, the order of the messages hides it
        const last = (await ann.history(bob)).json.at(-1);
        assert.ok(Date.parse(last.createdAt) > Date.now() + jump * 500, 'the service has the wrong time');
      }
      set(0);
      await send('and back');
      await allReplied();
      await waitUntil('no reply to be due', async () => await repliesOwed(stack) === 0, { within: 15000 });
      assert.deepEqual((await replied()).sort(), sent.sort());
    }).finally(async () => {
      await llm.stop();
      rmSync(dir, { recursive: true });
    });
  });
}
