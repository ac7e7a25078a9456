// Each kind of call that a service makes on its sockets fails in turn, with each error that it may have: what was
// answered with 201 is stored and arrives, once; the process lives, but where it has to end; no descriptor is kept.
import assert from 'node:assert/strict';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { workerOf } from '../support/process.mjs';
import { Stack, root } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const { ECONNRESET, EPIPE, EAGAIN, EINTR, ENOBUFS, EMFILE, ECONNABORTED, ENOMEM } = constants.errno;
const library = path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), 'calls.so');
// Of tests/fault/calls.c. 0: one byte only.
const calls = { send: 1, recv: 2, sendmsg: 3, accept: 4, epoll_ctl: 5 };
const cases = [
  ['send', [EPIPE, EAGAIN, EINTR, ENOBUFS, 0]],
  ['recv', [ECONNRESET, EAGAIN, EINTR, 0]],
  ['sendmsg', [EPIPE, EAGAIN]],
  ['accept', [EMFILE, ECONNABORTED, EAGAIN]],
  ['epoll_ctl', [ENOMEM]],
];
// A step makes about as many.
const turns = { send: 3, recv: 4, sendmsg: 2, accept: 1, epoll_ctl: 2 };

let stack, file, plan;
before(async () => {
  file = path.join(tmpdir(), `parley-fail-${process.pid}`);
  plan = openSync(file, 'w+');
  writeSync(plan, Buffer.alloc(20), 0, 20, 0);
  const preload = [process.env.SERVICE_PRELOAD, library].filter(Boolean).join(' ');
  stack = await Stack.start({ SERVICE_PRELOAD: preload, PARLEY_FAIL_FILE: file });
});
after(async () => {
  await stack?.stop();
  closeSync(plan);
  rmSync(file, { force: true });
});

const write = (...numbers) => writeSync(plan, Buffer.from(new Int32Array(numbers).buffer), 0, 20, 0);
const failNth = (pid, call, errno, n) => write(pid, calls[call], errno, n, 0);
/** Nothing fails any more; did the n-th call come? */
function endPlan(n) {
  const seen = Buffer.alloc(20);
  readSync(plan, seen, 0, 20, 0);
  write(0, 0, 0, 0, 0);
  return seen.readInt32LE(16) >= n;
}
const descriptors = async (pid) => (await readdir(`/proc/${pid}/fd`)).length;

let serial = 0;
/** Until it is stored: again, under one key, when the answer is none or an error. */
async function sendUntilStored(from, to) {
  const text = `message ${++serial}`;
  const answer = await waitUntil(`${text} to be stored`, async () => {
    const got = await from.send(to, text, { 'idempotency-key': `key-${serial}` }).catch(() => undefined);
    if (got !== undefined) assert.ok([201, 408, 429, 500, 502, 503, 504].includes(got.status), `${got.status} ${got.text}`);
    return got?.status === 201 && got;
  }, { within: 20000 });
  return answer.json;
}

/** Past the gateway, which keeps its connections. */
const knock = async (service) => {
  const at = new URL(await stack.addressOf(service.slice(0, -1)));
  const socket = connect(at.port, at.hostname);
  socket.on('error', () => undefined).resume().setTimeout(2000, () => socket.destroy());
  socket.write(`GET /health HTTP/1.1\r\nHost: ${at.host}\r\nConnection: close\r\n\r\n`);
  await new Promise((resolve) => socket.once('close', resolve));
};

for (const service of ['message1', 'presence1']) {
  for (const [call, errors] of cases) {
    test(`${service}: each ${call} that fails loses nothing`, async (t) => {
      const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
      const socket = await bob.connect({ transports: ['websocket'], reconnectionDelay: 50, reconnectionDelayMax: 200 });
      const pid = await workerOf(await stack.pidOf(service));
      const stored = [];
      const arrived = () => socket.all('newMessage').map((m) => m._id);
      let failed = 0, most = 0;
      try {
        for (const errno of errors) {
          for (let n = 1; n <= turns[call]; n++) {
            const at = await workerOf(await stack.pidOf(service));
            failNth(at, call, errno, n);
            stored.push(await sendUntilStored(ann, bob));
            await knock(service);
            socket.emit('typing', { to: ann.id });
            await waitUntil('it to arrive', () => arrived().includes(stored.at(-1)._id), { within: 20000 });
            if (endPlan(n)) failed++;
            most = Math.max(most, await descriptors(at).catch(() => 0));
          }
        }
        await waitUntil('all to arrive', () => stored.every(({ _id }) => arrived().includes(_id)), { within: 20000 });
        assert.equal(new Set(arrived()).size, arrived().length, 'none arrived twice');
        // The process may have ended by the last of them, and be starting.
        const history = await waitUntil('the history', async () => {
          const { status, json } = await bob.history(ann);
          return status === 200 && json.map((m) => m._id);
        }, { within: 20000 });
        assert.deepEqual(history, stored.map((m) => m._id), 'the history is what was stored, in its order');
        const now = await workerOf(await stack.pidOf(service));
        if (call !== 'epoll_ctl') {
          assert.equal(now, pid, 'the process lived');
          assert.ok(await descriptors(now) < most + 10, 'descriptors come back');
        }
        assert.ok(failed > 0 || (service === 'message1' && call === 'sendmsg'), 'calls failed');
        t.diagnostic(`${failed} calls failed`);
      } catch (error) {
        await stack.printLogs();
        throw error;
      } finally {
        write(0, 0, 0, 0, 0);
        for (const person of [ann, bob]) person.close();
      }
    });
  }
}
