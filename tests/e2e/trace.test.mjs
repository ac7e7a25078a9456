// One id tells a message's whole way, through every process that had a part in it; and no client can write
// into a log, or see what the processes tell one another.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { LlmServer, answer, say, silence } from '../support/llm_server.mjs';
import { useStack } from '../support/stack.mjs';
import { patience, waitUntil } from '../support/wait.mjs';

const llm = await LlmServer.start();
after(() => llm.stop());
const settings = { LLM_API_URL: `${llm.url}/v1`, LLM_API_TOKEN: 'a-token', LLM_MODEL: 'a-model' };
const hold = useStack({ before, after, afterEach }, settings);

const people = [];
afterEach(() => { for (const person of people.splice(0)) person.close(); });
/** ann, and bob who is busy. */
async function pair(stack = hold.stack) {
  const both = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
  people.push(...both);
  assert.equal((await both[1].setStatus('BUSY')).status, 200);
  return both;
}
const hex = (bytes) => randomBytes(bytes).toString('hex');
/** A trace as a client begins one. */
function begin(flags = '01') {
  const [id, parent] = [hex(16), hex(8)];
  return { id, header: `00-${id}-${parent}-${flags}` };
}

/** All lines with this text, of all logs: those of nginx and of each process. */
async function grep(text, stack = hold.stack) {
  const folder = path.join(stack.dir, 'data/run/logs');
  const lines = [];
  for (const name of (await readdir(folder)).filter((one) => one.endsWith('.log'))) {
    // The last one may be half written.
    for (const line of (await readFile(path.join(folder, name), 'utf8')).split('\n').slice(0, -1)) {
      if (line.includes(text)) lines.push(JSON.parse(line));
    }
  }
  return lines.sort((a, b) => (a.t < b.t ? -1 : 1));
}
const accessLine = (text, stack) => waitUntil(`an access line with ${text}`, async () =>
  (await grep(text, stack)).find(({ upstream }) => upstream !== undefined));
/** What was done under a trace, as "svc: msg"; the gateway's line has no msg. */
const steps = (lines) => lines.map(({ svc, msg }) => (svc ? `${svc}: ${msg}` : 'gateway')).sort();
/** The lines of a trace, once the gateway's is among them and `count` of what is looked for. */
const until = (id, { what, count }, stack) => waitUntil(`${count} times "${what}"`, async () => {
  const lines = await grep(id, stack);
  return lines.some(({ upstream }) => upstream !== undefined) &&
    lines.filter(({ msg }) => msg?.match(what)).length >= count && lines;
}, { within: 15000 });

/**
 * Presence, once it has begun, reads messages from the store for some seconds; whenever the machine stands still
 * for a moment it does so again. One that does all the time is not waited for: the lines say which way it was.
 */
const busTrusted = () => waitUntil('presence to trust the bus', async () =>
  (await grep('"msg":"bus is')).at(-1)?.msg === 'bus is trusted again', { within: 30000 / patience }).catch(() => {});
const left = 'message was left to be read from the store';

const sampledWay = [
  'gateway',
  'llm-responder: LLM answered', 'llm-responder: message was claimed for its reply', 'llm-responder: reply was stored',
  'message: message was stored',
  ...Array(4).fill('presence: message was delivered'), // newMessage and messageSent, of the message and of its reply
];

