// What goes wrong around a service, and in the middle of it: a full disk, a crash at the worst moment.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Person } from '../support/api.mjs';
import { workerOf } from '../support/process.mjs';
import { Stack, root } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

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
  return onStack({}, { by: tmpfs('exec "$@"') }, async (stack) => {
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

test('a crash between commit and publish: the receiver gets the message all the same, once', async () => {
  const preload = [process.env.SERVICE_PRELOAD, path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), 'after_commit.so')].filter(Boolean).join(' ');
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
