// WebSockets that the gateway has handed over to presence (gateway/tunnel/handover.h, shared/sockets/handover.h): what
// becomes of them, and of the seats of their address, when one of the two ends or stands still.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { frame, handshake, opcode, Wire } from '../support/conformance.mjs';
import { workerOf } from '../support/process.mjs';
import { root, Stack, useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const isBuilt = existsSync(path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), 'gateway-tunnel.so'));
const soon = { within: 20000 };
const SEATS = 5;

/** A WebSocket whose handshake has been written: its status is to come. */
async function ask(stack, person, headers = {}) {
  const wire = await Wire.open({ host: 'localhost', port: stack.port });
  wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `localhost:${stack.port}`, Cookie: person.cookie, ...headers }));
  return wire;
}

/** One that is in. The seats of those that were ended just now may still be taken. */
async function enter(stack, person, headers) {
  const wire = await waitUntil('a seat', async () => {
    const asked = await ask(stack, person, headers);
    const { status, lines } = await asked.head();
    if (status === 101) return Object.assign(asked, { lines });
    assert.equal(status, 429);
    asked.end();
    return null;
  }, soon);
  assert.match((await wire.frame()).data.toString(), /^0\{/);
  wire.write(frame(opcode.text, '40'));
  assert.match((await wire.frame()).data.toString(), /^40\{/);
  return wire;
}

async function answers(wire, id) {
  wire.write(frame(opcode.text, `42${id}["x"]`));
  for (;;) if ((await wire.frame()).data.toString().startsWith(`43${id}[`)) return;
}

const children = async (pid) => (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);
const nginx = async (stack) => children(await stack.pidOf('gateway'));

/** Has presence bytes to read, while it stands still? */
async function isWaitedFor(stack) {
  const port = Number(new URL(await stack.addressOf('presence')).port).toString(16).toUpperCase().padStart(4, '0');
  return (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
    .some(([, local, , state, queues]) => state === '01' && local.endsWith(`:${port}`) && !queues.endsWith(':00000000'));
}

/** All seats of this machine's address are free: as many more come in, and none beyond them. */
async function allSeatsAreFree(stack, person, taken = 0) {
  await waitUntil('the seats to be free', async () => {
    const wires = [];
    const statuses = [];
    for (let i = taken; i < SEATS; i++) {
      wires.push(await ask(stack, person));
      statuses.push((await wires.at(-1).head()).status);
    }
    for (const wire of wires) wire.end();
    return statuses.every((status) => status === 101);
  }, soon);
}

async function metric(stack, name) {
  const text = await (await fetch(`${await stack.addressOf('presence')}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))?.[1]);
}

describe('a WebSocket that was handed over', { skip: !isBuilt && 'the gateway has no module' }, () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_SOCKETS_PER_ADDRESS: String(SEATS), SOCKETS_PER_USER_MAX: '100', DRAIN_SECONDS: '1' });
  let ann;
  before(async () => { ann = await Person.signUp(hold.stack.url, 'ann'); });

  test('has an answer with the id of its request, and no descriptor of nginx', async () => {
    const wire = await enter(hold.stack, ann, { 'X-Request-Id': 'id-of-the-socket' });
    assert.ok(wire.lines.some((line) => /^x-request-id: id-of-the-socket$/i.test(line)));
    const hex = (port) => port.toString(16).toUpperCase().padStart(4, '0');
    const ends = [`:${hex(hold.stack.port)}`, `:${hex(wire.socket.localPort)}`]; // of the server's side
    const inode = (await readFile('/proc/net/tcp6', 'utf8') + await readFile('/proc/net/tcp', 'utf8')).split('\n')
      .map((line) => line.trim().split(/\s+/)).find((fields) => ends.every((end, i) => fields[1 + i]?.endsWith(end)))?.[9];
    const has = async (pid) => (await Promise.all((await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))))
      .includes(`socket:[${inode}]`);
    assert.ok(await has(await workerOf(await hold.stack.pidOf('presence1'))));
    for (const pid of await nginx(hold.stack)) assert.ok(!await has(pid));
    wire.end();
  });

  test('is not asked for by a client, whatever it says', async () => {
    // If it passed, one process of nginx would get what was promised to the other.
    for (const name of await readdir(path.join(hold.stack.dir, 'data/run/handover'))) {
      for (let i = 0; i < 4; i++) {
        const wire = await enter(hold.stack, ann, { 'Parley-Handover': name });
        assert.ok(!wire.lines.some((line) => /handover/i.test(line)));
        wire.end();
      }
    }
    // Past the gateway: a name that nobody has.
    const { hostname, port } = new URL(await hold.stack.addressOf('presence'));
    const direct = await Wire.open({ host: hostname, port });
    direct.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: 'localhost', Cookie: ann.cookie, 'Parley-Handover': '1' }));
    assert.equal((await direct.head()).status, 101);
    direct.end();
  });

  test('whose handshake came at once with another request goes on', async () => {
    const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
    const headers = { Host: `localhost:${hold.stack.port}`, Cookie: ann.cookie };
    const me = `GET /api/auth/me HTTP/1.1\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`;
    wire.write(me + handshake('/socket.io/?EIO=4&transport=websocket', headers));
    assert.equal((await wire.answer()).status, 200);
    assert.equal((await wire.head()).status, 101);
    assert.match((await wire.frame()).data.toString(), /^0\{/);
    wire.write(frame(opcode.text, '40'));
    for (let id = 1; id < 4; id++) await answers(wire, id);
    wire.end();
  });

  test('goes on when the gateway is killed, and so does the next one', async () => {
    const wire = await enter(hold.stack, ann);
    const gateway = await hold.stack.pidOf('gateway');
    for (const pid of [gateway, ...await children(gateway)]) process.kill(pid, 'SIGKILL');
    await answers(wire, 1);
    await waitUntil('the gateway to be back', async () => await hold.stack.pidOf('gateway') !== gateway && (await ann.get('/api/auth/me').catch(() => ({}))).status === 200, soon);
    await answers(await enter(hold.stack, ann), 2);
    await answers(wire, 3);
    wire.end();
  });

  test('ends at once when presence is killed, and its seat is free', async () => {
    const wires = [await enter(hold.stack, ann), await enter(hold.stack, ann)];
    const ended = Promise.all(wires.map((wire) => new Promise((resolve) => { wire.socket.once('close', resolve); })));
    process.kill(await workerOf(await hold.stack.pidOf('presence1')), 'SIGKILL');
    await ended;
    await allSeatsAreFree(hold.stack, ann);
  });

  test('whose client does not wait for the answer leaves nothing behind', async () => {
    const worker = await workerOf(await hold.stack.pidOf('presence1'));
    await waitUntil('no socket', async () => await metric(hold.stack, 'parley_sockets') === 0, soon);
    process.kill(worker, 'SIGSTOP');
    try {
      const wires = [];
      for (let i = 0; i < SEATS; i++) wires.push(await ask(hold.stack, ann));
      for (const wire of wires) wire.end();
    } finally { process.kill(worker, 'SIGCONT'); }
    await waitUntil('no socket', async () => await metric(hold.stack, 'parley_sockets') === 0, soon);
    await allSeatsAreFree(hold.stack, ann);
  });

  test('is not waited for longer than five seconds: its session ends, and its seat is free', async () => {
    const worker = await workerOf(await hold.stack.pidOf('presence1'));
    const workers = await nginx(hold.stack);
    await waitUntil('no socket', async () => await metric(hold.stack, 'parley_sockets') === 0, soon);
    process.kill(worker, 'SIGSTOP');
    try {
      const wire = await ask(hold.stack, ann);
      const ended = new Promise((resolve) => { wire.socket.once('close', resolve); });
      await waitUntil('its request to be at presence', () => isWaitedFor(hold.stack), soon);
      for (const pid of workers) process.kill(pid, 'SIGSTOP');
      process.kill(worker, 'SIGCONT'); // which promises now
      await waitUntil('its session', async () => await metric(hold.stack, 'parley_sockets') === 1, soon);
      await waitUntil('its end', async () => await metric(hold.stack, 'parley_sockets') === 0, soon);
      for (const pid of workers) process.kill(pid, 'SIGCONT');
      await ended;
    } finally { for (const pid of [worker, ...workers]) process.kill(pid, 'SIGCONT'); }
    await allSeatsAreFree(hold.stack, ann);
  });

  test('that ends while the gateway stands still gives its seat back later', async () => {
    const kept = await enter(hold.stack, ann);
    const wires = await Promise.all(Array.from({ length: SEATS - 1 }, () => enter(hold.stack, ann)));
    const workers = await nginx(hold.stack);
    for (const pid of workers) process.kill(pid, 'SIGSTOP');
    try {
      for (const wire of wires) wire.end();
      await waitUntil('one socket', async () => await metric(hold.stack, 'parley_sockets') === 1, soon);
      await answers(kept, 1);
    } finally { for (const pid of workers) process.kill(pid, 'SIGCONT'); }
    await allSeatsAreFree(hold.stack, ann, 1);
    await waitUntil('no other to be counted', async () => { // those of the line above have only just ended
      const more = await Promise.all(Array.from({ length: SEATS }, async () => { const wire = await ask(hold.stack, ann); return [wire, (await wire.head()).status]; }));
      for (const [wire] of more) wire.end();
      const refused = more.filter(([, status]) => status === 429).length;
      assert.ok(refused >= 1, 'the kept one is counted');
      return refused === 1;
    }, soon);
    kept.end();
  });
});

test('where the kernel takes no socket, WebSockets stay at the gateway', { skip: !isBuilt }, async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-'));
  const stack = await Stack.start({ HANDOVER_DIR: path.join(dir, 'longer-than-a-name-may-be'.repeat(5)) }, { dir });
  try {
    assert.match(await readFile(path.join(dir, 'data/run/gateway/logs/error.log'), 'utf8'), /WebSockets are not handed over/);
    await answers(await enter(stack, await Person.signUp(stack.url, 'ann')), 1);
  } finally { await stack.stop(); }
});
