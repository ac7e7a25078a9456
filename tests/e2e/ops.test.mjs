// What an operator asks each process on its own port: health, readiness, metrics.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Person, call } from '../support/api.mjs';
import { LlmServer } from '../support/llm_server.mjs';
import { root, useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const llm = await LlmServer.start();
after(() => llm.stop());
const hold = useStack({ before, after, afterEach }, {
  LLM_API_URL: `${llm.url}/v1`, LLM_API_TOKEN: 'hf_canary-that-no-metric-may-show', LLM_MODEL: 'a-model',
});

const services = ['auth', 'message', 'presence', 'llm-responder'];
/** Where each service is: what `make run` writes for Prometheus. */
async function addresses() {
  const targets = JSON.parse(await readFile(path.join(hold.stack.dir, 'data/run/targets.json'), 'utf8'));
  assert.deepEqual(targets.map((target) => target.labels.service), services);
  return Object.fromEntries(targets.map((target) => [target.labels.service, `http://${target.targets[0]}`]));
}

/** The value of one series. */
async function value(service, series) {
  const { text } = await call((await addresses())[service], 'GET', '/metrics');
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  assert.ok(line, `${service} has no ${series}`);
  return Number(line.slice(series.length));
}
/** The buckets of a histogram, the lowest first: [{le, count}]. */
async function buckets(service, name) {
  const { text } = await call((await addresses())[service], 'GET', '/metrics');
  return [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\d+)$`, 'mg'))]
    .map(([, le, count]) => ({ le: le === '+Inf' ? Infinity : Number(le), count: Number(count) }));
}
const becomes = (service, series, wanted) =>
  waitUntil(`${series} to be ${wanted}`, async () => await value(service, series) === wanted);

for (const service of services) {
  test(`${service} is healthy and ready`, async () => {
    const base = (await addresses())[service];
    const health = await call(base, 'GET', '/healthz');
    assert.deepEqual([health.status, health.json], [200, { status: 'ok' }]);
    const isUp = ({ status, json }) => isDeepStrictEqual([status, json], [200, { status: 'ok', db: 'up', redis: 'up' }]);
    await waitUntil('it to be ready', async () => isUp(await call(base, 'GET', '/readyz')));
  });

  test(`${service} has metrics that Prometheus' own checker finds no fault with`, async () => {
    const answer = await call((await addresses())[service], 'GET', '/metrics');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: answer.text, encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    assert.ok(!answer.text.includes('canary'));
  });
}

test('what people do is counted', async () => {
  const [ann, bob] = [await Person.signUp(hold.stack.url, 'ann'), await Person.signUp(hold.stack.url, 'bob')];
  const socket = await bob.connect({ transports: ['websocket'] });
  assert.equal((await ann.logIn()).status, 200);
  assert.equal((await call(hold.stack.url, 'POST', '/api/auth/login', { username: 'nobody', password: 'wrong password' })).status, 400);
  assert.equal((await bob.setStatus('BUSY')).status, 200);
  const begin = performance.now();
  assert.equal((await ann.send(bob, 'hello')).status, 201);
  await waitUntil('the message', () => socket.all('newMessage').length > 0);
  const tookAtMost = (performance.now() - begin) / 1000;
  assert.equal((await ann.send('0123456789abcdef01234567', 'hello')).status, 404);

  await becomes('auth', 'parley_signups_total{outcome="ok"}', 2);
  await becomes('auth', 'parley_logins_total{outcome="ok"}', 1);
  await becomes('auth', 'parley_logins_total{outcome="refused"}', 1);
  await becomes('message', 'parley_messages_total{outcome="ok"}', 1);
  await becomes('message', 'parley_messages_total{outcome="refused"}', 1);
  await becomes('presence', 'parley_sockets', 1);
  await becomes('presence', 'parley_users_here', 1);
  await becomes('presence', 'parley_delivery_seconds_count', 1);
  assert.equal((await buckets('presence', 'parley_delivery_seconds')).find(({ le }) => le >= tookAtMost).count, 1);
  await becomes('llm-responder', 'parley_replies_total{kind="llm"}', 1);
  await becomes('llm-responder', 'parley_llm_requests_total{outcome="ok"}', 1);
  assert.ok(await value('message', 'parley_store_seconds_count{call="write"}') >= 1);
  assert.ok(await value('message', 'parley_redis_seconds_count') >= 1);
  await becomes('message', 'parley_redis_up', 1);
  bob.close();
  await becomes('presence', 'parley_sockets_ended_total{reason="transport_close"}', 1);
  await becomes('presence', 'parley_sockets', 0);
});

test('the responder answers what is no route, or no GET, as HTTP has it', async () => {
  const base = (await addresses())['llm-responder'];
  assert.equal((await call(base, 'GET', '/api/users')).status, 404);
  const answer = await call(base, 'POST', '/metrics', {});
  assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD']);
});

const file = (name) => path.join(root, 'deploy', name);

test('alerts fire on what they are for, and on nothing less', () => {
  for (const args of [['check', 'rules', file('prometheus/alerts.yml')], ['test', 'rules', file('prometheus/alerts_test.yml')],
    ['check', 'config', file('prometheus/prometheus.yml')]]) {
    const checked = spawnSync('promtool', args, { encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  }
});

test('alerts and dashboard ask only for what is there', async () => {
  const texts = await Promise.all(Object.values(await addresses()).map(async (base) => (await call(base, 'GET', '/metrics')).text));
  const there = new Set(texts.join('\n').match(/^[a-z_]+(?=[{ ])/gm));
  there.delete('');
  const dashboard = JSON.parse(await readFile(file('grafana/parley.json'), 'utf8'));
  const wanted = [await readFile(file('prometheus/alerts.yml'), 'utf8'),
    ...dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr))].join('\n');
  const names = new Set(wanted.match(/\b(parley|process)_[a-z_]+/g));
  assert.ok(names.size > 20);
  assert.deepEqual([...names].filter((name) => !there.has(name)), []);
});
