// Most heads the gateway's module judges in one look (gateway/tunnel/heads.h): a service and the access log
// get of each what they get from a gateway without it.   HEADS_SEED=N repeats a run.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Wire } from '../support/conformance.mjs';
import { Random, seedOf } from '../support/random.mjs';
import { root } from '../support/stack.mjs';
import { freePort, waitUntil } from '../support/wait.mjs';

const build = process.env.BUILD_DIR ?? path.join(root, 'build');
const isBuilt = existsSync(path.join(build, 'gateway-tunnel.so'));
const requests = 600;
const env = { PATH: `${process.env.PATH}:/usr/sbin`, GATEWAY_WORKERS: '1', GATEWAY_REQUESTS_PER_SECOND: '0', GATEWAY_LOG_LINES_PER_SECOND: '0' };

// ---- a service that keeps what it gets -----------------------------------------------------

const answer = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

/** The first request in `bytes`, whole, or null. */
function firstOf(bytes) {
  const end = bytes.indexOf('\r\n\r\n') + 4;
  if (end < 4) return null;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(bytes.slice(0, end))?.[1] ?? 0);
  return bytes.length < end + length ? null : bytes.slice(0, end + length);
}

async function listen(got) {
  const server = net.createServer((socket) => {
    let bytes = '';
    socket.setEncoding('latin1').on('error', () => {}).on('data', (text) => {
      bytes += text;
      for (let request; (request = firstOf(bytes)); bytes = bytes.slice(request.length)) {
        got.push(request);
        socket.write(answer);
      }
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return server;
}

// ---- a gateway in front of it --------------------------------------------------------------

async function start(folder, programs) {
  const got = [];
  const service = await listen(got);
  const [prefix, port] = [path.join(folder, 'gateway'), await freePort()];
  await promisify(execFile)('sh', [path.join(root, 'gateway/render.sh'), prefix], { env: { ...env, BUILD_DIR: programs, PORT: String(port) } });
  const line = (name) => `${name} p1 127.0.0.1:${service.address().port} up\n`;
  await writeFile(path.join(prefix, 'run/members'), ['auth', 'message', 'presence'].map(line).join(''));
  const nginx = spawn('setpriv', ['--pdeathsig', 'TERM', 'nginx', '-p', prefix, '-e', 'stderr', '-c', 'conf/nginx.conf'], { env, stdio: 'ignore' });
  const ended = new Promise((resolve) => { nginx.once('close', resolve); });
  await waitUntil('the gateway', () => Wire.open({ host: 'localhost', port }).then((wire) => { wire.end(); return true; }, () => false));
  return { got, port, log: path.join(prefix, 'logs/access.log'), stop: async () => { nginx.kill(); await ended; service.close(); } };
}

/** An id and a trace that were drawn are others each time. */
const withoutDrawn = (text) => text.replace(/^(x-request-id: )[0-9a-f]{32}$/im, '$1drawn').replace(/^(traceparent: 00-)[0-9a-f]{32}-[0-9a-f]{16}-00$/im, '$1drawn');

/** What the service got of `text`, and what was answered. */
async function ask(gateway, text) {
  const wire = await Wire.open({ host: 'localhost', port: gateway.port });
  gateway.got.length = 0;
  wire.write(Buffer.from(text, 'latin1'));
  const { status, lines } = await wire.head();
  wire.end();
  return {
    status, lines: lines.filter((line) => !line.startsWith('Date: ')).map(withoutDrawn),
    got: gateway.got.map((request) => withoutDrawn(request.replaceAll('\r\n', '\n'))),
  };
}

/** Lines of the access log, as far as both must have the same. */
const linesOf = (gateway) => waitUntil('all lines', async () => {
  const lines = (await readFile(gateway.log, 'utf8')).split('\n').filter(Boolean).map(JSON.parse);
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

test('a service and the log get the same of a head, whoever judges it', { skip: !isBuilt }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'parley-heads-'));
  const gateways = [];
  try {
    for (const name of ['with', 'without']) await mkdir(path.join(folder, name));
    await symlink(path.join(build, 'parley-settings'), path.join(folder, 'without/parley-settings'));
    gateways.push(await start(path.join(folder, 'with'), build));
    gateways.push(await start(path.join(folder, 'without'), path.join(folder, 'without')));
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
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await rm(folder, { recursive: true });
  }
});
