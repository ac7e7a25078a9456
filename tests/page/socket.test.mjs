// A connection that does not last is opened ever more rarely.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Socket } from '../../gateway/web/core/socket.js';

const { WebSocket } = globalThis;
let opened;

/** A server that takes each connection, and then waits for what the test does. */
class FakeWebSocket {
  static OPEN = 1;
  readyState = 1;
  constructor() { opened.push(this); }
  send(packet) { if (packet.startsWith('40')) this.onmessage({ data: '40{"sid":"s"}' }); }
  welcome() { this.onmessage({ data: '0{"pingInterval":25000,"pingTimeout":20000}' }); }
  refuse() { this.onmessage({ data: '44{"message":"Unauthorized"}' }); }
  end() { this.onclose(); }
  close() {}
}

beforeEach(() => {
  opened = [];
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2026-01-31T12:00:00.000Z') });
  Object.assign(globalThis, { WebSocket: FakeWebSocket, location: { protocol: 'http:', host: 'parley.example' }, addEventListener() {} });
});
afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { WebSocket });
});

/** Milliseconds, by tens, until it is opened again. */
function wait() {
  const { length } = opened;
  let ms = 0;
  for (; opened.length === length && ms < 60000; ms += 10) mock.timers.tick(10);
  return ms;
}

const isAbout = (ms, delay) => ms >= delay / 2 && ms <= delay * 1.5 + 10;

test('what opens and ends at once counts as a failure; what has been open for a while does not', () => {
  const socket = new Socket();
  socket.open();
  for (const delay of [500, 1000, 2000, 4000, 5000, 5000]) {
    opened.at(-1).welcome();
    assert.ok(socket.id);
    opened.at(-1).end();
    const ms = wait();
    assert.ok(isAbout(ms, delay), `${ms} ms for ${delay}`);
  }
  opened.at(-1).welcome();
  mock.timers.tick(10000);
  opened.at(-1).end();
  assert.ok(isAbout(wait(), 500));
  socket.close();
});

test('who is refused, and opens it again, waits longer each time', () => {
  const socket = new Socket();
  let refusals = 0;
  socket.on('refused', () => { refusals++; socket.open(true); });
  socket.open();
  for (const delay of [500, 1000, 2000, 4000, 5000, 5000]) {
    opened.at(-1).refuse();
    const ms = wait();
    assert.ok(isAbout(ms, delay), `${ms} ms for ${delay}`);
  }
  assert.equal(refusals, 6);
  opened.at(-1).refuse();
  socket.close();
  assert.equal(wait(), 60000, 'it is not wanted any more');
});
