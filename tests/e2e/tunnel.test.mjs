// An open WebSocket goes on without its request: at its service, or at the gateway (gateway/tunnel).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Person } from '../support/api.mjs';
import { frame, handshake, opcode, Wire } from '../support/conformance.mjs';
import { workerOf } from '../support/process.mjs';
import { root, Stack, useStack } from '../support/stack.mjs';
import { freePort, waitUntil } from '../support/wait.mjs';

const build = process.env.BUILD_DIR ?? path.join(root, 'build');
// headers.sh says when it is not built: then sockets stay requests, and all else is the same.
const isBuilt = existsSync(path.join(build, 'gateway-tunnel.so'));
const patient = { within: 20000 };
const socketIo = '/socket.io/?EIO=4&transport=websocket';

const head = (stack, person) => handshake(socketIo, { Host: `localhost:${stack.port}`, Cookie: person.cookie });

/** A WebSocket of this person's that is in. */
async function enter(stack, person) {
  const wire = await Wire.open({ host: 'localhost', port: stack.port });
  wire.write(head(stack, person));
  assert.equal((await wire.head()).status, 101);
  assert.match((await wire.frame()).data.toString(), /^0\{/);
  wire.write(frame(opcode.text, '40'));
  assert.match((await wire.frame()).data.toString(), /^40\{/);
  return wire;
}

/** Requests of WebSockets that have ended: their lines in the access log. */
const endedRequests = async (stack) => (await readFile(path.join(stack.dir, 'data/run/gateway/logs/access.log'), 'utf8'))
  .split('\n').filter((line) => line.includes('"status":101')).length;

/** The next frame that begins so, as text. */
async function next(wire, begin) {
  for (;;) {
    const { data } = await wire.frame();
    if (data.subarray(0, begin.length).toString() === begin) return data.toString();
  }
}

/** By where its bytes go, and how many descriptors of nginx one then has. */
const ways = [['that was handed over', {}, 0], ['at the gateway', { HANDOVER_DIR: '' }, 2]];

for (const [way, settings, descriptors] of ways) describe(`an open WebSocket ${way}`, () => {
  const hold = useStack({ before, after, afterEach }, { SEND_QUEUE_BYTES_MAX: '4000000', SOCKETS_PER_USER_MAX: '100', ...settings });
  const people = (...names) => Promise.all(names.map((name) => Person.signUp(hold.stack.url, name)));

  test('goes on after its request has ended, whose line is in the access log', { skip: !isBuilt }, async () => {
    const [ann] = await people('ann');
    const before = await endedRequests(hold.stack);
    const wire = await enter(hold.stack, ann);
    await waitUntil('the end of its request', async () => await endedRequests(hold.stack) === before + 1, patient);
    wire.write(frame(opcode.text, '421["x"]'));
    await next(wire, '431[');
    wire.end();
  });

  test('loses nothing of what was written with the handshake', async () => {
    const [ann] = await people('ann');
    const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
    wire.write(Buffer.concat([Buffer.from(head(hold.stack, ann)), frame(opcode.text, '40')]));
    assert.equal((await wire.head()).status, 101);
    await next(wire, '40{');
    wire.write(frame(opcode.text, '427["x"]'));
    await next(wire, '437[');
    wire.end();
  });

  test('loses nothing of what comes while the handshake is under way, whenever that is', async () => {
    const [ann] = await people('ann');
    const bytes = Buffer.concat([Buffer.from(head(hold.stack, ann)), frame(opcode.text, '40'), frame(opcode.ping, 'p'.repeat(100))]);
    const events = Buffer.concat([1, 2, 3].map((id) => frame(opcode.text, `42${id}["x","${'y'.repeat(3000)}"]`)));
    const cutAt = Array.from({ length: 24 }, (_, i) => Math.round((bytes.length * (i + 1)) / 25));
    await Promise.all(cutAt.map(async (at, i) => {
      const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
      wire.write(bytes.subarray(0, at));
      await new Promise((resolve) => { setTimeout(resolve, i % 5); });
      wire.write(bytes.subarray(at));
      assert.equal((await wire.head()).status, 101);
      await next(wire, '40{');
      wire.write(events);
      for (const id of [1, 2, 3]) await next(wire, `43${id}[`);
      wire.end();
    }));
  });

  test('has all bytes in order for one who stops reading, and goes on', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const wire = await enter(hold.stack, bob);
    const texts = Array.from({ length: 40 }, (_, i) => `${i}${'abcdefghijklmnop'.repeat(3750)}`);
    wire.socket.pause();
    for (const text of texts) assert.equal((await ann.send(bob, text)).status, 201);
    wire.socket.resume();
    for (const text of texts) assert.equal(JSON.parse((await next(wire, '42["newMessage"')).slice(2))[1].message, text);
    wire.end();
  });

  test('has all bytes in order for a process that stands still, and goes on', async () => {
    const [ann] = await people('ann');
    const wire = await enter(hold.stack, ann);
    const worker = await workerOf(await hold.stack.pidOf('presence1'));
    process.kill(worker, 'SIGSTOP');
    try {
      for (const id of [1, 2, 3]) wire.write(frame(opcode.text, `42${id}["x","${'z'.repeat(900000)}"]`));
      await new Promise((resolve) => { setTimeout(resolve, 300); });
    } finally { process.kill(worker, 'SIGCONT'); }
    for (const id of [1, 2, 3]) await next(wire, `43${id}[`);
    wire.end();
  });

  test('ends at both sides, whoever ends it', async () => {
    const [ann, bob] = await people('ann', 'bob');
    const [gone, witness] = [await enter(hold.stack, ann), await bob.connect()];
    const isOnline = () => witness.all('getOnlineUsers').at(-1)?.includes(ann.id);
    await waitUntil('ann to be seen', isOnline, patient);
    gone.end(); // without a close frame
    await waitUntil('ann to be gone', () => !isOnline(), patient);
    const put = await enter(hold.stack, ann);
    put.write(frame(opcode.text, '{', { mask: false })); // RFC 6455 section 5.1
    assert.equal(await put.closeCode(), 1002);
    bob.close();
  });

  test('goes on in an nginx whose configuration was read anew', async () => {
    const [ann] = await people('ann');
    const wire = await enter(hold.stack, ann);
    const gateway = await hold.stack.pidOf('gateway');
    const workers = async () => (await readFile(`/proc/${gateway}/task/${gateway}/children`, 'utf8')).trim().split(' ');
    const old = await workers();
    process.kill(gateway, 'SIGHUP');
    await waitUntil('new workers', async () => (await workers()).some((pid) => !old.includes(pid)), patient);
    wire.write(frame(opcode.text, '421["x"]'));
    await next(wire, '431[');
    const other = await enter(hold.stack, ann);
    other.end();
    wire.end();
    // Those of before end with their last socket.
    await waitUntil('the old workers to end', async () => !(await workers()).some((pid) => old.includes(pid)), patient);
  });

  test('keeps no descriptor of nginx when it has ended', async () => {
    const [ann] = await people('ann');
    const gateway = await hold.stack.pidOf('gateway');
    const open = async () => {
      const pids = (await readFile(`/proc/${gateway}/task/${gateway}/children`, 'utf8')).trim().split(' ');
      const links = await Promise.all(pids.map(async (pid) => (await readdir(`/proc/${pid}/fd`)).length));
      return links.reduce((sum, count) => sum + count, 0);
    };
    const [first] = [await enter(hold.stack, ann)];
    const before = await open();
    const others = 5; // a connection to a service may stay for the next request, and that of the sign-up end meanwhile
    const wires = [];
    for (let i = 0; i < 30; i++) wires.push(await enter(hold.stack, ann));
    if (!isBuilt || descriptors > 0) assert.ok(await open() >= before + 60 - others, 'two for each');
    else await waitUntil('them to be gone', async () => await open() <= before + others, patient);
    for (const wire of wires) wire.end();
    await waitUntil('them to be closed', async () => await open() <= before + others, patient);
    first.end();
  });
});

const bounds = (holdOf) => async () => {
  const stack = holdOf();
  const ann = await Person.signUp(stack.url, 'ann');
  const ask = async () => {
    const wire = await Wire.open({ host: 'localhost', port: stack.port });
    wire.write(head(stack, ann));
    const { status, lines } = await wire.head();
    wire.end();
    return status === 429 ? lines.some((line) => /^retry-after: 1$/i.test(line)) && 429 : status;
  };
  const wires = [await enter(stack, ann), await enter(stack, ann), await enter(stack, ann)];
  await new Promise((resolve) => { setTimeout(resolve, 100); }); // their requests have ended by now, if they do
  assert.equal(await ask(), 429);
  assert.equal((await ann.get('/socket.io/?EIO=4&transport=polling')).status, 429, 'polls and sockets together');
  assert.equal((await ann.get('/api/auth/me')).status, 200);
  wires.pop().end();
  await waitUntil('the free place to be taken', async () => await ask() === 101, patient);
  for (const wire of wires) wire.end();
  await waitUntil('all places to be free', async () => {
    const all = await Promise.all([1, 2, 3].map(() => ann.get('/socket.io/?EIO=4&transport=polling')));
    return all.every(({ status }) => status === 200);
  }, patient);
};

const children = async (pid) => (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);

const killed = (holdOf) => async () => {
  const stack = holdOf();
  const ann = await Person.signUp(stack.url, 'ann');
  const wires = [await enter(stack, ann), await enter(stack, ann), await enter(stack, ann)];
  const gateway = await stack.pidOf('gateway');
  const processes = await children(gateway);
  for (const pid of processes) process.kill(pid, 'SIGKILL');
  await waitUntil('other processes', async () => (await children(gateway)).filter((pid) => pid && !processes.includes(pid)).length === processes.length, patient);
  const others = [];
  const asks = async () => {
    const asked = await Wire.open({ host: 'localhost', port: stack.port });
    asked.write(head(stack, ann));
    const { status } = await asked.head();
    if (status === 101) others.push(asked); else asked.end();
    return status;
  };
  await waitUntil('three places to be free', async () => { await asks(); return others.length === 3; }, patient);
  assert.equal(await asks(), 429);
  for (const wire of [...wires, ...others]) wire.end();
};

/** A process of nginx that takes no connection any more, and waits for those that it has. */
const isEnding = async (pid) => (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes('shutting down');

const killedLate = (holdOf) => async () => {
  const stack = holdOf();
  const ann = await Person.signUp(stack.url, 'ann');
  const wires = [await enter(stack, ann), await enter(stack, ann), await enter(stack, ann)];
  const gateway = await stack.pidOf('gateway');
  const old = await children(gateway);
  process.kill(gateway, 'SIGHUP');
  // Until then a request may come to one of them, and nginx replaces one that is killed.
  const left = await waitUntil('the old processes to end but for their sockets', async () => {
    const here = (await children(gateway)).filter((pid) => old.includes(pid));
    return (await Promise.all(here.map(isEnding))).every(Boolean) && here;
  }, patient);
  const ask = async () => {
    const asked = await Wire.open({ host: 'localhost', port: stack.port });
    asked.write(head(stack, ann));
    const { status } = await asked.head();
    if (status === 101) wires.push(asked); else asked.end();
    return status;
  };
  assert.equal(await ask(), 429, 'those of before are counted');
  for (const pid of left) process.kill(pid, 'SIGKILL');
  await waitUntil('three places to be free', async () => { await ask(); return wires.length === 6; }, patient);
  assert.equal(await ask(), 429);
  for (const wire of wires) wire.end();
};

/** What counts once in a head, with a value that is good. */
const once = (port) => Object.entries({
  'Content-Type': 'text/plain', 'Idempotency-Key': 'a-key', Origin: `http://localhost:${port}`, 'Sec-Fetch-Site': 'same-origin',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13', 'X-Socket-Id': 'x',
});

const heads = (holdOf) => async () => {
  const stack = holdOf();
  const ann = await Person.signUp(stack.url, 'ann');
  let wire;
  const ask = async (...lines) => {
    if (!wire) wire = await Wire.open({ host: 'localhost', port: stack.port });
    wire.write(['GET /api/auth/me HTTP/1.1', `Host: localhost:${stack.port}`, `Cookie: ${ann.cookie}`, ...lines, '', ''].join('\r\n'));
    const answer = await wire.answer();
    if (answer.status === 400) { wire.end(); wire = null; } // nginx closes after one
    return { status: answer.status, id: answer.lines.find((line) => /^x-request-id:/i.test(line)).split(': ')[1] };
  };
  for (const [name, value] of once(stack.port)) {
    assert.equal((await ask(`${name}: ${value}`)).status, 200, name);
    assert.equal((await ask(`${name}: ${value}`, 'X-Other: x', `${name.toUpperCase()}: ${value}`)).status, 400, `${name} twice`);
    assert.equal((await ask(`${name}: ${value}`, `${name.toLowerCase()}:`)).status, 400, `${name} and an empty one`);
  }
  assert.equal((await ask(...once(stack.port).map(([name, value]) => `${name}: ${value}`))).status, 200, 'all of them');
  assert.equal((await ask('Upgrade: x', 'Upgrade: y', 'Sec-WebSocket-Protocol: x', 'Sec-WebSocket-Protocol: y')).status, 200, 'lists');
  assert.equal((await ask('Idempotency-Key:')).status, 400, 'an empty key');
  assert.equal((await ask('X-Other: a', 'X-Other: b', 'X-Socket-Id:')).status, 200);
  // Ids: the client's, if it is good; else drawn, and never one twice.
  assert.equal((await ask('X-Request-Id: a-good-one')).id, 'a-good-one');
  const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const ids = [];
  for (const lines of [['X-Request-Id:'], [`traceparent: ${trace}`], [`traceparent: ${trace}`, `traceparent: ${trace}`]]) ids.push((await ask(...lines)).id);
  // In the log a drawn id is its trace, too, and a trace that was told stays.
  ids.push((await ask()).id);
  await waitUntil('their lines in the log', async () => {
    const text = await readFile(path.join(stack.dir, 'data/run/gateway/logs/access.log'), 'utf8');
    return text.includes(`"req":"${ids.at(-1)}","trace":"${ids.at(-1)}"`) && text.includes(`"req":"${ids[1]}","trace":"${'a'.repeat(32)}"`);
  }, patient);
  for (let i = 0; i < 600; i++) ids.push((await ask()).id);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(new Set(ids).size, ids.length);
  wire.end();
};

/** Requests at the border of what the module lets pass at once (tunnel/heads.h), and what the gateway makes of them. */
const borders = [
  [200, 'GET /api/auth/me HTTP/1.1'],
  [200, `GET /api/auth/me?${'x'.repeat(484)} HTTP/1.1`],
  [200, `GET /api/auth/me?${'x'.repeat(1900)} HTTP/1.1`],
  [414, `GET /api/auth/me?${'x'.repeat(2000)} HTTP/1.1`],
  [200, 'GET /api/auth/me?a=/../%2e//#x HTTP/1.1'],
  [400, 'GET /api//auth/me HTTP/1.1'],
  [400, 'GET /api/auth/./me HTTP/1.1'],
  [400, 'GET /api/auth/me/.. HTTP/1.1'],
  [400, 'GET /api/auth/%2e/me HTTP/1.1'],
  [400, 'GET  /api/auth/me HTTP/1.1'],
  [400, 'GET http://localhost/api/auth/me HTTP/1.1'],
  [400, 'GET /api/auth/me\u00e9 HTTP/1.1'],
  [200, 'GET /api/auth/me HTTP/1.1', 'User-Agent: \u00e9'],
  [200, 'GET /api/auth/me HTTP/1.1', `User-Agent: ${'x'.repeat(400)}`],
  [200, 'GET /api/auth/me HTTP/1.1', 'X-Other: \u00e9', 'Accept-Encoding: gzip;q=0'],
  [400, 'GET /api/auth/me HTTP/1.1', 'Authorization: \u00e9'],
  [200, 'GET /api/auth/me HTTP/1.1', `X-Other: ${'x'.repeat(5000)}`],
  [431, 'GET /api/auth/me HTTP/1.1', `Authorization: ${'x'.repeat(5000)}`],
  [400, 'GET /api/auth/me HTTP/1.1', 'Content-Length: 2', '', '{}'],
  [200, 'GET /api/auth/me HTTP/1.1', 'Content-Length: 0'],
  [400, 'GET /api/auth/me HTTP/1.1', 'Transfer-Encoding: chunked', '', '0'],
  [405, 'PROPFIND /api/auth/me HTTP/1.1'],
];

const judges = (holdOf) => async () => {
  const stack = holdOf();
  const ann = await Person.signUp(stack.url, 'ann');
  for (const [status, line, ...lines] of borders) {
    const wire = await Wire.open({ host: 'localhost', port: stack.port });
    wire.write([line, `Host: localhost:${stack.port}`, `Cookie: ${ann.cookie}`, ...lines, '', ''].join('\r\n'));
    assert.equal((await wire.head()).status, status, [line, ...lines].join('; ').slice(0, 200));
    wire.end();
  }
};

/** Targets and agents at the border of what a line of the access log has of them, and what it has. */
const written = [
  [`/api/${'x'.repeat(195)}`, 'x', `/api/${'x'.repeat(195)}`, 'x'],
  [`/api/${'x'.repeat(196)}`, 'x', `/api/${'x'.repeat(195)}...`, 'x'],
  [`/api/${'x'.repeat(195)}?${'y'.repeat(290)}`, 'x', `/api/${'x'.repeat(195)}`, 'x'],
  ['/api/x?secret', 'y'.repeat(100), '/api/x', 'y'.repeat(100)],
  ['/api/x?a?b', 'y'.repeat(101), '/api/x', `${'y'.repeat(100)}...`],
  ['/api/x', 'y'.repeat(300), '/api/x', `${'y'.repeat(100)}...`],
  ['/api/x', 'y'.repeat(301), '/api/x', `${'y'.repeat(100)}...`],
  ['/api/x', '"a" \\ \'b\'', '/api/x', '"a" \\ \'b\''],
  ['/api/x', 'abc\tde', '/api/x', 'abc'],
  ['/api/%41~', '\u00e9', '/api/%41~', ''],
  ['/api/x', '', '/api/x', ''],
  ['/api/x', null, '/api/x', ''],
];

const writes = (holdOf) => async () => {
  const stack = holdOf();
  for (const [i, [target, agent]] of written.entries()) {
    const wire = await Wire.open({ host: 'localhost', port: stack.port });
    const lines = [`GET ${target} HTTP/1.1`, `Host: localhost:${stack.port}`, `X-Request-Id: is-written-${i}`, ...(agent === null ? [] : [`User-Agent: ${agent}`])];
    wire.write([...lines, '', ''].join('\r\n'));
    assert.equal((await wire.head()).status, 404);
    wire.end();
  }
  const all = await waitUntil('their lines in the log', async () => {
    const text = await readFile(path.join(stack.dir, 'data/run/gateway/logs/access.log'), 'utf8');
    const found = text.split('\n').filter((line) => line.includes('is-written-')).map(JSON.parse);
    return found.length === written.length && found;
  }, patient);
  for (const [i, [, , target, agent]] of written.entries()) {
    const line = all.find(({ req }) => req === `is-written-${i}`);
    assert.deepEqual([line.path, line.ua], [target, agent]);
  }
};

const linesOf = async (stack) => (await readFile(path.join(stack.dir, 'data/run/gateway/logs/access.log'), 'utf8'))
  .split('\n').filter(Boolean).map(JSON.parse);

/** With one line a second for an address: ten at once, the rest counted, and one of what fails. */
const samples = (holdOf, statusPort) => async () => {
  const stack = holdOf();
  const floods = 200;
  const begun = performance.now();
  const flood = async () => (await linesOf(stack)).filter((line) => line.path === '/api/flood');
  const one = async () => assert.equal((await fetch(`${stack.url}/api/flood`)).status, 404);
  for (let i = 0; i < floods; i++) await one();
  const wire = await Wire.open({ host: 'localhost', port: stack.port });
  const chunked = ['POST /api/auth/login HTTP/1.1', `Host: localhost:${stack.port}`, 'Transfer-Encoding: chunked', '', ''].join('\r\n');
  wire.write(chunked + '1\r\nx\r\n'.repeat(60000));
  assert.equal((await wire.head()).status, 500);
  wire.end();
  await waitUntil('the line of what failed', async () => (await linesOf(stack)).some(({ status }) => status === 500), patient);
  await waitUntil('the count of all', async () => {
    await one();
    const all = await linesOf(stack);
    return all.reduce((sum, line) => sum + line.left_out, (await flood()).length) >= floods;
  }, patient);
  const metrics = await (await fetch(`http://127.0.0.1:${statusPort}/metrics`)).text();
  const [, total] = /^parley_gateway_log_lines_left_out_total (\d+)$/m.exec(metrics);
  const { length } = await flood();
  const most = 12 + (performance.now() - begun) / 1000;
  assert.ok(length >= 10 && length <= most, `${length} lines`);
  assert.ok(Number(total) + length >= floods, `${total} and ${length}`);
};

describe('GATEWAY_LOG_LINES_PER_SECOND', async () => {
  const [port, other] = [await freePort(), await freePort()];
  const settings = (statusPort) => ({ GATEWAY_LOG_LINES_PER_SECOND: '1', GATEWAY_STATUS_LISTEN: `127.0.0.1:${statusPort}` });
  const hold = useStack({ before, after, afterEach }, settings(port));
  test('is what an address has; more are counted', samples(() => hold.stack, port));
  test('is the same without the module', () => withoutModule(settings(other), (stack) => samples(() => stack, other)()));
});

for (const [way, settings] of ways) describe(`GATEWAY_SOCKETS_PER_ADDRESS, of sockets ${way}`, () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_SOCKETS_PER_ADDRESS: '3', ...settings });
  test('counts a socket until it ends, beside polls', bounds(() => hold.stack));
  test('counts nothing of a process of nginx that was killed', { skip: !isBuilt }, killed(() => hold.stack));
  test('nor of one that was killed while its last sockets were open', { skip: !isBuilt || settings.HANDOVER_DIR !== '' }, killedLate(() => hold.stack));
  test('a head that says something twice ends here, and each request has an id', heads(() => hold.stack));
  test('a head at the border of what is usual is judged as any', judges(() => hold.stack));
  test('a line of the access log has as much of a target and an agent as it may, of any head', writes(() => hold.stack));
});

