// The recipes of deploy/README.md for a proxy in front, as they stand there, but for names, ports and files.
// Debian has no package of Traefik: its recipe is played if `traefik` is installed, or TRAEFIK names it.
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { io } from 'socket.io-client';
import { password, uniqueName } from '../support/api.mjs';
import { Stack, root } from '../support/stack.mjs';
import { freePort, patient, waitUntil, withDeadline } from '../support/wait.mjs';

const client = '127.0.0.3'; // where people come from
let dir, ca, stack, readme;
const file = (name) => path.join(dir, name);

before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'parley-proxies-'));
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', file('key.pem'), '-out', file('cert.pem')]);
  ca = await readFile(file('cert.pem'));
  readme = await readFile(path.join(root, 'deploy/README.md'), 'utf8');
  const settings = /```\n(NODE_ENV=production GATEWAY_TRUSTED_PROXIES="([^"]*)") make run\n```/.exec(readme);
  stack = await Stack.start({ NODE_ENV: 'production', GATEWAY_TRUSTED_PROXIES: settings[2], PING_INTERVAL_MS: '3000' });
}, { timeout: patient(60000) });
after(async () => {
  await stack?.stop();
  await rm(dir, { recursive: true, force: true });
}, { timeout: patient(30000) });

/** A recipe's text with the site's names, ports and files put in place of the example's. */
function recipe(name, port) {
  const text = new RegExp(`<!-- proxy ${name}: begin -->\\s*\`\`\`\\w*\\n([\\s\\S]*?)\`\`\`\\s*<!-- proxy ${name}: end -->`).exec(readme)[1];
  assert.match(text, /chat\.example\.org/);
  assert.match(text, /127\.0\.0\.1:5000/);
  return text.replaceAll('/etc/ssl/private/chat.example.org.key', file('key.pem')).replaceAll('/etc/ssl/chat.example.org.pem', file('cert.pem'))
    .replaceAll('127.0.0.1:5000', `127.0.0.1:${stack.port}`).replaceAll('[::]:443', '[::1]:443').replaceAll('443', port).replaceAll('chat.example.org', 'localhost');
}

const proxies = {
  nginx: {
    async command(port) {
      await writeFile(file('nginx.conf'), `daemon off; ${process.getuid() === 0 ? 'user root;' : ''} pid nginx.pid; error_log stderr; events {}
        http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
        ${recipe('nginx', port)} }`);
      return ['nginx', '-p', dir, '-e', 'stderr', '-c', file('nginx.conf')];
    },
  },
  caddy: {
    async command(port) {
      const site = recipe('caddy', port).replace('localhost {', `localhost:${port} {\n\ttls ${file('cert.pem')} ${file('key.pem')}`);
      await writeFile(file('Caddyfile'), `{\n\tadmin off\n\tauto_https off\n}\n${site}`);
      return ['caddy', 'run', '--config', file('Caddyfile'), '--adapter', 'caddyfile'];
    },
  },
  traefik: {
    program: process.env.TRAEFIK ?? 'traefik',
    async command(port) {
      await writeFile(file('parley.yml'), recipe('traefik', port));
      return [this.program, `--entryPoints.websecure.address=:${port}`, `--providers.file.filename=${file('parley.yml')}`, '--log.level=ERROR'];
    },
  },
};

const isInstalled = (program) => spawnSync('bash', ['-c', 'PATH=$PATH:/usr/sbin; command -v "$1"', 'bash', program]).status === 0;

