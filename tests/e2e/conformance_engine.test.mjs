// engine.io-protocol v4, at /engine.io/ of the conformance server, with nothing but fetch and ws.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { frame, handshake, opcode, useConformanceServer, Wire } from '../support/conformance.mjs';
import { engineClient, isRefused } from '../support/engine.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useConformanceServer({ before, after });
const { url, polling, get, poll, post, openPolling, openSocket, probe, waitingGet } = engineClient(hold);

describe('handshake', () => {
  const times = { pingInterval: 60000, pingTimeout: 60000 };

  test('over polling', async () => {
    const response = await get();
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type'), /^text\/plain; charset=UTF-8$/);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    const text = await response.text();
    assert.equal(text[0], '0');
    const { sid, ...rest } = JSON.parse(text.slice(1));
    assert.match(sid, /^[A-Za-z0-9_-]{22}$/);
    assert.deepEqual(rest, { upgrades: ['websocket'], ...times, maxPayload: 1000000 });
  });

  test('over WebSocket, which is offered no upgrade', async () => {
    const { socket, open } = await openSocket();
    assert.deepEqual({ ...open, sid: typeof open.sid },
      { sid: 'string', upgrades: [], ...times, maxPayload: 1000000 });
    socket.close();
  });

  test('gives each session its own sid', async () => {
    const sids = await Promise.all(Array.from({ length: 20 }, openPolling));
    assert.equal(new Set(sids).size, 20);
  });

  for (const [what, query, body] of [
    ['no EIO', 'transport=polling', { code: 5, message: 'Unsupported protocol version' }],
    ['another EIO', 'EIO=3&transport=polling', { code: 5, message: 'Unsupported protocol version' }],
    ['EIO twice', 'EIO=4&EIO=4&transport=polling'],
    ['no transport', 'EIO=4', { code: 0, message: 'Transport unknown' }],
    ['an unknown transport', 'EIO=4&transport=abc', { code: 0, message: 'Transport unknown' }],
    ['transport twice', 'EIO=4&transport=polling&transport=websocket'],
    ['an unknown sid', 'EIO=4&transport=polling&sid=abc', { code: 1, message: 'Session ID unknown' }],
    ['a very long sid', `EIO=4&transport=polling&sid=${'a'.repeat(1500)}`, { code: 1, message: 'Session ID unknown' }],
    ['WebSocket without an upgrade', 'EIO=4&transport=websocket', { code: 3, message: 'Bad request' }],
  ]) {
    test(`is refused for ${what}`, async () => isRefused(await fetch(url(query)), body));
  }

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    test(`is refused by ${method}`, async () => isRefused(await fetch(polling(), { method }), { code: 2, message: 'Bad handshake method' }));
  }

  for (const query of ['EIO=4&transport=websocket&sid=abc', 'EIO=3&transport=polling&sid=abc', 'transport=polling&sid=abc']) {
    test(`of an unknown session says so, whatever else is wrong: ?${query}`, async () =>
      isRefused(await fetch(url(query)), { code: 1, message: 'Session ID unknown' }));
  }

  test('lets a page of any origin ask for each method', async () => {
    const response = await fetch(polling(), {
      method: 'OPTIONS', headers: { origin: 'http://other.test', 'access-control-request-method': 'PUT' },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    assert.match(response.headers.get('access-control-allow-methods'), /\bPUT\b/);
  });

  for (const query of ['transport=websocket', 'EIO=3&transport=websocket', 'EIO=4', 'EIO=4&transport=websocket&sid=abc']) {
    test(`over WebSocket is refused for ?${query}`, async () => {
      const wire = await Wire.open(hold.server.address);
      wire.write(handshake(`/engine.io/?${query}`));
      assert.equal((await wire.head()).status, 400);
      wire.end();
    });
  }
});

describe('polling', () => {
  test('sends and receives one message', async () => {
    const sid = await openPolling();
    const response = await post(sid, '4hello');
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'ok');
    assert.equal(await poll(sid), '4hello');
  });

  test('sends and receives a payload of many, text and binary', async () => {
    const sid = await openPolling();
    await post(sid, '4one\x1e4€ 😀\x1ebAQIDBA==\x1e4');
    assert.equal(await poll(sid), '4one\x1e4€ 😀\x1ebAQIDBA==\x1e4');
  });

  test('a GET waits for what comes', async () => {
    const sid = await openPolling();
    const waiting = await waitingGet(sid);
    await post(sid, '4late');
    assert.equal(await waiting.text(), '4late');
  });

  test('256 packets are one payload, 257 end the session', async () => {
    const sid = await openPolling();
    const payload = (count) => Array.from({ length: count }, (_, i) => `4${i}`).join('\x1e');
    assert.equal((await post(sid, payload(256))).status, 200);
    assert.equal(await poll(sid), payload(256));
    assert.equal((await post(sid, payload(257))).status, 400);
    await isRefused(await get(sid));
  });

  test('a second GET is refused, and ends the session', async () => {
    const sid = await openPolling();
    const first = get(sid);
    const both = await Promise.all([first, get(sid)]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 400]);
    const answered = both.find(({ status }) => status === 200);
    assert.equal(await answered.text(), '1');
    await isRefused(await get(sid), { code: 1, message: 'Session ID unknown' });
  });

  for (const [what, body] of [['an empty body', ''], ['an unknown type', 'abc'], ['a type without a meaning', '8'],
    ['bad base64', 'b%%'], ['an empty packet between', '4a\x1e\x1e4b'], ['bad UTF-8', Buffer.from([0x34, 0xff])]]) {
    test(`${what} ends the session`, async () => {
      const sid = await openPolling();
      assert.equal((await post(sid, body, { 'content-type': 'text/plain' })).status, 400);
      await isRefused(await get(sid));
    });
  }

  test('a POST of octets is refused', async () => {
    const sid = await openPolling();
    assert.equal((await post(sid, '4x', { 'content-type': 'application/octet-stream' })).status, 400);
  });

  test('a POST beyond maxPayload is refused with 413, and the session stays', async () => {
    const sid = await openPolling();
    assert.equal((await post(sid, `4${'x'.repeat(1000000)}`)).status, 413);
    await post(sid, '4still here');
    assert.equal(await poll(sid), '4still here');
  });

  test('a POST of exactly maxPayload is taken', async () => {
    const sid = await openPolling();
    const packet = `4${'x'.repeat(999999)}`;
    assert.equal((await post(sid, packet)).status, 200);
    assert.equal(await poll(sid), packet);
  });

  test('a transport that is not the request\'s is refused, and the session stays', async () => {
    const sid = await openPolling();
    await isRefused(await fetch(url(`EIO=4&transport=websocket&sid=${sid}`)), { code: 3, message: 'Bad request' });
    await post(sid, '4x');
    assert.equal(await poll(sid), '4x');
  });

  test('another method on a session is refused', async () => {
    const sid = await openPolling();
    await isRefused(await fetch(polling(sid), { method: 'PUT', body: '4x' }));
    await post(sid, '4x');
    assert.equal(await poll(sid), '4x');
  });
});

