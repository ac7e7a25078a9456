// The times of Engine.IO and Socket.IO: heartbeats, and how long what is half done may last.
// Each server here has short only what its tests wait for, so that a slow machine changes no
// result: a time has a floor and no ceiling.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { calm, Socket, useConformanceServer } from '../support/conformance.mjs';
import { engineClient, isRefused } from '../support/engine.mjs';
import { workerOf } from '../support/process.mjs';
import { waitUntil } from '../support/wait.mjs';

describe('as suites meet it', { concurrency: true }, () => {
  const hold = useConformanceServer({ before, after }, {});
  const { get, post, openPolling, openSocket } = engineClient(hold);

  test('the handshake tells of 300 and 200 ms', async () => {
    const { pingInterval, pingTimeout } = JSON.parse((await (await get()).text()).slice(1));
    assert.deepEqual([pingInterval, pingTimeout], [300, 200]);
  });

  test('a WebSocket without a pong is closed, not before 500 ms', async () => {
    const begin = Date.now();
    const { socket } = await openSocket();
    await socket.end();
    assert.ok(Date.now() - begin >= 490, `after ${Date.now() - begin} ms`);
  });

  test('a client that never polls is forgotten, not before 500 ms', async () => {
    const begin = Date.now();
    const sid = await openPolling();
    await waitUntil('the session to go', async () => (await post(sid, '6')).status === 400);
    assert.ok(Date.now() - begin >= 490, `after ${Date.now() - begin} ms`);
  });
});

describe('heartbeat', { concurrency: true }, () => {
  const hold = useConformanceServer({ before, after }, { ...calm, PING_INTERVAL_MS: '300', PING_TIMEOUT_MS: '9000' });
  const { get, poll, post, openPolling, openSocket } = engineClient(hold);

  test('over polling: a ping each interval, as long as pongs come', async () => {
    const begin = Date.now();
    const sid = await openPolling();
    for (let i = 0; i < 12; i++) {
      assert.equal(await poll(sid), '2');
      assert.equal((await post(sid, '3')).status, 200);
    }
    assert.ok(Date.now() - begin >= 12 * 290, `after ${Date.now() - begin} ms`);
  });

  test('over polling: closed without a pong', async () => {
    const sid = await openPolling();
    assert.equal(await poll(sid), '2');
    assert.equal(await poll(sid), '1');
    await isRefused(await get(sid));
  });

  test('over WebSocket: a ping each interval, as long as pongs come', async () => {
    const begin = Date.now();
    const { socket } = await openSocket();
    for (let i = 0; i < 12; i++) {
      assert.equal(await socket.take(), '2');
      socket.send('3');
    }
    assert.ok(Date.now() - begin >= 12 * 290, `after ${Date.now() - begin} ms`);
    socket.close();
  });
});

describe('a server that stands still', () => {
  const hold = useConformanceServer({ before, after }, { ...calm, PING_INTERVAL_MS: '300', PING_TIMEOUT_MS: '6000' });
  const { poll, post, openPolling } = engineClient(hold);

  test('reads the pong that came meanwhile by POST, before it looks at how late it is', { skip: process.env.CONFORMANCE_URL ? 'it is not ours' : false }, async () => {
    const worker = await workerOf(hold.server.process.pid);
    const sid = await openPolling();
    assert.equal(await poll(sid), '2');
    process.kill(worker, 'SIGSTOP');
    const begin = Date.now();
    const pong = post(sid, '3');
    await waitUntil('its time to be over', () => Date.now() - begin > 6700, { within: 10000 });
    process.kill(worker, 'SIGCONT');
    assert.equal((await pong).status, 200);
    assert.equal(await poll(sid), '2');
  });
});

describe('CONNECT', () => {
  const hold = useConformanceServer({ before, after }, { ...calm, CONNECT_TIMEOUT_MS: '1000' });
  const { openSocket } = engineClient(hold, '/socket.io/');

  // On a machine that stops for a second, a CONNECT may come too late: then another tries.
  const connect = async () => {
    for (;;) {
      const { socket } = await openSocket();
      socket.send('40');
      if (await Promise.race([socket.take(), socket.end()]) !== 1000) return socket;
    }
  };

  test('is waited for one second, and ends the waiting', async () => {
    const begin = Date.now();
    const connected = await connect();
    const { socket: silent } = await openSocket();
    await silent.end();
    assert.ok(Date.now() - begin >= 990, `after ${Date.now() - begin} ms`);
    assert.equal(await connected.take(), '42["auth",{}]');
    connected.send('42["message"]');
    assert.equal(await connected.take(), '42["message-back"]');
    connected.close();
  });

  test('is waited for anew once the last namespace was left', async () => {
    const socket = await connect();
    assert.equal(await socket.take(), '42["auth",{}]');
    const begin = Date.now();
    socket.send('41');
    await socket.end();
    assert.ok(Date.now() - begin >= 990, `after ${Date.now() - begin} ms`);
  });
});

describe('an upgrade', () => {
  const hold = useConformanceServer({ before, after }, { ...calm, UPGRADE_TIMEOUT_MS: '1000' });
  const { url, openPolling, poll, post } = engineClient(hold);

  for (const [what, ...packets] of [['silent'], ['of "2probe" alone', '2probe'], ['of many "2probe"', '2probe', '2probe', '2probe']]) {
    test(`probe that stays ${what} is closed, not before its time, and polling goes on`, async () => {
      const sid = await openPolling();
      const begin = Date.now();
      const socket = new Socket(url(`EIO=4&transport=websocket&sid=${sid}`));
      await socket.opened;
      for (const packet of packets) socket.send(packet);
      await socket.end();
      assert.ok(Date.now() - begin >= 990, `after ${Date.now() - begin} ms`);
      await post(sid, '4still polling');
      assert.equal(await poll(sid), '4still polling');
    });
  }
});
