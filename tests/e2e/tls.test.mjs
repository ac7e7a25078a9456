// The gateway with a certificate of its own: https, HTTP/2, and everything live over it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { io } from 'socket.io-client';
import { password, uniqueName } from '../support/api.mjs';
import { Stack } from '../support/stack.mjs';
import { freePort, patient, waitUntil, withDeadline } from '../support/wait.mjs';

let stack, dir, ca, url, httpPort;
const file = (name) => path.join(dir, name);
const makeCertificate = async () => {
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', file('key.pem'), '-out', file('cert.pem')]);
  ca = await readFile(file('cert.pem'));
};

before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'parley-tls-'));
  await makeCertificate();
  httpPort = await freePort();
  stack = await Stack.spawn({ NODE_ENV: 'production', GATEWAY_TLS_CERT: file('cert.pem'), GATEWAY_TLS_KEY: file('key.pem'), GATEWAY_HTTP_PORT: String(httpPort),
    COOKIE_NAME: 'parley.jwt', GATEWAY_BIND: '127.0.0.1 [::1]', GATEWAY_TRUSTED_PROXIES: '10.0.0.0/8 fd00::/8',
    ALLOWED_HOSTS: 'localhost,127.0.0.1,[::1]', GATEWAY_BODY_SECONDS: '2' });
  stack.url = url = `https://localhost:${stack.port}`;
  await stack.ready();
}, { timeout: patient(60000) });
after(async () => {
  await stack?.stop();
  await rm(dir, { recursive: true, force: true });
}, { timeout: patient(30000) });

/** A request over HTTP/1.1. */
const ask = (method, target, body, headers = {}) => withDeadline('an answer', new Promise((resolve, reject) => {
  const request = https.request(url + target, { method, ca, headers: { 'content-type': 'application/json', ...headers } }, async (answer) => {
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk;
    resolve({ status: answer.statusCode, headers: answer.headers, text });
  });
  request.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
}), 15000);

/** Requests over one HTTP/2 connection; each is a list of headers, which may come twice. */
const askHttp2 = async (...requests) => {
  const client = http2.connect(url, { ca });
  try {
    return await withDeadline('answers', Promise.all(requests.map(({ body, ...headers }) => new Promise((resolve, reject) => {
      const stream = client.request(headers);
      let status, text = '';
      stream.setEncoding('utf8').on('response', (answer) => { status = answer[':status']; }).on('data', (data) => { text += data; })
        .on('end', () => resolve({ status, text })).on('error', reject).end(body);
    }))), 15000);
  } finally {
    client.close();
  }
};

const signUp = async () => {
  const answer = await ask('POST', '/api/auth/signup',
    { fullName: 'Ann', username: uniqueName('ann'), password, confirmPassword: password, gender: 'female' });
  assert.equal(answer.status, 201, answer.text);
  assert.match(answer.headers['set-cookie'][0], /; Secure/);
  return { id: JSON.parse(answer.text)._id, cookie: answer.headers['set-cookie'][0].split(';')[0] };
};

test('answers over HTTP/1.1 say that https it stays', async () => {
  const { status, headers } = await ask('GET', '/api/users');
  assert.equal(status, 401);
  assert.match(headers['strict-transport-security'], /^max-age=\d{7,}/);
});

test('answers over HTTP/2, in parallel', async () => {
  const { cookie } = await signUp();
  const answers = await askHttp2(...Array.from({ length: 20 }, () => ({ ':path': '/api/users', cookie })), { ':path': '/' });
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.match(answers.at(-1).text, /<!doctype html>/i);
});

test('over HTTP/2 a cookie that is split over headers is one, and one of our name beside ours does no harm', async () => {
  const [ann, bob] = [await signUp(), await signUp()];
  const name = ann.cookie.split('=')[0];
  const answers = await askHttp2(...[['a=b', ann.cookie], [`${name}=x`, ann.cookie, 'c=d'], [ann.cookie, `${name}=x; ${name}=`], [ann.cookie, bob.cookie]]
    .map((cookie) => ({ ':path': '/api/auth/me', cookie })));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 401]);
  assert.match(answers[3].text, /AMBIGUOUS_SESSION/);
});

test('over HTTP/2, too, a header that means something once may not come twice', async () => {
  const post = { ':method': 'POST', ':path': '/api/auth/login', body: '{}' };
  const [once, twice] = await askHttp2({ ...post, 'x-socket-id': 'a', 'content-type': 'application/json' },
    { ...post, 'x-socket-id': ['a', 'b'], 'content-type': 'application/json' });
  assert.match(once.text, /username/);
  assert.equal(twice.status, 400);
  assert.match(twice.text, /BAD_REQUEST/);
});

test('over HTTP/2, too, a body has its time; one that nobody asked for is not waited for', async () => {
  const client = http2.connect(url, { ca });
  const begin = (headers) => {
    const stream = client.request(headers, { endStream: false });
    const answer = { begun: performance.now(), text: '' };
    stream.setEncoding('utf8').on('response', (got) => { answer.status = got[':status']; }).on('data', (data) => { answer.text += data; }).on('error', () => {});
    return Object.assign(answer, { stream, closed: new Promise((resolve) => stream.on('close', resolve)) });
  };
  try {
    const late = begin({ ':method': 'POST', ':path': '/api/auth/login', 'content-type': 'application/json' });
    const drip = setInterval(() => late.stream.write(' '), 300);
    await withDeadline('its end', late.closed, 6000).finally(() => clearInterval(drip));
    assert.ok(performance.now() - late.begun > 1900);
    assert.ok([undefined, 408].includes(late.status), `${late.status}`);
    const odd = begin({ ':path': '/api/users' });
    odd.stream.write('nobody asked');
    await waitUntil('its answer', () => odd.status);
    assert.equal(odd.status, 401);
    odd.stream.destroy();
  } finally {
    client.destroy();
  }
});

