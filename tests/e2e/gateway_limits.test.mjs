// What one address, and all together, may take of the gateway: its memory, its disk, its log.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, readdir, readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { hasModule } from '../support/lone_gateway.mjs';
import { treeBytes } from '../support/process.mjs';
import { useStack } from '../support/stack.mjs';
import { awakeNow, freePort, patient, waitUntil, withDeadline } from '../support/wait.mjs';

const MiB = 1024 * 1024;
const pollTarget = '/socket.io/?EIO=4&transport=polling&sid=p1.none';
const credentials = JSON.stringify({ username: 'nobody', password: 'nothing at all' });

/** A connection of `address`, which sends what it is told to; `answer` grows. */
class Wire {
  constructor(stack, address) {
    Object.assign(this, { stack, address, answer: '', isClosed: false });
    this.socket = net.connect(stack.port, '127.0.0.1');
    this.socket.on('data', (bytes) => { this.answer += bytes.toString('latin1'); });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', () => { this.isClosed = true; resolve(); }));
  }

  get status() { return Number(/^HTTP\/1\.1 (\d+)/.exec(this.answer)?.[1] ?? 0); }
  write(bytes) { if (!this.isClosed) this.socket.write(bytes); return this; }
  head(method, target, headers) {
    return this.write(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${this.address}\r\n${headers.join('\r\n')}\r\n\r\n`);
  }

  /** The head of a body of `bytes`, and the first `sent` of them. */
  begin(bytes, sent, target = pollTarget) {
    return this.head('POST', target, ['Content-Type: text/plain', `Content-Length: ${bytes}`]).write('4'.repeat(sent));
  }

  end() { this.socket.destroy(); return this.closed; }
}

/** Every file below the gateway's folder that is no configuration, no log, and not of the page. */
async function spilled(stack) {
  const top = path.join(stack.dir, 'data/run/gateway');
  const found = [];
  const walk = async (folder) => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const name = path.join(folder, entry.name);
      if (entry.isDirectory()) await walk(name);
      else found.push(path.relative(top, name));
    }
  };
  await walk(top);
  return found.filter((name) => !/^(?:settings$|conf\/|page\/|logs\/(?:access|error)\.log(?:\.previous)?$|run\/(?:nginx\.pid|members|no_spill)$)/.test(name));
}

/** As long as `isDone` does not hold: no file, memory within `most` bytes of `before`, and quick answers to others. */
async function watch(stack, isDone, most, within = 15000) {
  const gateway = await stack.pidOf('gateway');
  const [begun, memory] = [performance.now(), await treeBytes(gateway)];
  let grown = 0;
  let slowest = 0;
  await waitUntil('the end of the attack', async () => {
    assert.deepEqual(await spilled(stack), []);
    grown = Math.max(grown, await treeBytes(gateway) - memory);
    const asked = awakeNow();
    const answer = await call(stack.url, 'POST', '/api/auth/login', credentials, { 'x-forwarded-for': '198.51.100.1' });
    assert.equal(answer.status, 400, answer.text);
    slowest = Math.max(slowest, awakeNow() - asked);
    return isDone();
  }, { within });
  assert.ok(grown < most, `${grown} bytes more`);
  assert.ok(slowest < patient(2000), `others waited ${slowest} ms`);
  return performance.now() - begun;
}

const statusPort = await freePort();
const metric = async (name) => Number(new RegExp(`^parley_gateway_${name} (\\d+)$`, 'm').exec(await (await fetch(`http://127.0.0.1:${statusPort}/metrics`)).text())[1]);
/** All that is under way has ended, and been given back. */
const quiet = () => waitUntil('no body under way', async () => await metric('bodies_bytes') === 0);

const logFile = (stack, name = 'access.log') => path.join(stack.dir, 'data/run/gateway/logs', name);
const textOf = (file) => readFile(file, 'utf8').catch(() => '');
const lines = async (stack) => `${await textOf(logFile(stack, 'access.log.previous'))}${await textOf(logFile(stack))}`
  .split('\n').filter((line) => line.endsWith('}')).map(JSON.parse);

// On a machine that stands still the time that a body has must be longer than that.
const bodySeconds = Math.ceil(patient(3));

describe('bodies', () => {
  const hold = useStack({ before, after, afterEach }, {
    GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1', GATEWAY_BODY_SECONDS: String(bodySeconds), GATEWAY_STATUS_LISTEN: `127.0.0.1:${statusPort}`,
    GATEWAY_BODY_BYTES_PER_ADDRESS: String(4 * MiB), GATEWAY_BODY_BYTES_IN_ALL: String(8 * MiB),
  });
  const statuses = (wires) => wires.reduce((sum, { status }) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {});

  test('300 that are begun with 980 kB and go on by a byte a second: an address has its share, for its time, and nothing is spilled', async () => {
    const begun = performance.now();
    let took;
    const wires = Array.from({ length: 300 }, () => new Wire(hold.stack, '203.0.113.1').begin(990000, 980000));
    const drip = setInterval(() => wires.forEach((wire) => wire.status || wire.write('4')), 1000);
    try {
      await watch(hold.stack, () => wires.every(({ status, isClosed }) => status || isClosed), 48 * MiB);
      // Whoever goes on writing after their 429 may lose it to a reset; the gateway counts them all, below.
      assert.deepEqual(Object.keys(statuses(wires)), ['0', '429']);
      took = performance.now() - begun + 100;
      assert.ok(took > bodySeconds * 1000, 'and they had their time');
      assert.match(wires.find(({ status }) => status === 429).answer, /\r\nRetry-After: \d[^]*"code":"TOO_MANY_REQUESTS"/i);
    } finally {
      clearInterval(drip);
      await Promise.all(wires.map((wire) => wire.end()));
    }
    await quiet();
    // Four at a time: others came in only where those had their time, on a slow machine.
    const late = await metric('bodies_late_total');
    assert.equal(late + await metric('bodies_address_refused_total'), 300);
    assert.ok(late >= 4 && late <= 4 * Math.floor(took / bodySeconds / 1000), `${late} in ${took} ms`);
    const again = new Wire(hold.stack, '203.0.113.1').begin(990000, 990000);
    await waitUntil('its answer', () => again.status);
    assert.equal(again.status, 400, 'what has ended counts no more');
    await again.end();
  });

  test('a short one that does not come in its time ends, too, on each route', async () => {
    await Promise.all(['/api/auth/login', `/api/messages/send/${'0'.repeat(24)}`, `/api/users/status/${'0'.repeat(24)}`, pollTarget].map(async (target) => {
      const wire = new Wire(hold.stack, '203.0.113.2').begin(50, 1, target);
      const drip = setInterval(() => wire.write('4'), 500);
      const begun = performance.now();
      await withDeadline('its end', wire.closed, 10000).finally(() => clearInterval(drip));
      assert.ok(performance.now() - begun > bodySeconds * 1000 - 100);
      assert.ok([0, 408].includes(wire.status), wire.answer);
    }));
  });

  test('one that comes with its head is answered, and what stands behind it; one that lacks a byte has its time, and ends', async () => {
    const login = JSON.stringify({ username: 'nobody-here' });
    const request = (bytes) => `POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.3\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n${login}`;
    const whole = new Wire(hold.stack).write(request(login.length).repeat(3));
    await waitUntil('three answers', () => whole.answer.match(/HTTP\/1\.1 400 /g)?.length === 3, { within: 15000 });
    await whole.end();
    const begun = performance.now();
    const late = new Wire(hold.stack).write(request(login.length + 1));
    await withDeadline('its end', late.closed, 10000);
    // client_body_timeout is 10 s, and may come first.
    assert.ok(performance.now() - begun > Math.min(bodySeconds, 10) * 1000 - 100);
    assert.ok([0, 408].includes(late.status), late.answer);
    await quiet();
  });

  test('one that comes with its head takes no more room than that, and passes where its address has none left', { skip: !hasModule }, async () => {
    const address = '203.0.113.4';
    const room = 4 * MiB - 4 * 990000;
    const wires = [...Array(4).fill(990000), room].map((bytes) => new Wire(hold.stack, address).begin(bytes, 1000));
    await waitUntil('its room to be taken', async () => await metric('bodies_bytes') === 4 * MiB);
    const head = `POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${address}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n`;
    const [whole, apart] = [`${head}{}`, head].map((text) => new Wire(hold.stack).write(text));
    await waitUntil('their answers', () => whole.status && apart.status);
    assert.deepEqual([whole.status, apart.status], [400, 429]);
    await Promise.all([whole, apart, ...wires].map((wire) => wire.end()));
    await quiet();
  });

  test('many addresses have their share of all; short bodies still pass', async () => {
    const wires = Array.from({ length: 12 }, (_, i) => new Wire(hold.stack, `203.0.113.${10 + i}`).begin(990000, 900000));
    await waitUntil('what does not fit to be refused', () => wires.filter(({ status }) => status === 503).length >= 6);
    assert.deepEqual(statuses(wires), { 0: 6, 503: 6 });
    const answer = await call(hold.stack.url, 'POST', '/api/auth/login', credentials, { 'x-forwarded-for': '203.0.113.200' });
    assert.equal(answer.status, 400, answer.text);
    await Promise.all(wires.map((wire) => wire.end()));
    await quiet();
    assert.equal(await metric('bodies_all_refused_total'), 6);
  });

  test('an IPv6 address counts by its /64, one of IPv4 in either form', async () => {
    for (const [addresses, others] of [
      [['2001:db8::1', '2001:db8::2', '2001:db8::ffff:0:3', '2001:db8:0:0:9::', '2001:db8::5'], '2001:db8:0:1::1'],
      [['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201', '192.0.2.1', '::FFFF:192.0.2.1'], '::ffff:192.0.2.2'],
    ]) {
      const wires = addresses.map((address) => new Wire(hold.stack, address).begin(990000, 1000));
      await waitUntil('one too many', () => wires.some(({ status }) => status === 429));
      const other = new Wire(hold.stack, others).begin(990000, 990000);
      await waitUntil('its answer', () => other.status);
      assert.deepEqual([statuses(wires), other.status], [{ 0: 4, 429: 1 }, 400]);
      await Promise.all([other, ...wires].map((wire) => wire.end()));
      await quiet();
    }
  });

  test('in chunks are read, or refused where they are too long or too many; never spilled', async () => {
    const chunked = async (body, size, target = '/api/auth/login') => {
      const wire = new Wire(hold.stack, '203.0.113.3').head('POST', target, ['Content-Type: application/json', 'Transfer-Encoding: chunked', 'Connection: close']);
      const pieces = Array.from({ length: Math.ceil(body.length / size) }, (_, i) => body.slice(i * size, (i + 1) * size));
      wire.write(`${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`);
      await withDeadline('its answer', wire.closed);
      return wire;
    };
    assert.match((await chunked(credentials, 7)).answer, /Invalid username or password/);
    assert.match((await chunked(credentials, 1)).answer, /Invalid username or password/);
    const long = JSON.stringify({ username: 'x'.repeat(102000), password: 'y' });
    assert.equal((await chunked(long, 1000)).status, 400);
    assert.equal((await chunked(`${long}${' '.repeat(1000)}`, 1000)).status, 413);
    assert.equal((await chunked('4'.repeat(999999), 65536, pollTarget)).status, 400);
    assert.ok([413, 500].includes((await chunked(long, 1)).status), 'six bytes for each one');
    assert.deepEqual(await spilled(hold.stack), []);
  });

  test('that say themselves that they are too long are 413, and leave nothing in the error log', async () => {
    const size = async () => (await textOf(logFile(hold.stack, 'error.log'))).length;
    const before_ = await size();
    for (const [target, bytes] of [['/api/auth/login', 102401], [pollTarget, 1000001], ['/', 102401]]) {
      const wire = new Wire(hold.stack, '203.0.113.4').begin(bytes, 10, target);
      await waitUntil('its answer', () => wire.status);
      assert.equal(wire.status, 413);
      assert.match(wire.answer, /"code":"TOO_LARGE"/);
      await wire.end();
    }
    assert.equal(await size(), before_);
  });
});

/** So many do not read a conversation of 7 MB for a while; the first one then does, to its end. */
async function readSlowly(stack, { count, headers, text, forMs, most, end }) {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
  for (let i = 0; i < 120; i++) assert.equal((await ann.send(bob, text)).status, 201);
  const wires = Array.from({ length: count }, () => {
    const wire = new Wire(stack, '203.0.113.1');
    wire.socket.pause();
    return wire.head('GET', `/api/messages/${bob.id}`, [`Cookie: ${ann.cookie}`, 'Connection: close', ...headers]);
  });
  const until = performance.now() + forMs;
  const service = await stack.pidOf('message1');
  const memory = await treeBytes(service);
  await watch(stack, () => performance.now() > until, most);
  assert.ok(await treeBytes(service) - memory < 32 * MiB, 'nor does the service keep what nobody reads');
  wires[0].socket.resume();
  await withDeadline('the rest', wires[0].closed, 15000);
  assert.equal(wires[0].status, 200);
  assert.equal(/^content-encoding: gzip\r$/im.test(wires[0].answer), headers.length > 0);
  assert.ok(wires[0].answer.length > 120 * 44000, `${wires[0].answer.length} bytes`);
  assert.match(wires[0].answer, end);
  await Promise.all(wires.map((wire) => wire.end()));
}

describe('slow readers', () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1', GATEWAY_REQUESTS_AT_ONCE: '50' });

  test('40 of a long conversation hold no file and little memory; one that goes on reading gets all', () => readSlowly(hold.stack, {
    count: 40, headers: [], text: 'x'.repeat(60000), forMs: 3000, most: 24 * MiB, end: /\]\r\n0\r\n\r\n$/,
  }));

  test('of a long answer it reads 36 KiB, and looks at others for a millisecond', async () => {
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
    for (let i = 0; i < 150; i++) assert.equal((await ann.send(bob, 'x'.repeat(60000))).status, 201);
    const begin = performance.now();
    const answer = await fetch(`${hold.stack.url}/api/messages/${bob.id}`, { headers: { cookie: ann.cookie, 'accept-encoding': 'identity' } });
    const { byteLength } = await answer.arrayBuffer();
    const took = performance.now() - begin;
    assert.ok(byteLength > 9e6, `${byteLength} bytes`);
    assert.ok(took > 0.9 * byteLength / (36 * 1024), `${took} ms`);
  });

  test('an address has GATEWAY_REQUESTS_AT_ONCE under way, beyond them 429; others go on', async () => {
    const wires = Array.from({ length: 52 }, () => new Wire(hold.stack, '203.0.113.2').begin(50, 1, '/api/auth/login'));
    await waitUntil('two too many', () => wires.filter(({ status }) => status === 429).length === 2);
    assert.equal((await call(hold.stack.url, 'GET', '/api/users', undefined, { 'x-forwarded-for': '203.0.113.2' })).status, 429);
    assert.equal((await call(hold.stack.url, 'GET', '/api/users', undefined, { 'x-forwarded-for': '203.0.113.3' })).status, 401);
    await Promise.all(wires.map((wire) => wire.end()));
    await waitUntil('room', async () => (await call(hold.stack.url, 'GET', '/api/users', undefined, { 'x-forwarded-for': '203.0.113.2' })).status === 401);
  });
});

// Each has 264 KiB more at the gateway, and costs it much more time: it is given what there is at an even pace.
describe('slow readers of what is compressed', () => {
  const hold = useStack({ before, after, afterEach }, {
    GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1', LIMIT_READS_AT_ONCE: '4', LIMIT_READ_BYTES_PER_SECOND: '8000000', LIMIT_READ_CPU_MS: '250',
  });

  test('four of a long conversation hold no file and little memory; one that goes on reading gets all', () => readSlowly(hold.stack, {
    // Random, so that it stays too long for the kernel's buffers.
    count: 4, headers: ['Accept-Encoding: gzip'], text: randomBytes(45000).toString('base64'), forMs: 4000, most: 6 * MiB, end: /\r\n0\r\n\r\n$/,
  }));
});

describe('logs', () => {
  const hold = useStack({ before, after, afterEach }, {
    GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1', GATEWAY_LOG_LINES_PER_SECOND: '10', LOG_BYTES_MAX: '131072', LIMIT_LOGIN_ADDRESS: '1',
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  const ask = (address, target, headers = {}) => new Promise((resolve, reject) => {
    http.get({ port: hold.stack.port, host: '127.0.0.1', agent, path: target, headers: { 'x-forwarded-for': address, ...headers } },
      (answer) => answer.resume().on('end', () => resolve(answer.statusCode))).on('error', reject);
  });
  const lineOf = (id) => waitUntil(`the line of ${id}`, async () => (await lines(hold.stack)).find(({ req }) => req === id));

  /** An address has 100 lines at once, and ten a second. */
  const mostLines = (begun) => Math.max(200, 110 + (performance.now() - begun) / 100);

  test('a flood of one address is sampled, and counted; others have their lines; each is short', async () => {
    const long = `/api/${'x'.repeat(1500)}`;
    const begun = performance.now();
    await Promise.all(Array.from({ length: 2000 }, () => ask('203.0.113.1', long, { 'user-agent': 'y'.repeat(1000) })));
    await ask('203.0.113.2', '/api/users?secret', { 'x-request-id': 'somebody-else' });
    assert.equal((await lineOf('somebody-else')).path, '/api/users');
    const all = await waitUntil('its lines', async () => { // each worker has some that are not written yet
      const own = (await lines(hold.stack)).filter(({ ip }) => ip === '203.0.113.1');
      return own.length >= 100 && own;
    });
    assert.ok(all.length <= mostLines(begun), `${all.length} lines`);
    assert.deepEqual([all[0].path, all[0].ua], [`${long.slice(0, 200)}...`, `${'y'.repeat(100)}...`]);
    const head = 'POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    const failing = new Wire(hold.stack, '203.0.113.1').write(head + '1\r\nx\r\n'.repeat(60000));
    await waitUntil('its answer', () => failing.status);
    assert.equal(failing.status, 500);
    await waitUntil('the line of what failed', async () => (await lines(hold.stack)).some(({ ip, status }) => ip === '203.0.113.1' && status === 500));
    await failing.end();
    await waitUntil('the whole count', async () => {
      await ask('203.0.113.1', '/api/users');
      const own = (await lines(hold.stack)).filter(({ ip }) => ip === '203.0.113.1');
      return own.reduce((sum, line) => sum + line.left_out, own.length) >= 2000;
    }, { within: 15000 });
  });

  test('what is no request, or gives up, has no more lines', async () => {
    const begun = performance.now();
    for (let i = 0; i < 300; i++) {
      const wire = new Wire(hold.stack, '').write(i % 2 ? 'nonsense\r\n\r\n' : 'GET /half');
      await (i % 2 ? wire.closed : wire.end());
    }
    const own = (await lines(hold.stack)).filter(({ ip }) => ip === '127.0.0.1');
    assert.ok(own.length <= mostLines(begun), `${own.length} lines`);
  });

  test('a service\'s warnings are sampled, and counted', async () => {
    const guess = () => call(hold.stack.url, 'POST', '/api/auth/login', credentials, { 'x-forwarded-for': '203.0.113.3' });
    const begun = performance.now();
    await waitUntil('the limit', async () => (await guess()).status === 429);
    for (let i = 0; i < 60; i++) assert.equal((await guess()).status, 429);
    const warnings = async () => (await textOf(path.join(hold.stack.dir, 'data/run/logs/auth1.log'))).split('\n')
      .filter((line) => line.includes('"msg":"login throttled"')).map(JSON.parse);
    // Ten each ten seconds; the first of the next ten counts what was left out.
    const first = (await warnings()).length;
    assert.ok(first >= 10 && first <= 10 * (1 + Math.ceil((performance.now() - begun) / 10000)), `${first} lines`);
    await waitUntil('the count', async () => {
      await guess();
      const all = await warnings();
      return all.some((line) => line.left_out) && all.reduce((sum, line) => sum + (line.left_out ?? 0), all.length) >= 61;
    }, { within: 25000 });
  });

  test('files that are full are turned: the gateway\'s and the services\'', async () => {
    const begun = performance.now();
    for (let i = 0; performance.now() - begun < patient(20000); i++) {
      await Promise.all(Array.from({ length: 90 }, (_, n) => ask(`203.0.${113 + i % 100}.${n}`, '/api/nothing')));
      if (await stat(logFile(hold.stack, 'access.log.previous')).catch(() => null)) break;
    }
    const { size } = await stat(logFile(hold.stack, 'access.log.previous'));
    assert.ok(size > 131072 && size < 2 * MiB, `${size} bytes`);
    await ask('203.0.113.200', '/api/users', { 'x-request-id': 'after-the-turn' });
    await lineOf('after-the-turn');
    const file = path.join(hold.stack.dir, 'data/run/logs/message1.log');
    await appendFile(file, `${'x'.repeat(140000)}\n`);
    await waitUntil('its turn', async () => (await stat(`${file}.previous`).catch(() => null))?.size > 140000 && (await stat(file)).size < 140000);
  });
});
