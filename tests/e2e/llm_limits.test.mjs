// What asking the model may cost: limits that all responders share, a breaker, and TLS that is verified.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Person, call } from '../support/api.mjs';
import { LlmServer, answer } from '../support/llm_server.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const llm = await LlmServer.start();
after(() => llm.stop());
const own = { LLM_API_URL: `${llm.url}/v1`, RESPONDER_PROCESSES: '2' };
const lifted = { LIMIT_LLM_SENDER: '0', LIMIT_LLM_USER: '0' };

const signUp = (stack, name) => Person.signUp(stack.url, name);
async function busy(stack, name) {
  const person = await signUp(stack, name);
  await person.setStatus('BUSY');
  return person;
}
/** Send all [from, to] at once; gives how many replies of each kind came, and the calls they took. */
async function ask(pairs) {
  const calls = llm.requests.length;
  const sent = await Promise.all(pairs.map(async ([from, to]) => ({ from, to, id: (await from.send(to, 'hello')).json._id })));
  const kinds = { llm: 0, fallback: 0 };
  for (const { from, to, id } of sent) {
    const reply = await waitUntil('a reply', async () =>
      (await from.history(to)).json.find((m) => m.autoReply?.inReplyTo === id), { within: 12000 });
    kinds[reply.autoReply.kind]++;
  }
  return { ...kinds, calls: llm.requests.length - calls };
}
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));

describe('over two responders', () => {
  const hold = useStack({ before, after, afterEach }, { ...own, LIMIT_LLM_SENDER: '3', LIMIT_LLM_USER: '5' });

  test('one sender gets their limit of model replies, however many they ask for', async () => {
    const ann = await signUp(hold.stack, 'ann');
    const others = await Promise.all(times(4, (i) => busy(hold.stack, `busy${i}`)));
    assert.deepEqual(await ask(times(12, (i) => [ann, others[i % 4]])), { llm: 3, fallback: 9, calls: 3 });
  });

  test('one busy user gets their limit, whoever asks', async () => {
    const bob = await busy(hold.stack, 'bob');
    const senders = await Promise.all(times(6, (i) => signUp(hold.stack, `sender${i}`)));
    assert.deepEqual(await ask(times(12, (i) => [senders[i % 6], bob])), { llm: 5, fallback: 7, calls: 5 });
  });
});

describe('a day\'s quota', () => {
  const hold = useStack({ before, after, afterEach }, { ...own, ...lifted, LLM_DAILY_MAX: '7' });

  test('is kept over all responders and their restarts', async () => {
    const [ann, bob] = [await signUp(hold.stack, 'ann'), await busy(hold.stack, 'bob')];
    assert.deepEqual(await ask(times(5, () => [ann, bob])), { llm: 5, fallback: 0, calls: 5 });
    for (const name of ['responder1', 'responder2']) {
      const pid = await hold.stack.pidOf(name);
      process.kill(pid, 'SIGKILL');
      await waitUntil(`another ${name}`, async () => (await hold.stack.pidOf(name)) !== pid, { within: 10000 });
    }
    assert.deepEqual(await ask(times(5, () => [ann, bob])), { llm: 2, fallback: 3, calls: 2 });
    assert.deepEqual(await ask(times(5, () => [ann, bob])), { llm: 0, fallback: 5, calls: 0 });
  });
});

describe('a model that fails', () => {
  const hold = useStack({ before, after, afterEach }, { ...own, ...lifted, RESPONDER_PROCESSES: '1' });

  test('by sending us elsewhere is not followed there', async () => {
    let hits = 0;
    const inside = http.createServer((_, response) => { hits++; response.end('{}'); }).listen(0, '127.0.0.1');
    await once(inside, 'listening');
    const [ann, bob] = [await signUp(hold.stack, 'ann'), await busy(hold.stack, 'bob')];
    llm.script(answer(302, '', { location: `http://127.0.0.1:${inside.address().port}/latest/meta-data` }));
    assert.deepEqual(await ask([[ann, bob]]), { llm: 0, fallback: 1, calls: 1 });
    assert.deepEqual(await ask([[ann, bob]]), { llm: 1, fallback: 0, calls: 1 });
    assert.equal(hits, 0);
    inside.close();
  });

  test('five times in a row is not asked for a while, and replies come at once', async () => {
    const [ann, bob] = [await signUp(hold.stack, 'ann'), await busy(hold.stack, 'bob')];
    llm.script(...times(5, () => answer(500, { error: 'broken' })));
    for (let i = 0; i < 5; i++) assert.deepEqual(await ask([[ann, bob]]), { llm: 0, fallback: 1, calls: 1 });
    assert.deepEqual(await ask(times(10, () => [ann, bob])), { llm: 0, fallback: 10, calls: 0 });
    const history = (await ann.history(bob)).json;
    const created = new Map(history.map((m) => [m._id, Date.parse(m.createdAt)]));
    for (const { createdAt, autoReply } of history.filter((m) => m.autoReply).slice(-10)) {
      // 200 ms, were the machine ours alone: far below what waiting for the model takes.
      assert.ok(Date.parse(createdAt) - created.get(autoReply.inReplyTo) < patient(2000));
    }
    const targets = JSON.parse(await readFile(path.join(hold.stack.dir, 'data/run/targets.json'), 'utf8'));
    const [address] = targets.find(({ labels }) => labels.service === 'llm-responder').targets;
    assert.match((await call(`http://${address}`, 'GET', '/metrics')).text, /^parley_llm_breaker_open 1$/m);
  });
});

describe('a model that is slow', () => {
  const hold = useStack({ before, after, afterEach }, { ...own, ...lifted, RESPONDER_PROCESSES: '1', LLM_CONCURRENCY: '3' });

  test('is asked no more at once than it may be', async () => {
    const [ann, bob] = [await signUp(hold.stack, 'ann'), await busy(hold.stack, 'bob')];
    const { usual } = llm;
    let [now, most, isFull] = [0, 0, undefined];
    const full = new Promise((resolve) => { isFull = resolve; });
    llm.usual = async (request, response) => {
      most = Math.max(most, ++now);
      if (now === 3) isFull();
      await full; // the first three are there together
      setTimeout(() => { now--; usual(request, response); }, 300); // time for one too many
    };
    try {
      assert.deepEqual(await ask(times(9, () => [ann, bob])), { llm: 9, fallback: 0, calls: 9 });
      assert.equal(most, 3);
    } finally {
      llm.usual = usual;
    }
  });
});

describe('a model over TLS', () => {
  let dir, server, url;
  let hits = 0;
  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'parley-llm-'));
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(dir, name));
    await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
      '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert]);
    server = https.createServer({ cert: await readFile(cert), key: await readFile(key) }, (_, response) => { hits++; response.end('{}'); });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `https://localhost:${server.address().port}/v1`;
  });
  after(async () => {
    server.close();
    await rm(dir, { recursive: true, force: true });
  });
  const hold = useStack({ before, after, afterEach }, { ...lifted, get LLM_API_URL() { return url; }, LLM_API_TOKEN: 'hf_canary' });

  test('whose certificate nobody vouches for is told nothing, and the standard text comes', async () => {
    let connections = 0;
    server.on('connection', () => { connections++; });
    const [ann, bob] = [await signUp(hold.stack, 'ann'), await busy(hold.stack, 'bob')];
    assert.deepEqual(await ask([[ann, bob]]), { llm: 0, fallback: 1, calls: 0 });
    assert.ok(connections > 0, 'it was tried');
    assert.equal(hits, 0);
  });
});
