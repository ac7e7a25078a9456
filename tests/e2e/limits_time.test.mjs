// How long half-done and dead things may last, with the times that users get: all at once, so that
// this takes no longer than the longest. A time has a floor and a generous ceiling.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { frame, handshake, opcode, Socket, Wire } from '../support/conformance.mjs';
import { mernClaims, now, signJwt } from '../support/jwt.mjs';
import { useStack } from '../support/stack.mjs';
import { patient } from '../support/wait.mjs';

const secret = 'one secret of these tests, of enough bytes';
const hold = useStack({ before, after, afterEach }, { PRESENCE_PROCESSES: '2', JWT_SECRET: secret });
const sids = [];
const address = () => ({ host: 'localhost', port: hold.stack.port });

/** `what` ends by itself `seconds` after `begin`, which is before anything was sent: not a second before, and not left for ever. */
const isAt = async (seconds, begin, what) => {
  await what;
  const took = Date.now() - begin;
  assert.ok(took >= (seconds - 1) * 1000 && took < seconds * 1000 + patient(30000), `after ${took} ms`);
};

/** A WebSocket of `person` that answers nothing, from its 101 on. */
const openWire = async (query, person) => {
  const wire = await Wire.open(address());
  wire.write(handshake(`/socket.io/?EIO=4&transport=websocket${query}`, { Host: `localhost:${hold.stack.port}`, Cookie: person.cookie }));
  assert.equal((await wire.head()).status, 101);
  return wire;
};

describe('after', { concurrency: true }, () => {
  test('45 s a dead peer is closed, on a worker that has nothing else to do', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const begin = Date.now();
    const wire = await openWire('', ann);
    wire.write(frame(opcode.text, '40'));
    await isAt(45, begin, wire.isGone(80000));
    wire.end();
  });

  test('45 s a session without CONNECT is closed, though it answers pings', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const begin = Date.now();
    const socket = new Socket(`${hold.stack.url}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: ann.cookie } });
    socket.ws.on('message', (data) => { if (data.toString() === '2') socket.send('3'); });
    assert.match(await socket.take(), /^0\{/);
    await isAt(45, begin, socket.end(80000));
  });

  test('10 s an upgrade that does not go on is given up, and polling goes on', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const path = '/socket.io/?EIO=4&transport=polling';
    const { sid } = JSON.parse((await ann.get(path)).text.slice(1));
    sids.push(sid);
    const begin = Date.now();
    const wire = await openWire(`&sid=${sid}`, ann);
    wire.write(frame(opcode.text, '2probe'));
    assert.equal((await wire.frame()).data.toString(), '3probe');
    await isAt(10, begin, wire.until('a Close', () => wire.bytes[0] === (0x80 | opcode.close), 45000));
    assert.equal((await ann.post(`${path}&sid=${sid}`, '40', { 'content-type': 'text/plain' })).status, 200);
    wire.end();
  });

  test('10 s half of a request\'s head is enough', async () => {
    const begin = Date.now();
    const wire = await Wire.open(address());
    wire.write('GET /api/users HTTP/1.1\r\nHost: localhost\r\nX-Half:');
    await isAt(10, begin, wire.isGone(45000));
    wire.end();
  });

  test('10 s half of a request\'s body is, too', async () => {
    const begin = Date.now();
    const wire = await Wire.open(address());
    wire.write('POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"user');
    await isAt(10, begin, wire.until('the end', () => wire.bytes.length > 0 || wire.isEnded, 45000));
    wire.end();
  });

  test('its token\'s last second a socket is closed, within five', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const exp = now() + 20; // while the others wait for longer; so it is let in before, though the machine stand still
    const cookie = `jwt=${signJwt({ ...mernClaims(ann.id), jti: 'x'.repeat(22), exp }, secret)}`;
    const socket = new Socket(`${hold.stack.url}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie } });
    sids.push(JSON.parse((await socket.take()).slice(1)).sid);
    socket.send('40');
    assert.match(await socket.take(), /^40\{"sid"/);
    await socket.end(60000);
    assert.ok(Date.now() >= exp * 1000 && Date.now() < exp * 1000 + patient(30000), `${Date.now() - exp * 1000} ms after its end`);
  });
});

test('no log names a session', async () => {
  const logs = await hold.stack.logs({ tail: 10 ** 7 });
  assert.ok(sids.length > 0 && logs.includes('"status":101'));
  for (const sid of sids) assert.ok(!logs.includes(sid.split('.').at(-1)), sid);
});