describe('a sampled send to a busy user', () => {
  test('is one trace from the gateway to the model and back, and no client sees it', async () => {
    await busTrusted();
    const [ann, bob] = await pair();
    const [hers, his] = [await ann.connect({ auth: { messageSent: true } }), await bob.connect({ auth: { messageSent: true } })];
    const trace = begin();
    llm.script(say('Later.'));
    const sent = await ann.send(bob, 'Lunch?', { traceparent: trace.header, 'x-request-id': 'request-of-ann' });
    assert.equal(sent.status, 201);
    assert.equal(sent.headers.get('x-request-id'), 'request-of-ann');
    await waitUntil('the reply', () => hers.all('newMessage').length > 0, { within: 10000 });
    const lines = (await until(trace.id, { what: /message was (delivered|left to.*)$/, count: 4 }))
      .map((line) => (line.msg === left ? { ...line, msg: 'message was delivered', sockets: line.sockets + 1 } : line));
    assert.deepEqual(steps(lines), sampledWay);
    for (const line of lines) assert.equal(line.trace, trace.id);

    const of = (msg) => lines.filter((line) => line.msg === msg);
    const [reply] = hers.all('newMessage');
    const { _id: message, senderId: sender, receiverId: receiver } = sent.json;
    const [stored] = of('message was stored');
    assert.deepEqual({ ...stored, t: 0 },
      { t: 0, lvl: 'info', svc: 'message', msg: 'message was stored', trace: trace.id, req: 'request-of-ann', message, sender, receiver, status: 'BUSY' });
    assert.equal((await accessLine(trace.id)).req, 'request-of-ann');
    assert.equal(of('message was claimed for its reply')[0].message, message);
    assert.deepEqual([of('reply was stored')[0].message, of('reply was stored')[0].reply], [message, reply._id]);
    const delivered = of('message was delivered').map(({ event, message: id, user, sockets }) => `${event} ${id} ${user} ${sockets}`).sort();
    assert.deepEqual(delivered, [
      `newMessage ${message} ${bob.id} 1`, `messageSent ${message} ${ann.id} 1`,
      `newMessage ${reply._id} ${ann.id} 1`, `messageSent ${reply._id} ${bob.id} 1`,
    ].sort());

    assert.equal(llm.requests.at(-1).headers.traceparent, trace.header);
    const seen = JSON.stringify([sent.text, [...sent.headers], hers.events, his.events, (await ann.history(bob)).text]);
    assert.ok(!seen.includes(trace.id) && !/trace/i.test(seen), seen);
    await waitUntil('newMessage', () => his.all('newMessage').length > 0);
    assert.deepEqual(his.all('newMessage'), [sent.json]);
  });

  test('keeps its trace where it is sent again under its key, and where the model fails', async () => {
    const [ann, bob] = await pair();
    const [first, again] = [begin(), begin()];
    llm.script(answer(500, { error: 'no' }));
    const sent = await ann.send(bob, 'once', { traceparent: first.header, 'idempotency-key': 'k' });
    const lines = await until(first.id, { what: 'reply was stored', count: 1 });
    assert.deepEqual(lines.filter(({ msg }) => /LLM|reply was/.test(msg)).map(({ msg, trace, kind }) => [msg, trace, kind]),
      [['LLM call failed', first.id, undefined], ['reply was stored', first.id, 'fallback']]);
    assert.equal((await ann.send(bob, 'once', { traceparent: again.header, 'idempotency-key': 'k' })).json._id, sent.json._id);
    const [repeated] = (await until(again.id, { what: 'under its key', count: 1 })).filter(({ svc }) => svc);
    assert.deepEqual([repeated.msg, repeated.message], ['message was stored before, under its key', sent.json._id]);
  });
});