describe('ALLOWED_HOSTS', () => {
  const hold = useStack({ before, after, afterEach }, { ALLOWED_HOSTS: 'localhost' });

  test('lets only these pass, whatever else the head says', async () => {
    await judges(() => hold.stack)();
    for (const lines of [[], ['Origin: http://localhost', 'X-Other: \u00e9']]) {
      const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
      wire.write(['GET /api/auth/me HTTP/1.1', 'Host: other.example', ...lines, '', ''].join('\r\n'));
      assert.equal((await wire.head()).status, 421);
      wire.end();
    }
  });
});

describe('an address that a proxy tells', () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_SOCKETS_PER_ADDRESS: '3', GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1' });

  for (const [name, value] of [['X-Forwarded-For', (address) => address], ['Forwarded', (address) => `for=${address}`]]) {
    test(`by ${name} has its own seats`, async () => {
      const [ann, { port }] = [await Person.signUp(hold.stack.url, 'ann'), hold.stack];
      const wires = [];
      const ask = async (address) => {
        const wire = await Wire.open({ host: 'localhost', port });
        wires.push(wire);
        wire.write(handshake(socketIo, { Host: `localhost:${port}`, Cookie: ann.cookie, [name]: value(address) }));
        return (await wire.head()).status;
      };
      const statuses = [];
      for (let i = 0; i < 4; i++) statuses.push(await ask('192.0.2.7'));
      assert.deepEqual(statuses, [101, 101, 101, 429]);
      assert.equal(await ask('192.0.2.8'), 101);
      for (const wire of wires) wire.end();
    });
  }
});

