// The Redis of containers and of the package: who knows its password may do what Parley does, and no more.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { LlmServer, say } from '../support/llm_server.mjs';
import { Stack, root } from '../support/stack.mjs';
import { freePort, patient, waitUntil } from '../support/wait.mjs';

const password = 'a-password-of-the-tests';
let dir, port, server, llm, stack;
const ask = (...words) => {
  try { return execFileSync('redis-cli', ['-p', String(port), '--no-auth-warning', '-a', password, ...words], { encoding: 'utf8' }).trim(); }
  catch (error) { return `${error.stdout}${error.stderr}`.trim(); }
};

before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'parley-rights-'));
  port = await freePort();
  const conf = execFileSync(path.join(root, 'deploy/redis/conf.sh'), ['127.0.0.1', String(port), dir, password], { encoding: 'utf8' });
  writeFileSync(path.join(dir, 'redis.conf'), conf);
  server = spawn('redis-server', [path.join(dir, 'redis.conf')], { stdio: 'ignore' });
  await waitUntil('Redis', () => ask('PING') === 'PONG');
  llm = await LlmServer.start();
  stack = await Stack.start({
    REDIS_URL: `redis://:${password}@127.0.0.1:${port}`, PRESENCE_PROCESSES: '2', LIMIT_LOGIN_ADDRESS: '60', LIMIT_LOGIN_ACCOUNT: '10',
    LLM_API_URL: `${llm.url}/v1`, LLM_API_TOKEN: 'a-token', LLM_MODEL: 'a-model',
  });
}, { timeout: patient(60000) });
after(async () => {
  await stack?.stop();
  await llm?.stop();
  server?.kill();
  rmSync(dir, { recursive: true, force: true });
}, { timeout: patient(30000) });

test('everything that Parley does is allowed', async () => {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
  const [hers, his] = [await ann.connect(), await bob.connect()];
  await waitUntil('each to see the other', () => [hers, his].every((socket) =>
    [ann, bob].every(({ id }) => socket.all('getOnlineUsers').at(-1)?.includes(id))), { within: 10000 });
  assert.equal((await bob.setStatus('BUSY')).status, 200);
  llm.script(say('In a while.'));
  assert.equal((await ann.send(bob, 'Now?')).status, 201);
  await waitUntil('the reply', () => hers.all('newMessage').some(({ message }) => message === 'In a while.'), { within: 15000 });
  his.emit('typing', { to: ann.id, isTyping: true });
  await waitUntil('typing', () => hers.all('typing').length > 0);
  assert.equal((await ann.logIn()).status, 200);
  assert.equal((await bob.post('/api/auth/logout', {})).status, 200);
  await waitUntil('bob to be out', () => !his.connected);
  // A process that goes says so, and the others hear it.
  process.kill(await stack.pidOf('presence2'), 'SIGTERM');
  await waitUntil('the other to be back', async () => (await ann.send(ann, 'still here')).status === 201, { within: 15000 });
  ann.close();
  bob.close();
  const logs = path.join(stack.dir, 'data/run/logs');
  const refused = readdirSync(logs).filter((name) => name.endsWith('.log')).flatMap((name) => readFileSync(path.join(logs, name), 'utf8').split('\n').filter((line) => /NOPERM|No permissions/.test(line)));
  assert.deepEqual(refused, []);
});

for (const words of [['GET', 'of-another'], ['SET', 'of-another', '1'], ['DEL', 'of-another'], ['PUBLISH', 'of-another', 'x'], ['SUBSCRIBE', 'of-another'],
  ['KEYS', '*'], ['SCAN', '0'], ['FLUSHALL'], ['FLUSHDB'], ['CONFIG', 'GET', '*'], ['CONFIG', 'SET', 'dir', '/'], ['DEBUG', 'SLEEP', '1'], ['MODULE', 'LOAD', '/x'],
  ['SHUTDOWN'], ['REPLICAOF', '127.0.0.1', '1'], ['SCRIPT', 'FLUSH'], ['CLIENT', 'LIST'], ['MONITOR'], ['ACL', 'LIST'], ['FUNCTION', 'LIST'], ['INFO'],
  ['EVAL', "return redis.call('FLUSHALL')", '0'], ['EVAL', "return redis.call('GET', 'of-another')", '0'], ['XGROUP', 'DESTROY', 'parley:replies', 'responders']]) {
  test(`${words.join(' ')} is refused`, () => assert.match(ask(...words), /NOPERM|No permissions|can't|not allowed|ACL failure/));
}

test('without the password nothing is', () => {
  assert.match(execFileSync('redis-cli', ['-p', String(port), 'PING'], { encoding: 'utf8' }), /NOAUTH/);
});
