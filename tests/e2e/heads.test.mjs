// Most heads the gateway's module judges in one look (gateway/tunnel/heads.h): a service and the access log
// get of each what they get from a gateway without it.   HEADS_SEED=N repeats a run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keeper, LoneGateway, hasModule } from '../support/lone_gateway.mjs';
import { Random, seedOf } from '../support/random.mjs';
import { waitUntil } from '../support/wait.mjs';

const requests = 600;

/** A gateway in front of a service that keeps what it gets. */
async function start(isWithModule) {
  const [service, gateway] = await Promise.all([Keeper.start(), LoneGateway.start({ isWithModule })]);
  await gateway.tell(['auth', 'message', 'presence'].map((name) => [name, service.address]));
  return Object.assign(gateway, { service });
}

/** An id and a trace that were drawn are others each time. */
const withoutDrawn = (text) => text.replace(/^(x-request-id: )[0-9a-f]{32}$/im, '$1drawn').replace(/^(traceparent: 00-)[0-9a-f]{32}-[0-9a-f]{16}-00$/im, '$1drawn');

/** What the service got of `text`, and what was answered. */
async function ask(gateway, text) {
  const wire = await gateway.open();
  gateway.service.got.length = 0;
  wire.write(Buffer.from(text, 'latin1'));
  const { status, lines } = await wire.head();
  wire.end();
  return {
    status, lines: lines.filter((line) => !line.startsWith('Date: ')).map(withoutDrawn),
    got: gateway.service.got.map((request) => withoutDrawn(request.replaceAll('\r\n', '\n'))),
  };
}

/** Lines of the access log, as far as both must have the same. */
const linesOf = (gateway) => waitUntil('all lines', async () => {
  const lines = await gateway.lines();
  return lines.length === requests && lines.map(({ req, trace, method, path: target, proto, status, bytes, left_out, ua }) => (
    { isOwnId: req === ownId, isOwnTrace: trace === ownTrace, isTraceOfId: trace === req, method, target, proto, status, bytes, left_out, ua }));
});

// ---- requests at the border of what is usual -----------------------------------------------

const names = ['User-Agent', 'User-Agent', 'Cookie', 'Cookie', 'Authorization', 'Content-Type', 'Idempotency-Key', 'Origin', 'Sec-Fetch-Site',
  'X-Socket-Id', 'Access-Control-Request-Method', 'Access-Control-Request-Headers', 'Upgrade', 'Connection', 'Content-Encoding', 'Accept-Encoding',
  'Traceparent', 'X-Forwarded-For', 'X-Forwarded-Host', 'Forwarded', 'If-None-Match', 'Sec-WebSocket-Key', 'X-Other', 'content_type', 'cookie'];
const ownTrace = 'a'.repeat(32);
const values = ['', '0', 'a', 'a=b', 'a, b', '"x" \\ y', 'a\tb', '\u00e9', '\x7f', '1234567\x80', '\x1f2345678', 'websocket', 'upgrade', 'gzip', 'gzip, deflate',
  ...[99, 100, 101, 300, 301].map((length) => 'z'.repeat(length)), `00-${ownTrace}-${'b'.repeat(16)}-01`];
const targets = ['/api/auth/me', `/api/messages/send/${'7'.repeat(24)}`, '/api/users?page=1', '/api/users/avatar/x', '/socket.io/?EIO=4', '/socket.io?EIO=4',
  ...[186, 187].map((length) => `/api/messages/${'x'.repeat(length)}?q`), '/api/messages/a%20b', '/api/messages/a~b?"\\', '/api/auth/x//y', '/api/../x', '/api/auth/x?a?b'];

const ownId = 'an-own-id';

function draw(random) {
  const method = random.pick(['GET', 'GET', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']);
  const lines = random.list(6, () => `${random.pick(names)}: ${random.pick(values)}`);
  const hasBody = random.oneIn(2);
  const body = hasBody ? random.pick(['', '{}', 'x'.repeat(150), 'x'.repeat(1500)]) : '';
  if (hasBody) lines.push(`Content-Length: ${random.pick(['', '', '00'])}${body.length}`);
  return [`${method} ${random.pick(targets)} HTTP/1.${random.oneIn(12) ? 0 : 1}`, 'Host: localhost', ...(random.oneIn(2) ? [] : [`X-Request-Id: ${ownId}`]), ...lines, '', body].join('\r\n');
}

test('a service and the log get the same of a head, whoever judges it', { skip: !hasModule }, async () => {
  const gateways = await Promise.all([start(true), start(false)]);
  try {
    const seed = seedOf('HEADS_SEED');
    const random = new Random(seed);
    const sent = Array.from({ length: requests }, () => draw(random));
    let passed = 0;
    for (const text of sent) {
      const [one, other] = await Promise.all(gateways.map((gateway) => ask(gateway, text)));
      assert.deepEqual(one, other, `HEADS_SEED=${seed}: ${JSON.stringify(text)}`);
      passed += one.got.length;
    }
    assert.ok(passed > requests / 4, `${passed} reached a service`);
    const [ones, others] = await Promise.all(gateways.map(linesOf));
    for (const [i, text] of sent.entries()) assert.deepEqual(ones[i], others[i], `HEADS_SEED=${seed}: ${JSON.stringify(text)}`);
  } finally {
    await Promise.all(gateways.flatMap((gateway) => [gateway.stop(), gateway.service.stop()]));
  }
});