describe('a trace', () => {
  test('that is not sampled costs no line but that of the gateway and of the stored reply', async () => {
    const [ann, bob] = await pair();
    const page = await ann.connect();
    const trace = begin('00');
    await ann.send(bob, 'hello', { traceparent: trace.header });
    await waitUntil('the reply', () => page.all('newMessage').length > 0, { within: 10000 });
    const lines = await until(trace.id, { what: 'reply was stored', count: 1 });
    assert.deepEqual(steps(lines), ['gateway', 'llm-responder: reply was stored']);
    assert.equal(llm.requests.at(-1).headers.traceparent, trace.header);
  });

  test('begins at the gateway where the client has none, and is the request id', async () => {
    const [ann, bob] = await pair();
    const page = await ann.connect();
    const sent = await ann.send(bob, 'hello');
    const id = sent.headers.get('x-request-id');
    assert.match(id, /^[0-9a-f]{32}$/);
    await waitUntil('the reply', () => page.all('newMessage').length > 0, { within: 10000 });
    const lines = await until(id, { what: 'reply was stored', count: 1 });
    for (const line of lines) assert.equal(line.trace, id);
    assert.match(llm.requests.at(-1).headers.traceparent, new RegExp(`^00-${id}-[0-9a-f]{16}-00$`));
  });

  test('stands in the lines of every service about a request', async () => {
    const trace = begin('00');
    await call(hold.stack.url, 'POST', '/api/auth/login', { username: 'nobody', password: 'wrong password' }, { traceparent: trace.header });
    const lines = await until(trace.id, { what: 'login failed', count: 1 });
    assert.deepEqual(steps(lines), ['auth: login failed', 'gateway']);
    assert.equal(new Set(lines.map(({ req }) => req)).size, 1);
  });

  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const parent = '00f067aa0ba902b7';
  const zero = '0'.repeat(32);
  for (const [what, header, known] of [
    ['of version 00', `00-${id}-${parent}-00`, true],
    ['with flags we do not know', `00-${id}-${parent}-fe`, true],
    ['of a later version', `01-${id}-${parent}-00`, true],
    ['of a later version with more fields', `cc-${id}-${parent}-00-what`, true],
    ['of version 00 with more fields', `00-${id}-${parent}-00-what`, false],
    ['of a later version with no dash behind it', `01-${id}-${parent}-00x`, false],
    ['of version ff', `ff-${id}-${parent}-00`, false],
    ['of an id of zeros', `00-${zero}-${parent}-00`, false],
    ['of a parent of zeros', `00-${id}-${zero.slice(16)}-00`, false],
    ['in upper case', `00-${id.toUpperCase()}-${parent}-00`, false],
    ['that would end a string', `00-${id}-${parent}-00","msg":"injected`, false],
    ['that would write a line', `00-${id}-${parent}-00\\n{"msg":"injected"}`, false],
    ['that is empty', '', false],
  ]) {
    test(`${what} ${known ? 'goes on' : 'is replaced, and its text stands nowhere'}`, async () => {
      const req = `r-${hex(8)}`;
      await call(hold.stack.url, 'POST', '/api/auth/login', { username: 'nobody', password: 'wrong password' }, { traceparent: header, 'x-request-id': req });
      const [gateway, service] = [await accessLine(req), (await grep(req)).find(({ svc }) => svc === 'auth')];
      assert.equal(service.trace, gateway.trace);
      assert.match(gateway.trace, /^[0-9a-f]{32}$/);
      assert.equal(gateway.trace === id, known);
      assert.notEqual(gateway.trace, zero);
      assert.deepEqual(await grep('injected'), []);
      if (!known && header) assert.deepEqual(await grep(header.slice(0, 55)), []);
    });
  }

  test('that comes twice is replaced, for it could be either', async () => {
    const req = `r-${hex(8)}`;
    const headers = { 'x-request-id': req, traceparent: [`00-${id}-${parent}-00`, `00-${id}-${parent}-00`] }; // fetch would join them
    await new Promise((resolve, reject) => {
      http.get(`${hold.stack.url}/api/auth/me`, { headers }, (answer) => answer.resume().on('end', resolve)).on('error', reject);
    });
    const { trace } = await accessLine(req);
    assert.match(trace, /^[0-9a-f]{32}$/);
    assert.notEqual(trace, id);
  });

  test('is the request id of another proxy, where that can be one', async () => {
    for (const [req, same] of [[hex(16), true], [hex(16).toUpperCase().replace(/\d/g, 'A'), false], [zero, false]]) {
      await call(hold.stack.url, 'GET', '/api/users', undefined, { 'x-request-id': req });
      const { trace } = await accessLine(`"req":"${req}"`);
      assert.match(trace, /^[0-9a-f]{32}$/);
      assert.equal(trace === req, same, req);
      assert.notEqual(trace, zero);
    }
  });
});

describe('where the responder dies over a message', () => {
  const two = useStack({ before, after, afterEach }, { ...settings, RESPONDER_PROCESSES: '2' });

  test('the other one goes on under the same trace', async () => {
    const [ann, bob] = await pair(two.stack);
    const trace = begin();
    llm.script(silence());
    await ann.send(bob, 'hello', { traceparent: trace.header });
    const first = await waitUntil('a claim', async () => (await grep(trace.id, two.stack)).find(({ msg }) => /claimed/.test(msg)));
    const asked = await waitUntil('the model to be asked', () => llm.requests.find(({ headers }) => headers.traceparent === trace.header));
    assert.ok(asked);
    const holder = await claimant(trace.id, two.stack);
    process.kill(await two.stack.pidOf(holder), 'SIGKILL');
    const lines = await until(trace.id, { what: 'reply was stored', count: 1 }, two.stack);
    assert.deepEqual(lines.filter(({ msg }) => /claimed/.test(msg)).map(({ attempt }) => attempt), [1, 2]);
    assert.equal(first.attempt, 1);
  });
});

/** The process whose log has the claim: "responder1". */
async function claimant(id, stack) {
  const folder = path.join(stack.dir, 'data/run/logs');
  for (const name of (await readdir(folder)).filter((one) => one.startsWith('responder'))) {
    if ((await readFile(path.join(folder, name), 'utf8')).includes(id)) return name.replace('.log', '');
  }
  throw new Error('no claim');
}
