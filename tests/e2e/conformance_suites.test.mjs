// The cases of the public suites for engine.io-protocol v4 and socket.io-protocol v5, asked as
// they ask: with the short times, one message awaited after the other, requests sent at once on
// connections of their own. Times and order are then partly the machine's, so a case has five
// tries; what must hold whatever the machine does stands in the other conformance tests.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { useConformanceServer } from '../support/conformance.mjs';
import { withDeadline } from '../support/wait.mjs';

const hold = useConformanceServer({ before, after }, {});
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const url = (path, query) => `${hold.url}${path}?${query}`;
const polling = (sid, path = '/engine.io/') => url(path, `EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`);
const post = (sid, body, path) => fetch(polling(sid, path), { method: 'post', body });

/** What is awaited; an error in its place ends the try. */
const waitFor = (socket, event) => withDeadline(`"${event}"`, new Promise((resolve, reject) => {
  socket.addEventListener(event, resolve, { once: true });
  socket.addEventListener('error', ({ error }) => reject(error), { once: true });
}), 3000);

const waitForPackets = (socket, count) => withDeadline(`${count} packets`, new Promise((resolve) => {
  const packets = [];
  socket.addEventListener('message', ({ data }) => {
    if (data === '2') return;
    packets.push(data);
    if (packets.length === count) resolve(packets);
  });
}), 3000);

const webSocket = (path, query) => {
  const socket = new WebSocket(url(path, query).replace('http', 'ws'));
  socket.binaryType = 'arraybuffer';
  socket.on('error', () => {}); // or one that nobody awaits would end the file
  return socket;
};

const it = (name, run) => test(name, async (t) => {
  for (let left = 4; ; left--) {
    try {
      await run();
      return;
    } catch (error) {
      if (left === 0) throw error;
      t.diagnostic(`once more after: ${error.message.split('\n')[0]}`);
    }
  }
});

const status = async (response, expected) => assert.equal((await response).status, expected);

const initLongPolling = async (path) => JSON.parse((await (await fetch(polling('', path))).text()).slice(1)).sid;

for (const path of ['/engine.io/', '/socket.io/']) {
  describe(`Engine.IO at ${path}`, () => {
    it('handshake over HTTP: opens a session, and fails with an invalid EIO, transport or method', async () => {
      const text = await (await fetch(polling('', path))).text();
      const { sid, ...rest } = JSON.parse(text.slice(1));
      assert.equal(text[0] + typeof sid, '0string');
      assert.deepEqual(rest, { upgrades: ['websocket'], pingInterval: 300, pingTimeout: 200, maxPayload: 1000000 });
      for (const query of ['transport=polling', 'EIO=abc&transport=polling', 'EIO=4', 'EIO=4&transport=abc']) await status(fetch(url(path, query)), 400);
      for (const method of ['post', 'put']) await status(fetch(polling('', path), { method }), 400);
    });

    it('handshake over WebSocket: likewise', async () => {
      const socket = webSocket(path, 'EIO=4&transport=websocket');
      const { data } = await waitFor(socket, 'message');
      assert.deepEqual(JSON.parse(data.slice(1)).upgrades, []);
      socket.close();
      for (const query of ['transport=websocket', 'EIO=abc&transport=websocket', 'EIO=4', 'EIO=4&transport=abc']) {
        await assert.rejects(waitFor(webSocket(path, query), 'close'), /Unexpected server response: 400/);
      }
    });

    it('heartbeat over HTTP: ping and pong', async () => {
      const sid = await initLongPolling(path);
      for (let i = 0; i < 3; i++) {
        assert.equal(await (await fetch(polling(sid, path))).text(), '2');
        await status(post(sid, '3', path), 200);
      }
    });

    it('heartbeat over HTTP: closes the session upon ping timeout', async () => {
      const sid = await initLongPolling(path);
      await sleep(500);
      await status(fetch(polling(sid, path)), 400);
    });

    it('heartbeat over WebSocket: ping and pong', async () => {
      const socket = webSocket(path, 'EIO=4&transport=websocket');
      await waitFor(socket, 'message');
      for (let i = 0; i < 3; i++) {
        assert.equal((await waitFor(socket, 'message')).data, '2');
        socket.send('3');
      }
      socket.close();
    });

    it('heartbeat over WebSocket: closes the session upon ping timeout', () => waitFor(webSocket(path, 'EIO=4&transport=websocket'), 'close'));

    it('close over HTTP: forcefully', async () => {
      const sid = await initLongPolling(path);
      const [answer] = await Promise.all([fetch(polling(sid, path)), post(sid, '1', path)]);
      assert.equal(answer.status, 200);
      assert.equal(await answer.text(), '6');
      await status(fetch(polling(sid, path)), 400);
    });

    it('close over WebSocket: forcefully', async () => {
      const socket = webSocket(path, 'EIO=4&transport=websocket');
      await waitFor(socket, 'message');
      socket.send('1');
      await waitFor(socket, 'close');
    });

    it('two polls at once close the session', async () => {
      const sid = await initLongPolling(path);
      const answers = await Promise.all([fetch(polling(sid, path)), sleep(5).then(() => fetch(`${polling(sid, path)}&t=burst`))]);
      assert.deepEqual(answers.map((answer) => answer.status), [200, 400]);
      assert.equal(await answers[0].text(), '1');
      await status(fetch(polling(sid, path)), 400);
    });

    const upgraded = async (sid) => {
      const socket = webSocket(path, `EIO=4&transport=websocket&sid=${sid}`);
      await waitFor(socket, 'open');
      socket.send('2probe');
      return socket;
    };

    it('upgrade: from HTTP to WebSocket', async () => {
      const socket = await upgraded(await initLongPolling(path));
      assert.equal((await waitFor(socket, 'message')).data, '3probe');
      socket.send('5');
      assert.equal((await waitFor(socket, 'message')).data, '2', 'the next ping');
      socket.close();
    });

    it('upgrade: ignores HTTP requests with the same sid afterwards', async () => {
      const sid = await initLongPolling(path);
      const socket = await upgraded(sid);
      socket.send('5');
      await status(fetch(polling(sid, path)), 400);
      assert.equal((await waitFor(socket, 'message')).data, '2');
      socket.close();
    });

    it('upgrade: ignores a WebSocket with the same sid afterwards', async () => {
      const sid = await initLongPolling(path);
      const socket = await upgraded(sid);
      socket.send('5');
      await waitFor(webSocket(path, `EIO=4&transport=websocket&sid=${sid}`), 'close'); // and no "error", which nobody hears
      assert.equal((await waitFor(socket, 'message')).data, '2');
      socket.close();
    });
  });
}

