// The gateway's buffers of a socket are as small as the heads of the field: the longest that are let in pass.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
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