for (const [name, proxy] of Object.entries(proxies)) {
  describe(`behind ${name}, as deploy/README.md has it`, { skip: !isInstalled(proxy.program ?? name) && `${name} is not installed` }, () => {
    let child, port, url, output = '';

    /** A request of somebody at another address than the proxy's. */
    const ask = (method, target, body, headers = {}) => withDeadline('an answer', new Promise((resolve, reject) => {
      const request = https.request(url + target, { method, ca, localAddress: client, family: 4, agent: false, headers: { 'content-type': 'application/json', ...headers } }, async (answer) => {
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += chunk;
        resolve({ status: answer.statusCode, headers: answer.headers, text });
      });
      request.on('error', reject).end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
    }), 15000);

    const signUp = async (person) => {
      const answer = await ask('POST', '/api/auth/signup',
        { fullName: person, username: uniqueName(person), password, confirmPassword: password, gender: 'female' }, { origin: url });
      assert.equal(answer.status, 201, answer.text);
      assert.match(answer.headers['set-cookie'][0], /; Secure/);
      return { id: JSON.parse(answer.text)._id, cookie: answer.headers['set-cookie'][0].split(';')[0] };
    };

    before(async () => {
      port = await freePort();
      url = `https://localhost:${port}`;
      const [program, ...args] = await proxy.command(port);
      child = spawn('setpriv', ['--pdeathsig', 'TERM', program, ...args],
        { cwd: dir, env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir } });
      child.ended = new Promise((resolve) => child.once('close', resolve));
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { output += text; });
      await waitUntil(`${name} to serve`, async () => {
        assert.equal(child.exitCode, null, output);
        return (await ask('GET', '/api/users').catch(() => ({}))).status === 401;
      }, { within: 15000 });
    }, { timeout: patient(30000) });
    after(async () => {
      child?.kill('SIGTERM');
      await child?.ended;
    }, { timeout: patient(30000) });

    for (const transports of [['polling', 'websocket'], ['websocket'], ['polling']]) {
      test(`two people chat, by ${transports.join(' and then ')}`, async (t) => {
        const [ann, bob] = [await signUp('ann'), await signUp('bob')];
        const socket = io(url, { ca, transports, forceNew: true, extraHeaders: { cookie: bob.cookie, origin: url } });
        t.after(() => socket.disconnect());
        await withDeadline('the socket', new Promise((resolve, reject) => { socket.once('connect', resolve).once('connect_error', reject); }));
        if (transports.length === 2) await waitUntil('the upgrade', () => socket.io.engine.transport.name === 'websocket');
        const got = new Promise((resolve) => { socket.once('newMessage', resolve); });
        const sent = await ask('POST', `/api/messages/send/${bob.id}`, { message: 'hello' }, { cookie: ann.cookie, origin: url });
        assert.equal(sent.status, 201, sent.text);
        assert.equal((await withDeadline('the message', got)).message, 'hello');
      });
    }

    test('a page of another origin, or of plain http, may neither send nor open a socket', async () => {
      const ann = await signUp('ann');
      for (const origin of ['https://evil.example', `http://localhost:${port}`]) {
        assert.equal((await ask('POST', `/api/messages/send/${ann.id}`, { message: 'x' }, { cookie: ann.cookie, origin })).status, 403);
        assert.equal((await ask('GET', '/socket.io/?EIO=4&transport=polling', undefined, { origin })).status, 403);
      }
    });

    test('people are told apart by their addresses, whatever they claim', async () => {
      const forged = { 'x-forwarded-for': '6.6.6.6', 'x-real-ip': '6.6.6.6', forwarded: 'for=6.6.6.6;proto=http;host=evil.example', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'evil.example' };
      const id = `${name}-forged`;
      assert.equal((await ask('GET', '/socket.io/?EIO=4&transport=polling', undefined, { origin: url, 'x-request-id': id, ...forged })).status, 200);
      const line = await waitUntil('the log', async () => (await readFile(path.join(stack.dir, 'data/run/gateway/logs/access.log'), 'utf8'))
        .split('\n').find((one) => one.includes(`"req":"${id}"`)));
      assert.equal(JSON.parse(line).ip, client);
    });

    test('the limits of bodies are Parley\'s, and say so in JSON', async () => {
      const { cookie, id } = await signUp('ann');
      const big = await ask('POST', `/api/messages/send/${id}`, { message: 'x'.repeat(150000) }, { cookie });
      assert.equal(big.status, 413);
      assert.equal(JSON.parse(big.text).code, 'TOO_LARGE');
      const packet = await ask('POST', '/socket.io/?EIO=4&transport=polling&sid=p1.none', '4'.repeat(999999), { cookie, 'content-type': 'text/plain' });
      assert.equal(packet.status, 400, packet.text);
      assert.match(packet.text, /Session ID unknown/);
      const bigPacket = await ask('POST', '/socket.io/?EIO=4&transport=polling&sid=p1.none', '4'.repeat(1000001), { cookie, 'content-type': 'text/plain' });
      assert.equal(bigPacket.status, 413);
      assert.equal(JSON.parse(bigPacket.text).code, 'TOO_LARGE');
    });

    test('a poll waits as long as Parley lets it', async () => {
      const { cookie } = await signUp('ann');
      const began = Date.now();
      const opened = JSON.parse((await ask('GET', '/socket.io/?EIO=4&transport=polling', undefined, { cookie })).text.slice(1));
      const waiting = withDeadline('the ping', new Promise((resolve, reject) => {
        https.get(`${url}/socket.io/?EIO=4&transport=polling&sid=${opened.sid}`, { ca, agent: false, headers: { cookie } }, async (answer) => {
          let text = '';
          for await (const chunk of answer.setEncoding('utf8')) text += chunk;
          resolve(text);
        }).on('error', reject);
      }), 10000);
      assert.equal(await waiting, '2');
      assert.ok(Date.now() - began > 2500);
    });
  });
}

test('no recipe waits less than a ping and its answer may take', () => {
  for (const [, seconds] of readme.matchAll(/proxy_(?:read|send)_timeout (\d+)s;/g)) assert.ok(Number(seconds) > 45);
  assert.equal([...readme.matchAll(/proxy_read_timeout/g)].length, 1);
});
