// What somebody who has not been let in can do to presence: little, and to nobody else.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { frame, handshake, opcode, Socket, Wire } from '../support/conformance.mjs';
import { residentBytes, workerOf } from '../support/process.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const MiB = 1024 * 1024;
const strangerMax = 16384;
const hasSs = spawnSync('ss', ['-V']).status === 0;
const hold = useStack({ before, after, afterEach }, { LIMIT_HANDSHAKES_PER_SECOND: '0' });
const socketIo = '/socket.io/?EIO=4&transport=websocket';
const polling = (sid) => `/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`;
const text = { 'content-type': 'text/plain' };
const worker = async () => workerOf(await hold.stack.pidOf('presence1'));

/** A WebSocket that named nobody, after Engine.IO's open packet. */
const openWire = async (path = socketIo) => {
  const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
  wire.write(handshake(path, { Host: `localhost:${hold.stack.port}` }));
  assert.equal((await wire.head()).status, 101);
  return wire;
};

const openWires = async (count) => {
  const wires = [];
  while (wires.length < count) {
    wires.push(...await Promise.all(Array.from({ length: Math.min(60, count - wires.length) }, () => openWire())));
  }
  return wires;
};

/** The most that `pid` takes above `begin`, in bytes, until `done` is true. */
const mostUntil = async (pid, begin, what, done, within = 20000) => {
  let most = 0;
  await waitUntil(what, async () => {
    most = Math.max(most, await residentBytes(pid) - begin);
    return done();
  }, { within });
  return most;
};

/** The beginning of a text frame that announces `length` bytes. */
const beginning = (length, sent) => frame(opcode.text, 'x'.repeat(length)).subarray(0, sent);