describe('a crowd of addresses', () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1', GATEWAY_LOG_LINES_PER_SECOND: '10000' });

  test('that is more than the gateway remembers has all its lines', async () => {
    const [crowd, atOnce] = [12000, 200];
    const request = (i) => `GET /api/crowd HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.${i >> 8}.${i % 256}\r\n\r\n`;
    for (let first = 0; first < crowd; first += atOnce) {
      const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
      wire.write(Array.from({ length: atOnce }, (_, i) => request(first + i)).join(''));
      for (let i = 0; i < atOnce; i++) assert.equal((await wire.answer()).status, 404);
      wire.end();
    }
    await waitUntil('their lines', async () => (await linesOf(hold.stack)).filter((line) => line.path === '/api/crowd').length === crowd, patient);
  });
});

describe('more addresses with sockets than the gateway has memory for', { skip: !isBuilt }, () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1', SOCKETS_PER_USER_MAX: '1000' });

  test('are refused beyond it, and there is room once another has left', async () => {
    const { stack } = hold;
    const ann = await Person.signUp(stack.url, 'ann');
    const gateway = await stack.pidOf('gateway');
    const old = await children(gateway);
    const file = path.join(stack.dir, 'data/run/gateway/conf/limits.conf');
    await writeFile(file, (await readFile(file, 'utf8')).replace('tunnel_seats_zone 32m;', 'tunnel_seats_zone 32k;'));
    process.kill(gateway, 'SIGHUP');
    await waitUntil('new processes alone', async () => { const now = await children(gateway); return now.length > 0 && !now.some((pid) => old.includes(pid)); }, patient);
    const ask = async (i) => {
      const wire = await Wire.open({ host: 'localhost', port: stack.port });
      wire.write(handshake(socketIo, { Host: `localhost:${stack.port}`, Cookie: ann.cookie, 'X-Forwarded-For': `10.1.${i >> 8}.${i % 256}` }));
      return { wire, status: (await wire.head()).status };
    };
    const wires = [];
    let last;
    while ((last = await ask(wires.length)).status === 101 && wires.length < 500) wires.push(last.wire);
    last.wire.end();
    assert.equal(last.status, 429);
    assert.ok(wires.length > 20, `${wires.length}`);
    wires.pop().end();
    await waitUntil('room', async () => {
      const { wire, status } = await ask(1000);
      wires.push(wire);
      return status === 101;
    }, patient);
    for (const wire of wires) wire.end();
  });
});