describe('Engine.IO messages', () => {
  for (const body of ['4hello', '4test1\x1e4test2\x1e4test3', '4hello\x1ebAQIDBA==']) {
    it(`over HTTP come back: ${JSON.stringify(body)}`, async () => {
      const sid = await initLongPolling();
      const answer = await post(sid, body);
      assert.equal(answer.status, 200);
      assert.equal(await answer.text(), 'ok');
      assert.equal(await (await fetch(polling(sid))).text(), body);
    });
  }

  it('over HTTP: an invalid payload closes the session', async () => {
    const sid = await initLongPolling();
    await status(post(sid, 'abc'), 400);
    await status(fetch(polling(sid)), 400);
  });

  it('over WebSocket come back, text and binary; an invalid packet closes', async () => {
    const socket = webSocket('/engine.io/', 'EIO=4&transport=websocket');
    await waitFor(socket, 'message');
    socket.send('4hello');
    assert.equal((await waitFor(socket, 'message')).data, '4hello');
    socket.send(Uint8Array.from([1, 2, 3, 4]));
    assert.deepEqual((await waitFor(socket, 'message')).data, Uint8Array.from([1, 2, 3, 4]).buffer);
    socket.send('abc');
    await waitFor(socket, 'close');
  });
});

describe('Socket.IO', () => {
  const open = async () => {
    const socket = webSocket('/socket.io/', 'EIO=4&transport=websocket');
    await waitFor(socket, 'message');
    return socket;
  };

  const connect = async (socket, packet = '40') => {
    socket.send(packet);
    const { data } = await waitFor(socket, 'message');
    const auth = await waitFor(socket, 'message');
    return [data, auth.data];
  };

  const connected = async () => {
    const socket = await open();
    await connect(socket);
    return socket;
  };

  for (const [packet, prefix, auth] of [
    ['40', '40', '42["auth",{}]'], ['40{"token":"123"}', '40', '42["auth",{"token":"123"}]'],
    ['40/custom,', '40/custom,', '42/custom,["auth",{}]'], ['40/custom,{"token":"abc"}', '40/custom,', '42/custom,["auth",{"token":"abc"}]'],
  ]) {
    it(`connects by ${packet}`, async () => {
      const socket = await open();
      const [answer, greeting] = await connect(socket, packet);
      assert.ok(answer.startsWith(prefix));
      assert.deepEqual(Object.keys(JSON.parse(answer.slice(prefix.length))), ['sid']);
      assert.equal(greeting, auth);
      socket.close();
    });
  }

  it('refuses an unknown namespace', async () => {
    const socket = await open();
    socket.send('40/random');
    assert.equal((await waitFor(socket, 'message')).data, '44/random,{"message":"Invalid namespace"}');
    socket.close();
  });

  it('closes upon an invalid handshake, and where none comes', async () => {
    const socket = await open();
    socket.send('4abc');
    await waitFor(socket, 'close');
    await waitFor(await open(), 'close');
  });

  it('disconnects from the main namespace', async () => {
    const socket = await connected();
    socket.send('41');
    assert.equal((await waitFor(socket, 'message')).data, '2');
    socket.close();
  });

  it('connects to a namespace and leaves it', async () => {
    const socket = await connected();
    await connect(socket, '40/custom');
    socket.send('41/custom');
    socket.send('42["message","message to main namespace"]');
    assert.equal((await waitFor(socket, 'message')).data, '42["message-back","message to main namespace"]');
    socket.close();
  });

  const two = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
  for (const [sent, expected] of [
    ['42["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'],
    [`452-["message",${two}]`, `452-["message-back",${two}]`],
    ['42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'],
    [`452-789["message-with-ack",${two}]`, `462-789[${two}]`],
  ]) {
    it(`answers ${sent}`, async () => {
      const socket = await connected();
      const parts = sent.startsWith('45') ? [Uint8Array.from([1, 2, 3]), Uint8Array.from([4, 5, 6])] : [];
      for (const packet of [sent, ...parts]) socket.send(packet);
      assert.deepEqual(await waitForPackets(socket, 1 + parts.length), [expected, ...parts.map(({ buffer }) => buffer)]);
      socket.close();
    });
  }

  for (const packets of [['4abc'], ['42{}'], ['42abc["message-with-ack",1]'], [`452-["message",${two}]`, '42["message"]'], [Uint8Array.from([1])]]) {
    it(`closes upon ${packets.join(' ')}`, async () => {
      const socket = await connected();
      for (const packet of packets) socket.send(packet);
      await waitFor(socket, 'close');
    });
  }
});
