// RFC 6455, at /ws of the conformance server, byte by byte.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closeFrame, frame, handshake, opcode, useConformanceServer, Wire } from '../support/conformance.mjs';

const hold = useConformanceServer({ before, after });

const ask = async (text) => {
  const wire = await Wire.open(hold.server.address);
  wire.write(text);
  const head = await wire.head();
  return { wire, ...head };
};

const open = async () => {
  const { wire, status } = await ask(handshake('/ws'));
  assert.equal(status, 101);
  return wire;
};

/** Send frames; the server must close with this code. */
const refuses = async (code, ...frames) => {
  const wire = await open();
  wire.write(Buffer.concat(frames));
  assert.equal(await wire.closeCode(), code);
};

const echoes = async (wire, op, data) => {
  const f = await wire.frame();
  assert.deepEqual([f.op, f.fin, f.rsv, f.masked], [op, true, 0, false]);
  assert.ok(f.data.equals(Buffer.from(data)), `${f.data.length} bytes came back`);
};

describe('the opening handshake (§4)', () => {
  test('is answered with 101 and the accept key of the RFC', async () => {
    const { wire, status, lines } = await ask(handshake('/ws'));
    assert.equal(status, 101);
    assert.ok(lines.some((line) => /^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/i.test(line)), lines.join('\n'));
    wire.end();
  });

  test('takes lists, any case, the first protocol that is offered, and no extension', async () => {
    const { wire, status, lines } = await ask(handshake('/ws', {
      Connection: 'keep-alive, uPGRADE', Upgrade: 'WebSocket', 'Sec-WebSocket-Extensions': 'permessage-deflate',
      'Sec-WebSocket-Protocol': 'chat, superchat',
    }));
    assert.equal(status, 101);
    assert.ok(!lines.some((line) => /^sec-websocket-extensions/i.test(line)), lines.join('\n'));
    assert.deepEqual(lines.filter((line) => /^sec-websocket-protocol/i.test(line)), ['Sec-WebSocket-Protocol: chat']);
    wire.end();
  });

  for (const [what, expected, text] of [
    ['no Upgrade', 426, handshake('/ws', { Upgrade: null })],
    ['another Upgrade', 426, handshake('/ws', { Upgrade: 'h2c' })],
    ['no Connection', 400, handshake('/ws', { Connection: null })],
    ['a Connection without the token', 400, handshake('/ws', { Connection: 'keep-alive, upgrades' })],
    ['no key', 400, handshake('/ws', { 'Sec-WebSocket-Key': null })],
    ['a key of 15 bytes', 400, handshake('/ws', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j' })],
    ['a key that is not base64', 400, handshake('/ws', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j!!==' })],
    ['two keys', 400, handshake('/ws', {}, { more: ['Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='] })],
    ['no version', 426, handshake('/ws', { 'Sec-WebSocket-Version': null })],
    ['version 8', 426, handshake('/ws', { 'Sec-WebSocket-Version': '8' })],
    ['a POST', 400, handshake('/ws', { 'Content-Length': '0' }, { method: 'POST' })],
    ['HTTP/1.0', 400, handshake('/ws', {}, { version: 'HTTP/1.0' })],
  ]) {
    test(`is refused with ${expected} for ${what}`, async () => {
      const { wire, status, lines } = await ask(text);
      assert.equal(status, expected);
      if (expected === 426) assert.ok(lines.some((line) => /^sec-websocket-version: 13$/i.test(line)));
      wire.end();
    });
  }
});

describe('messages (§5)', () => {
  for (const size of [0, 1, 125, 126, 127, 65535, 65536, 1000000]) {
    test(`of ${size} bytes come back, text and binary`, async () => {
      const wire = await open();
      const data = 'x'.repeat(size);
      wire.write(frame(opcode.text, data));
      await echoes(wire, opcode.text, data);
      wire.write(frame(opcode.binary, data));
      await echoes(wire, opcode.binary, data);
      wire.end();
    });
  }

  test('may be fragmented, with control frames between', async () => {
    const wire = await open();
    wire.write(Buffer.concat([
      frame(opcode.text, 'Hé', { fin: false }), frame(opcode.ping, 'p'), frame(opcode.continuation, '', { fin: false }),
      frame(opcode.continuation, 'llo'),
    ]));
    await echoes(wire, opcode.pong, 'p');
    await echoes(wire, opcode.text, 'Héllo');
    wire.end();
  });

  test('cut at every byte give one result', async () => {
    const bytes = Buffer.concat([
      frame(opcode.text, 'a€b', { fin: false }), frame(opcode.continuation, '😀'), frame(opcode.binary, Buffer.from([0, 255, 7])),
    ]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const wire = await open();
      wire.write(bytes.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      wire.write(bytes.subarray(cut));
      await echoes(wire, opcode.text, 'a€b😀');
      await echoes(wire, opcode.binary, Buffer.from([0, 255, 7]));
      wire.end();
    }
  });

  test('come back whole and in order to a client that reads none before it has sent them all', async () => {
    const wire = await open();
    const sent = Array.from({ length: 100 }, (_, i) => `${i}:`.padEnd(i % 3 === 0 ? i : 50000 + i, String(i)));
    wire.socket.pause();
    for (const text of sent) wire.write(frame(opcode.text, text));
    await wire.isRead();
    wire.socket.resume();
    for (const text of sent) await echoes(wire, opcode.text, text);
    wire.end();
  });

  test('one byte at a time come back whole', async () => {
    const wire = await open();
    for (const byte of frame(opcode.text, 'slowly: ü')) wire.write(Buffer.from([byte]));
    await echoes(wire, opcode.text, 'slowly: ü');
    wire.end();
  });

  test('pings are answered with their data, and pongs ignored', async () => {
    const wire = await open();
    wire.write(Buffer.concat([frame(opcode.pong, 'unasked'), frame(opcode.ping, 'x'.repeat(125)), frame(opcode.ping)]));
    await echoes(wire, opcode.pong, 'x'.repeat(125));
    await echoes(wire, opcode.pong, '');
    wire.end();
  });
});

describe('what breaks the rules is closed', () => {
  const text = (bytes, options) => frame(opcode.text, Buffer.from(bytes), options);

  test('1002: a frame without a mask', () => refuses(1002, frame(opcode.text, 'x', { mask: false })));
  for (const rsv of [1, 2, 4]) test(`1002: RSV bit ${rsv}`, () => refuses(1002, frame(opcode.text, 'x', { rsv })));
  for (const op of [3, 7, 11, 15]) test(`1002: opcode ${op}`, () => refuses(1002, frame(op)));
  test('1002: 125 bytes with a 16-bit length', () => refuses(1002, frame(opcode.text, 'x'.repeat(125), { lengthBytes: 2 })));
  test('1002: 65,535 bytes with a 64-bit length', () => refuses(1002, frame(opcode.binary, 'x'.repeat(65535), { lengthBytes: 8 })));
  test('1002: a 64-bit length with its top bit', () => refuses(1002, Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4])));
  test('1002: a control frame of 126 bytes', () => refuses(1002, frame(opcode.ping, 'x'.repeat(126))));
  test('1002: a fragmented control frame', () => refuses(1002, frame(opcode.ping, 'x', { fin: false })));
  test('1002: a continuation of nothing', () => refuses(1002, frame(opcode.continuation, 'x')));
  test('1002: a message within a message', () => refuses(1002, text('a', { fin: false }), text('b')));
  test('1007: bad UTF-8', () => refuses(1007, text([0xce, 0xba, 0xed, 0xa0, 0x80])));
  test('1007: UTF-8 cut at the end of a message', () => refuses(1007, text([0xe2, 0x82])));
  test('1007: bad UTF-8 in the first fragment, at once', () => refuses(1007, text([0xff], { fin: false })));
  test('1009: a message of 1,000,001 bytes', () => refuses(1009, frame(opcode.binary, 'x'.repeat(1000001))));
  test('1009: fragments that add up to it', () => refuses(1009,
    frame(opcode.binary, 'x'.repeat(600000), { fin: false }), frame(opcode.continuation, 'x'.repeat(600000))));
  test('1008: more than 1,024 fragments', () => refuses(1008,
    text('a', { fin: false }), ...Array.from({ length: 1200 }, () => frame(opcode.continuation, 'a', { fin: false }))));
  test('1008: a flood of pings', () => refuses(1008, ...Array.from({ length: 300 }, () => frame(opcode.ping))));
});

describe('the closing handshake (§7)', () => {
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999]) {
    test(`echoes code ${code}`, () => refuses(code, closeFrame(code, 'bye')));
  }
  test('answers an empty Close with an empty one', () => refuses(1005, frame(opcode.close)));
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) {
    test(`1002: code ${code} may not be sent`, () => refuses(1002, closeFrame(code)));
  }
  test('1002: a body of one byte', () => refuses(1002, frame(opcode.close, Buffer.from([3]))));
  test('1007: a reason that is not UTF-8', () => refuses(1007, frame(opcode.close, Buffer.from([0x03, 0xe8, 0xff]))));

  test('takes nothing after a Close', async () => {
    const wire = await open();
    wire.write(Buffer.concat([closeFrame(1000), frame(opcode.text, 'too late')]));
    assert.equal(await wire.closeCode(), 1000);
    assert.equal(wire.bytes.length, 0);
  });
});