/** `work` on a stack of programs that stand in a folder of their own, without the gateway's module. */
async function withoutModule(settings, work, prepare = () => {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'parley-build-'));
  const before = process.env.BUILD_DIR;
  let stack;
  try {
    for (const name of await readdir(build)) if (!name.startsWith('gateway-tunnel')) await symlink(path.join(build, name), path.join(folder, name));
    await prepare(folder);
    process.env.BUILD_DIR = folder;
    stack = await Stack.start(settings);
    await work(stack, folder);
  } finally {
    if (before === undefined) delete process.env.BUILD_DIR; else process.env.BUILD_DIR = before;
    await stack?.stop();
    await rm(folder, { recursive: true });
  }
}

test('a gateway without its module serves the same, within the same bounds', () => withoutModule({ GATEWAY_SOCKETS_PER_ADDRESS: '3' }, async (stack) => {
  await bounds(() => stack)();
  await heads(() => stack)();
  await judges(() => stack)();
  await writes(() => stack)();
}));

test('a module of another build is taken when the configuration is read anew', { skip: !isBuilt }, async () => {
  const name = 'gateway-tunnel.so';
  /** Another file of the same code: bytes after its end mean nothing. */
  const install = async (folder, more) => {
    await writeFile(path.join(folder, `${name}.new`), Buffer.concat([await readFile(path.join(build, name)), Buffer.alloc(more)]));
    await rename(path.join(folder, `${name}.new`), path.join(folder, name));
  };
  await withoutModule({ DRAIN_SECONDS: '1' }, async (stack, folder) => {
    const ann = await Person.signUp(stack.url, 'ann');
    const gateway = await stack.pidOf('gateway');
    const workers = async () => (await readFile(`/proc/${gateway}/task/${gateway}/children`, 'utf8')).trim().split(' ');
    const old = await workers();
    await install(folder, 8);
    await promisify(execFile)(path.join(root, 'deploy/local/upgrade.sh'), { env: { PATH: process.env.PATH, DATA_DIR: path.join(stack.dir, 'data') } });
    const { ino } = await stat(path.join(folder, name));
    await waitUntil('workers with the new one', async () => {
      const all = (await workers()).filter((pid) => !old.includes(pid));
      const maps = await Promise.all(all.map((pid) => readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '')));
      return all.length > 0 && maps.every((text) => text.includes(` ${ino} `));
    }, patient);
    await heads(() => stack)();
    const wire = await enter(stack, ann);
    wire.end();
  }, (folder) => install(folder, 0));
});