describe('WebSocket', () => {
  test('sends and receives text', async () => {
    const { socket } = await openSocket();
    socket.send('4hello €');
    assert.equal(await socket.take(), '4hello €');
    socket.close();
  });

  test('sends and receives binary', async () => {
    const { socket } = await openSocket();
    socket.send(Buffer.from([1, 2, 3, 255]));
    assert.deepEqual(await socket.take(), Buffer.from([1, 2, 3, 255]));
    socket.close();
  });

  test('a message of maxPayload comes back', async () => {
    const { socket } = await openSocket();
    const packet = `4${'x'.repeat(999999)}`;
    socket.send(packet);
    assert.equal(await socket.take(), packet);
    socket.close();
  });

  for (const text of ['abc', '', '9', 'b%%']) {
    test(`closes for the packet ${JSON.stringify(text)}`, async () => {
      const { socket } = await openSocket();
      socket.send(text);
      await socket.end();
    });
  }

  test('closes for a ping, which is the server\'s to send', async () => {
    const { socket } = await openSocket();
    socket.send('2');
    await socket.end();
  });
});

describe('close', () => {
  test('by the client over polling: the waiting GET gets a noop', async () => {
    const sid = await openPolling();
    const waiting = await waitingGet(sid);
    assert.equal((await post(sid, '1')).status, 200);
    assert.equal(await waiting.text(), '6');
    await isRefused(await get(sid));
  });

  test('by the client over polling: no GET waits', async () => {
    const sid = await openPolling();
    assert.equal(await (await post(sid, '1')).text(), 'ok');
    await isRefused(await get(sid), { code: 1, message: 'Session ID unknown' });
  });

  test('by the client over polling: the POST overtakes its GET', async () => {
    // They come 20 ms after each other at most, or the GET was too late: one of many tries is not.
    let heard = '';
    for (let i = 0; i < 50 && heard !== '6'; i++) {
      const sid = await openPolling();
      const [first, second] = await Promise.all([Wire.open(hold.server.address), Wire.open(hold.server.address)]);
      const head = (method, length) => `${method} /engine.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;
      first.write(`${head('POST', 1)}1`);
      second.write(head('GET', 0));
      heard = (await second.answer()).body;
      assert.equal((await first.answer()).body, 'ok');
      await isRefused(await get(sid));
      first.end();
      second.end();
    }
    assert.equal(heard, '6');
  });

  test('by the client over polling: its connection breaks', async () => {
    const sid = await openPolling();
    const wire = await Wire.open(hold.server.address);
    wire.write(`POST /engine.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1`);
    await wire.isRead(); // or the kernel may tell of the end alone
    wire.end();
    await waitUntil('the session to go', async () => (await post(sid, '6')).status === 400);
  });

  test('by the client over WebSocket', async () => {
    const { socket } = await openSocket();
    socket.send('1');
    assert.equal(await socket.end(), 1000);
  });

  test('by the end of the WebSocket', async () => {
    const { socket, open } = await openSocket();
    socket.close();
    await socket.end();
    await waitUntil('the session to go', async () => {
      const answer = await get(open.sid);
      return (await answer.json()).code === 1;
    });
  });

  test('by a GET whose connection breaks', async () => {
    const sid = await openPolling();
    const waiting = await waitingGet(sid);
    await post(sid, '6');
    waiting.abort();
    await waitUntil('the session to go', async () => (await post(sid, '6')).status === 400);
  });
});

describe('upgrade', () => {
  test('from polling to WebSocket, with nothing lost', async () => {
    const sid = await openPolling();
    const waiting = await waitingGet(sid);
    const socket = await probe(sid);
    socket.send('2probe');
    assert.equal(await socket.take(), '3probe');
    assert.equal(await waiting.text(), '6', 'a noop ends the GET');
    await post(sid, '4by post');
    socket.send('5');
    assert.equal(await socket.take(), '4by post');
    socket.send('4by socket');
    assert.equal(await socket.take(), '4by socket');
    socket.close();
  });

  test('a GET during the probe gets a noop soon', async () => {
    const sid = await openPolling();
    const socket = await probe(sid);
    socket.send('2probe');
    assert.equal(await socket.take(), '3probe');
    assert.equal(await withDeadline('the noop', poll(sid), 10000), '6');
    socket.close();
  });

  test('a GET that waits when "5" comes gets a noop', async () => {
    const sid = await openPolling();
    const socket = await probe(sid);
    socket.send('2probe');
    await socket.take();
    const waiting = await waitingGet(sid);
    socket.send('5');
    assert.equal(await waiting.text(), '6');
    socket.close();
  });

  test('afterwards HTTP requests are refused', async () => {
    const sid = await openPolling();
    const socket = await probe(sid);
    socket.send('2probe');
    await socket.take();
    socket.send('5');
    socket.send('4x');
    assert.equal(await socket.take(), '4x');
    await isRefused(await get(sid), { code: 3, message: 'Bad request' });
    await isRefused(await post(sid, '4y'), { code: 3, message: 'Bad request' });
    socket.send('4z');
    assert.equal(await socket.take(), '4z', 'the session is none the worse');
    socket.close();
  });

  test('a second WebSocket is closed at once, the first goes on', async () => {
    const { socket, open } = await openSocket();
    const wire = await Wire.open(hold.server.address);
    wire.write(handshake(`/engine.io/?EIO=4&transport=websocket&sid=${open.sid}`));
    assert.equal((await wire.head()).status, 101);
    wire.write(frame(opcode.text, '4to nobody'));
    assert.equal(await wire.closeCode(), 1008);
    wire.end();
    socket.send('4x');
    assert.equal(await socket.take(), '4x');
    socket.close();
  });

  for (const wrong of ['3probe', '4hello', '2', '']) {
    test(`a probe that says ${JSON.stringify(wrong)} is closed, polling goes on`, async () => {
      const sid = await openPolling();
      const socket = await probe(sid);
      socket.send(wrong);
      await socket.end();
      await post(sid, '4still polling');
      assert.equal(await poll(sid), '4still polling');
    });
  }

  test('a probe that goes away leaves polling as it was', async () => {
    const sid = await openPolling();
    const socket = await probe(sid);
    socket.send('2probe');
    await socket.take();
    socket.close();
    await socket.end();
    await post(sid, '4x');
    await waitUntil('the message', async () => (await poll(sid)).includes('4x'));
  });
});

test('a broken frame ends the session', async () => {
  const sid = await openPolling();
  const wire = await Wire.open(hold.server.address);
  wire.write(handshake(`/engine.io/?EIO=4&transport=websocket&sid=${sid}`));
  assert.equal((await wire.head()).status, 101);
  wire.write(frame(opcode.text, '2probe'));
  assert.equal((await wire.frame()).data.toString(), '3probe');
  wire.write(frame(opcode.text, '5'));
  wire.write(frame(opcode.text, 'x', { mask: false }));
  assert.equal(await wire.closeCode(), 1002);
  await isRefused(await get(sid), { code: 1, message: 'Session ID unknown' });
});