test('over HTTP/2, too, and on the port of plain http, another host is not served', async () => {
  const [own, other] = await askHttp2({ ':path': '/api/users' }, { ':path': '/api/users', ':authority': 'evil.example' });
  assert.deepEqual([own.status, other.status], [401, 421]);
  assert.match(other.text, /UNKNOWN_HOST/);
  for (const port of [httpPort, stack.port]) {
    const answer = await withDeadline('an answer', new Promise((resolve, reject) => {
      http.get({ port, host: '127.0.0.1', path: '/', headers: { host: 'evil.example' } }, (got) => resolve(got.resume())).on('error', reject);
    }));
    assert.equal(answer.statusCode, 421, `${port}`);
  }
});

test('a page of its own may act, one of another scheme may not', async () => {
  assert.equal((await ask('POST', '/api/auth/login', {}, { origin: url })).status, 400);
  assert.equal((await ask('POST', '/api/auth/login', {}, { origin: url.replace('https', 'http') })).status, 403);
});

/** What a client that offers just this is given; null if that is nothing. */
const agreeOn = (offer) => withDeadline('an end', new Promise((resolve) => {
  const socket = tls.connect({ port: stack.port, host: 'localhost', ca, ...offer });
  const end = (agreed) => { socket.destroy(); resolve(agreed); };
  socket.once('error', () => end(null)).once('secureConnect', () => end(socket.getCipher()?.standardName));
}));

test('TLS before 1.2 is refused, and in 1.2 every cipher without forward secrecy and authenticated encryption', async () => {
  assert.equal(await agreeOn({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }), null);
  assert.match(await agreeOn({ minVersion: 'TLSv1.3' }), /^TLS_/);
  const taken = [];
  for (const cipher of tls.getCiphers().filter((name) => !name.startsWith('tls_'))) {
    const agreed = await agreeOn({ maxVersion: 'TLSv1.2', ciphers: `${cipher.toUpperCase()}:@SECLEVEL=0` });
    if (agreed) taken.push(agreed);
  }
  assert.ok(taken.length > 0);
  assert.deepEqual(taken.filter((name) => !/^TLS_ECDHE_.*_(GCM_SHA\d+|POLY1305_SHA256)$/.test(name)), []);
});

/** Over plain http, to one of its ports. */
const askPlainly = async (port, method, target) => {
  const answer = await fetch(`http://localhost:${port}${target}`, { method, redirect: 'manual' });
  await answer.text();
  return answer;
};

test('plain http is sent to https where a page is asked for, on either port, and else refused', async () => {
  for (const port of [stack.port, httpPort]) {
    const page = await askPlainly(port, 'GET', '/people/ann?tab=1');
    assert.deepEqual([page.status, page.headers.get('location')], [301, `${url}/people/ann?tab=1`]);
    assert.equal(page.headers.get('strict-transport-security'), null, 'RFC 6797 7.2');
    const login = await askPlainly(port, 'POST', '/api/auth/login');
    assert.deepEqual([login.status, login.headers.get('location')], [400, null]);
  }
});

for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
  test(`messages arrive by ${transports.join(' and ')}`, async () => {
    const [ann, bob] = [await signUp(), await signUp()];
    const socket = io(url, { ca, transports, extraHeaders: { cookie: bob.cookie }, forceNew: true });
    try {
      await withDeadline('the socket to connect', new Promise((resolve, reject) => {
        socket.once('connect', resolve).once('connect_error', reject);
      }));
      const got = new Promise((resolve) => socket.once('newMessage', resolve));
      const sent = await ask('POST', `/api/messages/send/${bob.id}`, { message: 'over TLS' }, { cookie: ann.cookie });
      assert.equal(sent.status, 201, sent.text);
      assert.equal((await withDeadline('the message', got)).message, 'over TLS');
    } finally {
      socket.disconnect();
    }
  });
}

test('a new certificate is taken by HUP, and cuts no socket', async () => {
  const [ann, bob] = [await signUp(), await signUp()];
  const socket = io(url, { ca, transports: ['websocket'], extraHeaders: { cookie: bob.cookie }, forceNew: true, reconnection: false });
  try {
    await withDeadline('the socket to connect', new Promise((resolve, reject) => {
      socket.once('connect', resolve).once('connect_error', reject);
    }));
    await makeCertificate(); // from now on the old one is not trusted
    process.kill(await stack.pidOf('gateway'), 'SIGHUP');
    await waitUntil('the new one', () => ask('GET', '/api/users').then(({ status }) => status === 401, () => false));
    const got = new Promise((resolve) => socket.once('newMessage', resolve));
    assert.equal((await ask('POST', `/api/messages/send/${bob.id}`, { message: 'still there?' }, { cookie: ann.cookie })).status, 201);
    assert.equal((await withDeadline('the message', got)).message, 'still there?');
  } finally {
    socket.disconnect();
  }
});