const isLetIn = async (person) => {
  const socket = new Socket(`${hold.stack.url}${socketIo}`, { headers: { cookie: person.cookie } });
  assert.match(await socket.take(), /^0\{/);
  socket.send('40');
  assert.match(await socket.take(), /^40\{/);
  return socket;
};

describe('960 WebSockets of nobody', () => {
  test('that send the first 980 kB of a frame are closed at its head: less than 20 MiB', async (t) => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const witness = await isLetIn(ann);
    const wires = await openWires(960);
    const pid = await worker();
    const begin = await residentBytes(pid);
    const part = beginning(990000, 980000);
    for (const wire of wires) wire.write(part);
    const most = await mostUntil(pid, begin, 'all to be closed', () => wires.every(({ isEnded }) => isEnded));
    t.diagnostic(`${(most / MiB).toFixed(1)} MiB more at most`);
    assert.ok(most <= 20 * MiB, `${most} bytes more`);
    assert.ok(!witness.isClosed);
    witness.close();
    ann.close();
  });

  test('that send a part of one that is short enough are 50 at once: less than 20 MiB', async (t) => {
    const wires = await openWires(960);
    const pid = await worker();
    const begin = await residentBytes(pid);
    const part = beginning(strangerMax, strangerMax - 300);
    const sent = Date.now();
    for (const wire of wires) wire.write(part);
    const open = () => wires.filter(({ isEnded }) => !isEnded).length;
    const most = await mostUntil(pid, begin, 'no more than 50 to be open', () => open() <= 50, 4000);
    t.diagnostic(`${(most / MiB).toFixed(1)} MiB more at most; ${open()} open after ${Date.now() - sent} ms`);
    assert.ok(most <= 20 * MiB, `${most} bytes more`);
    assert.equal(open(), 50);
    for (const wire of wires) wire.end();
  });
});

describe('who has not been let in', () => {
  const connect = (length) => `40{"a":"${'x'.repeat(length - 10)}"}`;
  /** What a stranger's WebSocket gets for these frames. */
  const codeFor = async (...frames) => {
    const wire = await openWire();
    await wire.frame();
    for (const bytes of frames) wire.write(bytes);
    return wire.closeCode();
  };

  test('has 16 KiB for a frame, and for all fragments of a message: one byte more is 1009', async () => {
    const wire = await openWire();
    await wire.frame();
    wire.write(frame(opcode.text, connect(strangerMax)));
    assert.match((await wire.frame()).data.toString(), /^44\{"message":"Unauthorized"/);
    wire.write(frame(opcode.text, connect(strangerMax).slice(0, 9000), { fin: false }));
    wire.write(frame(opcode.continuation, connect(strangerMax).slice(9000)));
    assert.match((await wire.frame()).data.toString(), /^44\{"message":"Unauthorized"/);
    wire.end();
    assert.equal(await codeFor(beginning(strangerMax + 1, 8)), 1009);
    assert.equal(await codeFor(frame(opcode.binary, 'x'.repeat(strangerMax + 1))), 1009);
    assert.equal(await codeFor(frame(opcode.text, 'x'.repeat(9000), { fin: false }), beginning(strangerMax - 8999, 8).fill(0x80, 0, 1)), 1009);
    assert.equal(await codeFor(frame(opcode.text, `40${JSON.stringify({ pid: 'a'.repeat(900000) })}`)), 1009);
  });

  test('has 16 KiB for a polling body: one byte more is 413 as JSON, and the session stays', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const { sid } = JSON.parse((await ann.get(polling())).text.slice(1));
    for (const length of [strangerMax + 1, 990000]) {
      const { status, json } = await ann.post(polling(sid), connect(length), text);
      assert.equal(status, 413);
      assert.equal(json.code, 'TOO_LARGE');
    }
    assert.equal((await ann.post(polling(sid), connect(strangerMax), text)).status, 200);
    assert.match((await ann.get(polling(sid))).text, /^40\{/);
    assert.equal((await ann.post(polling(sid), `421["x","${'y'.repeat(900000)}"]`, text)).status, 200, 'all of it, once let in');
  });

  test('has 16 KiB again after it has left', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const socket = await isLetIn(ann);
    socket.send(`421["x","${'y'.repeat(900000)}"]`);
    for (let answer = ''; !answer.startsWith('431');) answer = await socket.take();
    socket.send('41');
    socket.send(connect(strangerMax + 1));
    assert.equal(await socket.end(), 1009);
  });
});

test('of 300 connections with half a head, past the gateway, 50 are kept, and none for longer than 10 s', async (t) => {
  const { hostname: host, port } = new URL(await hold.stack.addressOf('presence'));
  const ann = await Person.signUp(hold.stack.url, 'ann');
  const wires = await Promise.all(Array.from({ length: 300 }, () => Wire.open({ host, port: Number(port) })));
  const begin = Date.now();
  for (const wire of wires) wire.write('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nX-Half:');
  const open = () => wires.filter(({ isEnded }) => !isEnded).length;
  await waitUntil('no more than 50 to be open', () => open() <= 50, { within: 5000 });
  assert.equal(open(), 50);
  assert.equal((await ann.get('/api/users')).status, 200);
  await waitUntil('none to be open', () => open() === 0, { within: 15000 });
  t.diagnostic(`none after ${Date.now() - begin} ms`);
});

test('a WebSocket that is to take over from polling may say no more than a probe', async () => {
  const ann = await Person.signUp(hold.stack.url, 'ann');
  const { sid } = JSON.parse((await ann.get(polling())).text.slice(1));
  assert.equal((await ann.post(polling(sid), '40', text)).status, 200);
  assert.match((await ann.get(polling(sid))).text, /^40\{/);
  const wire = await openWire(`${socketIo}&sid=${sid}`);
  wire.write(beginning(2000, 8));
  assert.equal(await wire.closeCode(), 1009);
  assert.equal((await ann.post(polling(sid), '421["x"]', text)).status, 200, 'polling goes on');
});

// The kernel's own count: it keeps twice what is asked for, half of it for itself.
test('what a WebSocket has sent and nobody has read is 64 KiB at most in the kernel', { skip: !hasSs && 'ss is not there' }, async () => {
  const { host, port } = new URL(await hold.stack.addressOf('presence'));
  const wire = await openWire();
  const buffers = () => [...execFileSync('ss', ['-tmnH', 'state', 'established', 'src', host, 'sport', '=', `:${port}`], { encoding: 'utf8' })
    .matchAll(/\brb(\d+)/g)].map(([, bytes]) => Number(bytes));
  await waitUntil('its buffer', () => buffers().includes(2 * 65536));
  assert.ok(!wire.isClosed);
  wire.end();
});
