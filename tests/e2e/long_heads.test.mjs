// The gateway's buffers of a socket are as small as the heads of the field: the longest that are let in pass.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { handshake, Wire } from '../support/conformance.mjs';
import { useStack } from '../support/stack.mjs';

// 253 characters of a host name are the most there are (RFC 1035), 63 in a label.
const label = 'a'.repeat(63);
const host = `${label}.${label}.${label}.${'b'.repeat(57)}.org`;
const origin = `https://${host}:65535`;
const hold = useStack({ before, after, afterEach }, { ALLOWED_ORIGINS: origin });
const crumbs = (bytes) => Array.from({ length: bytes / 50 }, (_, i) => `c${i}=${'x'.repeat(46 - String(i).length)}`).join('; ');

for (const transport of ['polling', 'websocket']) {
  test(`${transport}: the longest origin, request id and cookies`, async () => {
    const person = await Person.signUp(hold.stack.url, 'heads');
    const socket = await person.connect({
      transports: [transport],
      extraHeaders: { cookie: `${crumbs(3500)}; ${person.cookie}`, origin, 'x-request-id': 'r'.repeat(64) },
    });
    assert.equal(socket.io.engine.transport.name, transport);
    person.close();
  });

  test(`${transport}: a head of 8 KB that says more than a service takes`, async () => {
    const person = await Person.signUp(hold.stack.url, 'heads');
    const socket = await person.connect({
      transports: [transport],
      extraHeaders: { cookie: `${person.cookie}; ${crumbs(4500)}`, 'user-agent': 'u'.repeat(3000) },
    });
    assert.equal(socket.io.engine.transport.name, transport);
    person.close();
  });
}

test('an answer to the longest allowed origin has all its headers', async () => {
  const answer = await fetch(`${hold.stack.url}/socket.io/?EIO=4&transport=polling`, { headers: { origin, 'x-request-id': 'r'.repeat(64) } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('access-control-allow-origin'), origin);
  assert.match(await answer.text(), /^0\{"sid"/);
});

test('nor is a refused WebSocket too much for its small buffers', async () => {
  const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
  wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `localhost:${hold.stack.port}`, Origin: origin, 'X-Request-Id': 'r'.repeat(64), 'Sec-WebSocket-Version': '12' }));
  const { status, lines } = await wire.head();
  const headers = new Map(lines.slice(1).map((line) => line.toLowerCase().split(': ')));
  wire.end();
  assert.equal(status, 426);
  assert.equal(headers.get('access-control-allow-origin'), origin);
  assert.equal(headers.get('x-request-id'), 'r'.repeat(64));
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.equal(headers.get('cache-control'), 'no-store');
});
