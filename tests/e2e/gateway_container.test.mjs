// deploy/docker/gateway.sh, the gateway's container, ends: what was asked is answered first.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, symlink } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Stack, root } from '../support/stack.mjs';
import { freePort, waitUntil, withDeadline } from '../support/wait.mjs';

let stack, port, redisUrl, gateway, closed, output;

const connect = () => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
  socket.setEncoding('utf8').on('error', () => resolve(null));
});
const app = () => path.join(stack.dir, 'app');
const isRefusing = async () => {
  const another = await connect();
  another?.destroy();
  return another === null;
};

before(async () => {
  stack = await Stack.start({});
  const conf = await readFile(path.join(stack.dir, 'data/run/redis.conf'), 'utf8');
  const [redisHost, redisPort, secret] = ['bind', 'port', 'requirepass'].map((name) => new RegExp(`^${name} "?([^"\\n]+)`, 'm').exec(conf)[1]);
  redisUrl = `redis://:${secret}@${redisHost}:${redisPort}`;
  // The image's folder, in the stack's own.
  await mkdir(app());
  await copyFile(path.join(root, 'deploy/docker/gateway.sh'), path.join(app(), 'gateway.sh'));
  await symlink(path.join(root, 'gateway'), path.join(app(), 'gateway'));
  for (const name of ['gateway-follow', 'parley-settings', 'gateway-tunnel.so']) {
    await symlink(path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), name), path.join(app(), name));
  }
});
afterEach(async () => {
  if (gateway?.exitCode === null) gateway.kill();
  await closed;
});
after(() => stack?.stop());

/** Start it, in a folder of its own, until it knows who serves. */
async function startGateway(answerSeconds) {
  port = await freePort();
  output = '';
  gateway = spawn('setpriv', ['--pdeathsig', 'TERM', 'bash', path.join(app(), 'gateway.sh')], {
    cwd: await mkdtemp(path.join(stack.dir, 'gateway-')),
    env: { PATH: process.env.PATH, GATEWAY_LISTEN: `127.0.0.1:${port}`, REDIS_URL: redisUrl, GATEWAY_ERROR_LOG: 'stderr', GATEWAY_ANSWER_SECONDS: answerSeconds },
  });
  for (const stream of [gateway.stdout, gateway.stderr]) stream.setEncoding('utf8').on('data', (text) => { output += text; });
  closed = once(gateway, 'close');
  await waitUntil('the gateway to know who serves', async () =>
    (await fetch(`http://127.0.0.1:${port}/api/users`).catch(() => ({}))).status === 401, { within: 15000 }).catch((error) => {
    throw new Error(`${error.message}\n${output}`);
  });
}

test('a request that is under way when it is told to end is answered, and then it ends', async () => {
  await startGateway('15');
  const body = '{"username":"nobody","password":"nothing at all"}';
  const socket = await connect();
  let answer = '';
  socket.on('data', (text) => { answer += text; });
  socket.write(`POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
  // nginx has read the head, and waits for the body.
  await waitUntil('100 Continue', () => answer.startsWith('HTTP/1.1 100'));
  gateway.kill('SIGTERM');
  await waitUntil('no new connections', isRefusing);
  socket.write(body);
  await waitUntil('the answer', () => /HTTP\/1\.1 400 .*Invalid username or password/s.test(answer));
  const [code] = await withDeadline('the end', closed, 5000);
  assert.equal(code, 0, output);
});

test('sockets are cut after GATEWAY_ANSWER_SECONDS, and then it ends', async () => {
  await startGateway('1');
  const ann = await Person.signUp(`http://127.0.0.1:${port}`, 'ann');
  const socket = await ann.connect({ transports: ['websocket'], reconnection: false });
  const begun = performance.now();
  gateway.kill('SIGTERM');
  await waitUntil('no new connections', isRefusing);
  await waitUntil('its end', () => !socket.connected, { within: 5000 });
  assert.ok(performance.now() - begun >= 950, 'it had its time');
  const [code] = await withDeadline('the end', closed, 5000);
  assert.equal(code, 0, output);
  ann.close();
});
