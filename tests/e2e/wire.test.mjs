// The real stack, started as `make run` starts it, on free ports and in a folder of its own.
// A service's own connections, byte by byte: it reads and writes them with as few calls as it can.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Wire } from '../support/conformance.mjs';
import { holdDatabase } from '../support/database.mjs';
import { useStack } from '../support/stack.mjs';

const hold = useStack({ before, after, afterEach }, {});
let ann;
let bob;
const signUp = async () => {
  if (!ann) [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
};

const open = async (service) => {
  await signUp();
  const { hostname, port } = new URL(await hold.stack.addressOf(service));
  return Wire.open({ host: hostname, port: Number(port) });
};
const head = (line, more = '', version = '1.1') => `${line} HTTP/${version}\r\nHost: x\r\nCookie: ${ann.cookie}\r\n${more}\r\n`;
const me = () => head('GET /api/auth/me');
const post = (body) => head(`POST /api/messages/send/${bob.id}`, `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`) + body;

/** So many pieces, each read before the next is written. */
const writeInPieces = async (wire, text, pieces) => {
  const size = Math.ceil(text.length / pieces);
  for (let at = 0; at < text.length; at += size) {
    wire.write(text.slice(at, at + size));
    await wire.isRead();
  }
};

test('heads and bodies that come in pieces, on one connection', async () => {
  const wire = await open('message');
  for (const [i, pieces] of [1, 2, 7, 1, 40].entries()) {
    await writeInPieces(wire, post(JSON.stringify({ message: `in ${pieces}: ${'x'.repeat(i * 3000)}` })), pieces);
    assert.equal((await wire.answer()).status, 201, `in ${pieces} pieces`);
  }
  wire.end();
});

test('a request that comes while another is under way is answered after it', async () => {
  const wire = await open('message');
  const other = hold.stack.mongoUri ? null : await holdDatabase(hold.stack);
  try {
    wire.write(post('{"message":"waits"}'));
    await wire.isRead();
    wire.write(head(`GET /api/messages/${bob.id}?limit=1`));
  } finally {
    await other?.release();
  }
  // 503: this machine stood still for as long as a send may wait for the lock.
  assert.ok([201, 503].includes((await wire.answer()).status));
  assert.equal((await wire.answer()).status, 200);
  wire.end();
});

test('an answer larger than kore writes at once comes whole, and the connection goes on', async () => {
  const wire = await open('message');
  for (let i = 0; i < 12; i++) assert.equal((await ann.send(bob, `${i} ${'y'.repeat(4000)}`)).status, 201);
  for (let round = 0; round < 3; round++) {
    wire.write(head(`GET /api/messages/${bob.id}?limit=12`));
    const page = await wire.answer();
    assert.equal(page.status, 200);
    assert.equal(JSON.parse(page.body).length, 12);
  }
  wire.end();
});

test('HEAD has the length of GET and no body', async () => {
  const wire = await open('auth');
  wire.write(me());
  const whole = await wire.answer();
  wire.write(head('HEAD /api/auth/me'));
  const { status, lines } = await wire.head();
  assert.equal(status, 200);
  assert.ok(lines.includes(`content-length: ${Buffer.byteLength(whole.body)}`), lines.join('\n'));
  wire.write(me());
  assert.equal((await wire.answer()).body, whole.body);
  wire.end();
});

test('it closes after the answer to HTTP/1.0, and to a client that says so', async () => {
  for (const request of [head('GET /api/auth/me', '', '1.0'), head('GET /api/auth/me', 'Connection: close\r\n')]) {
    const wire = await open('auth');
    wire.write(request);
    const { status, lines } = await wire.head();
    assert.equal(status, 200);
    assert.ok(lines.includes('connection: close'));
    await wire.until('the end', () => wire.isEnded);
  }
});
