// The edge: what the gateway answers itself, what it lets through, and what it adds.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, withDeadline } from '../support/wait.mjs';

const listed = 'https://chat.example.org';
const hold = useStack({ before, after, afterEach }, { ALLOWED_ORIGINS: `${listed}, http://localhost:3000 ,https://own.example:443` });
const base = () => hold.stack.url;
const get = (path, headers) => call(base(), 'GET', path, undefined, headers);
const isError = (answer, status) => {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.deepEqual(Object.keys(answer.json).sort(), ['code', 'error']);
  assert.match(answer.json.code, /^[A-Z_]+$/);
};

/** Bytes as they are; gives all that comes back until the other side closes. */
function raw(bytes) {
  return withDeadline('the end of the answer', new Promise((resolve, reject) => {
    const chunks = [];
    const socket = net.connect(hold.stack.port, 'localhost', () => socket.write(bytes));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.on('error', reject);
  }), 8000);
}
const statusOf = (answer) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

describe('a body that is coded', () => {
  test('is 415 and says what would be taken; one that is not, says so or not, is read', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const plain = JSON.stringify({ message: 'hello' });
    const bodies = { gzip: gzipSync(plain), 'x-gzip': gzipSync(plain), deflate: deflateSync(plain), br: brotliCompressSync(plain), GZip: gzipSync(plain),
      'identity, gzip': gzipSync(plain), 'gzip, gzip': gzipSync(gzipSync(plain)), zstd: plain, 'nothing-known': plain };
    for (const [coding, body] of Object.entries(bodies)) {
      for (const target of ['/api/auth/login', '/api/auth/signup', `/api/messages/send/${ann.id}`, `/api/users/status/${ann.id}`]) {
        const answer = await ann.post(target, body, { 'content-encoding': coding });
        isError(answer, 415);
        assert.deepEqual([answer.json.code, answer.headers.get('accept-encoding')], ['UNSUPPORTED_ENCODING', 'identity'], `${coding} ${target}`);
      }
    }
    assert.deepEqual((await ann.history(ann)).json, []);
    for (const coding of ['identity', 'Identity', 'identity, identity', ', identity,']) {
      assert.equal((await ann.send(ann, 'hello', { 'content-encoding': coding })).status, 201, coding);
    }
  });

  test('is none where there is no body, and is one where a second line says it', async () => {
    const ann = await Person.signUp(base(), 'ann');
    assert.equal((await ann.get('/api/auth/me', { 'content-encoding': 'gzip' })).status, 200);
    const lines = (...codings) => raw(`POST /api/auth/login HTTP/1.1\r\nHost: localhost:${hold.stack.port}\r\nConnection: close\r\n` +
      `Content-Type: application/json\r\nContent-Length: 2\r\n${codings.map((coding) => `Content-Encoding: ${coding}\r\n`).join('')}\r\n{}`);
    assert.equal(statusOf(await lines('identity', 'gzip')), 415);
    assert.equal(statusOf(await lines('gzip', 'identity')), 415);
    assert.match(await lines('identity', 'identity'), /username/);
    assert.equal((await ann.post('/api/auth/logout', undefined, { 'content-encoding': 'gzip' })).status, 200);
  });

  test('is refused at /socket.io/, too', async () => {
    const answer = await fetch(`${base()}/socket.io/?EIO=4&transport=polling&sid=x`, { method: 'POST', body: gzipSync('40'), headers: { 'content-encoding': 'gzip' } });
    assert.deepEqual([answer.status, (await answer.json()).code], [415, 'UNSUPPORTED_ENCODING']);
  });
});

describe('errors', () => {
  for (const path of ['/api', '/api/', '/api/nothing', '/api/auth/nothing', '/api/messages/', '/api/users/a/b/c', '/healthz', '/readyz', '/metrics']) {
    test(`${path} is unknown: 404`, async () => isError(await get(path), 404));
  }

  for (const [method, path, allow] of [
    ['GET', '/api/auth/signup', 'POST'], ['DELETE', '/api/auth/login', 'POST'], ['PUT', '/api/auth/logout', 'POST'],
    ['POST', '/api/auth/me', 'GET'], ['POST', '/api/users', 'GET'], ['PATCH', `/api/users/${'0'.repeat(24)}`, 'GET'],
    ['GET', `/api/messages/send/${'0'.repeat(24)}`, 'POST'], ['DELETE', `/api/messages/${'0'.repeat(24)}`, 'GET'],
  ]) {
    test(`${method} ${path.replace(/0{24}/, ':id')}: 405 with Allow`, async () => {
      const answer = await call(base(), method, path, method === 'GET' || method === 'DELETE' ? undefined : {});
      isError(answer, 405);
      assert.ok(answer.headers.get('allow').split(', ').includes(allow), answer.headers.get('allow'));
      assert.ok(!answer.headers.get('allow').split(', ').includes(method));
    });
  }

  for (const [method, path, allow] of [
    ['TRACE', '/api/auth/login', 'POST, OPTIONS'], ['PROPFIND', `/api/users/status/${'0'.repeat(24)}`, 'POST, OPTIONS'],
    ['TRACE', `/api/messages/send/${'0'.repeat(24)}?x`, 'POST, OPTIONS'], ['TRACE', '/api/users?x', 'GET, HEAD, OPTIONS'],
    ['TRACE', `/api/messages/${'0'.repeat(24)}`, 'GET, HEAD, OPTIONS'], ['TRACE', '/socket.io/', 'GET, HEAD, POST, OPTIONS'],
    ['POST', '/', 'GET, HEAD'], ['PUT', '/main.js', 'GET, HEAD'],
  ]) {
    test(`${method} ${path.replace(/0{24}/, ':id')}, by the gateway: 405 with what may be`, async () => {
      const answer = await raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      assert.equal(statusOf(answer), 405, answer);
      assert.equal(/^allow: (.*)\r$/im.exec(answer)[1], allow);
    });
  }

  test('a body over 100 KiB: 413', async () => {
    isError(await call(base(), 'POST', '/api/auth/signup', `{"x":"${'y'.repeat(102400)}"}`), 413);
  });

  test('not JSON: 415', async () => {
    isError(await call(base(), 'POST', '/api/auth/login', 'username=a', { 'content-type': 'application/x-www-form-urlencoded' }), 415);
  });

  test('a target of 1,999 bytes: 414, in JSON; one less is taken. More lines than four of 8 KiB: 431', async () => {
    const target = (bytes) => `/api/users?${'x'.repeat(bytes - '/api/users?'.length)}`;
    const ask = async (path, headers = '') => statusOf(await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`));
    assert.deepEqual([await ask(target(1998)), await ask(target(1999)), await ask(target(2000))], [401, 414, 414]);
    isError(await call(base(), 'GET', target(1999)), 414);
    const line = (i) => `X-${i}: ${'x'.repeat(7000)}\r\n`;
    assert.equal(await ask('/api/users', line(1) + line(2)), 401, 'what no service reads goes no further');
    const most = line(1) + line(2) + line(3) + line(4);
    assert.deepEqual([await ask('/api/users', most), await ask('/api/users', most + line(5))], [401, 431]);
    const one = (bytes) => `X-1: ${'x'.repeat(bytes - 'X-1: \r\n'.length)}\r\n`;
    assert.deepEqual([await ask('/api/users', one(8192)), await ask('/api/users', one(8193))], [401, 431]);
  });

  test('5,000 characters of headers that go on are taken, beside the longest of all else; one more: 431', async () => {
    const path = `/api/users/${'0'.repeat(24)}?${'x'.repeat(1998 - '/api/users/?'.length - 24)}`;
    const ask = async (headers) => {
      const lines = { Host: 'x', Connection: 'close', 'X-Request-Id': 'r'.repeat(64), 'If-None-Match': '"'.padEnd(499, 'e') + '"',
        Traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', ...headers };
      return raw(`GET ${path} HTTP/1.1\r\n${Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
    };
    const longest = { Cookie: `c=${'x'.repeat(3998)}`, 'User-Agent': 'u'.repeat(300) };
    const rest = (bytes) => ({ Origin: listed, Authorization: 'a'.repeat(bytes - listed.length) });
    assert.deepEqual([statusOf(await ask({ Authorization: 'a'.repeat(4999) })), statusOf(await ask({ Authorization: 'a'.repeat(5000) }))], [401, 431]);
    assert.deepEqual([statusOf(await ask({ ...longest, ...rest(699) })), statusOf(await ask({ ...longest, ...rest(700) }))], [401, 431]);
    assert.match(await ask({ ...longest, ...rest(700) }), /"code":"HEADERS_TOO_LARGE"/);
  });

  test('headers of 40 KB and an address of 9 KB: 4xx', async () => {
    const long = await raw(`GET /api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: ${'x'.repeat(40000)}\r\n\r\n`);
    assert.ok([400, 431].includes(statusOf(long)), long);
    const far = await raw(`GET /api/users?${'x'.repeat(9000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.equal(statusOf(far), 414, far);
  });
});

describe('every answer', () => {
  for (const [what, path] of [['of a service', '/api/users'], ['of the gateway', '/api/nothing'], ['of the socket', '/socket.io/?EIO=4&transport=polling']]) {
    test(`${what} is nosniff and no-store, and names no program`, async () => {
      const { headers } = await get(path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.doesNotMatch(headers.get('server') ?? '', /\d|kore/i);
      assert.match(headers.get('x-request-id'), /^[A-Za-z0-9_.-]{8,64}$/);
    });
  }

  test('keeps the request id that it was asked with', async () => {
    assert.equal((await get('/api/users', { 'x-request-id': 'abc-123-def' })).headers.get('x-request-id'), 'abc-123-def');
    assert.notEqual((await get('/api/users', { 'x-request-id': 'a"b c' })).headers.get('x-request-id'), 'a"b c');
  });

  test('of the page may be kept but asks first, and runs no foreign script', async () => {
    const { status, headers, text } = await get('/');
    assert.equal(status, 200);
    assert.match(headers.get('content-type'), /^text\/html/);
    assert.equal(headers.get('cache-control'), 'no-cache');
    assert.match(headers.get('content-security-policy'), /script-src 'self'/);
    assert.doesNotMatch(text, /<script(?![^>]*\ssrc=)[^>]*>/);
    assert.equal((await get('/no-such-file.js')).status, 404);
    assert.equal((await get('/.git/config')).status, 404);
  });
});

describe('the files of our page', () => {
  test('have a name that changes with them, and are kept for good; of another version, they are asked for again', async () => {
    const { text } = await get('/');
    const names = [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name]) => name);
    assert.ok(names.length > 20);
    for (const name of names) {
      assert.match(name, /^\/v\/[0-9a-f]{12}\//);
      const { status, headers } = await get(name);
      assert.equal(status, 200, name);
      assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
    }
    const other = await get('/v/0123456789ab/main.js');
    assert.deepEqual([other.status, other.headers.get('cache-control')], [200, 'no-cache']);
    assert.equal((await get('/v/0123456789ab/none.js')).status, 404);
    assert.equal((await get('/main.js')).headers.get('cache-control'), 'no-cache');
    assert.match((await get('/some/where')).text, /\/v\/[0-9a-f]{12}\/main\.js/, 'any other path is the page');
  });
});

describe('malformed requests end at the gateway', () => {
  const post = (headers, body) => `POST /api/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;
  for (const [what, bytes] of [
    ['two Content-Length', post('Content-Length: 2\r\nContent-Length: 3', '{}x')],
    ['Content-Length beside chunked', post('Content-Length: 2\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
    ['TRACE', 'TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['an absolute address', 'GET http://x/api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['an empty segment', 'GET //api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['encoded dots', 'GET /%2e%2e/api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['an encoded slash', 'GET /api%2fusers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['NUL', 'GET /api/us\0ers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['a body in GET', 'GET /api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 40\r\n\r\nGET /api/users HTTP/1.1\r\nHost: y\r\n\r\n....'],
    ['two Origins', post('Content-Length: 2\r\nOrigin: http://x\r\nOrigin: http://evil.example', '{}')],
    ['two Content-Types, the second behind a hundred other headers',
      post(`Content-Length: 2\r\n${Array.from({ length: 110 }, (_, i) => `X-${i}: y\r\n`).join('')}content-type: text/plain`, '{}')],
    ['two Idempotency-Keys', 'POST /api/messages/send/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 0\r\n\r\n'],
    ['no Host', 'GET /api/users HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ]) {
    test(what, async () => {
      const answer = await raw(bytes);
      assert.ok(statusOf(answer) >= 400 && statusOf(answer) < 500, answer.slice(0, 200));
      assert.equal(answer.match(/HTTP\/1\.1 /g).length, 1, 'one answer');
    });
  }
});

describe('a DELETE with a body', () => {
  // RFC 9110, section 9.3.5: it means nothing. Wrappers of fetch() and axios send one all the same.
  test('does what it does without one, however the body comes, and what follows on the connection is answered', async () => {
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(base(), name)));
    const json = { 'content-type': 'application/json', cookie: ann.cookie };
    const remove = (path, body) => call(base(), 'DELETE', path, body, json);
    assert.equal((await ann.post(`/api/users/block/${bob.id}`, {})).status, 200);
    assert.equal((await remove(`/api/users/block/${bob.id}`, {})).status, 200);
    const { json: message } = await ann.send(bob, 'hello');
    assert.ok((await remove(`/api/messages/message/${message._id}`, '{"x":')).json.deletedAt);
    assert.equal((await remove('/api/auth/avatar', 'x'.repeat(50000))).status, 200);
    isError(await remove('/api/auth/sessions/1', 'DELETE /api/auth/me HTTP/1.1\r\n\r\n'), 404);
    isError(await remove('/api/users', {}), 405);
    isError(await remove('/api/nowhere', {}), 404);
    isError(await remove(`/api/users/block/${bob.id}`, 'x'.repeat(102401)), 413);
    isError(await call(base(), 'DELETE', `/api/users/block/${bob.id}`, 'x', { ...json, 'content-type': 'text/plain' }), 415);
    const head = `DELETE /api/users/block/${bob.id} HTTP/1.1\r\nHost: localhost:${hold.stack.port}\r\nCookie: ${ann.cookie}\r\nContent-Type: application/json\r\n`;
    const get = `GET /api/auth/me HTTP/1.1\r\nHost: localhost:${hold.stack.port}\r\nCookie: ${ann.cookie}\r\nConnection: close\r\n\r\n`;
    for (const body of ['Content-Length: 2\r\n\r\n{}', 'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n', 'Content-Length: 0\r\n\r\n', '\r\n']) {
      const answers = await raw(head + body + get);
      assert.deepEqual([...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status), ['200', '200'], body);
      assert.match(answers, new RegExp(`"username":"${ann.user.username}"`));
    }
  });

  test('is read of /api/auth/me alone', async () => {
    const ann = await Person.signUp(base(), 'ann');
    isError(await ann.erase({ password: 'wrong password' }), 403);
    assert.equal((await ann.erase()).status, 200);
  });
});

describe('a WebSocket', () => {
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
  /** Status of a handshake; what was accepted is ended by a Close frame. */
  const open = async (lines, { target = '/socket.io/?EIO=4&transport=websocket', method = 'GET', http = '1.1' } = {}) => statusOf(await raw(Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/${http}\r\nHost: localhost:${hold.stack.port}\r\n${key}${lines.map((line) => `${line}\r\n`).join('')}\r\n`),
    Buffer.from([0x88, 0x80, 0, 0, 0, 0])])));

  // RFC 9110, sections 5.3, 7.6.1 and 7.8: both are lists, in any case, and may be split over lines.
  for (const lines of [
    ['Connection: Upgrade', 'Upgrade: websocket'], ['Connection: keep-alive, upgrade', 'Upgrade: WebSocket'],
    ['Connection: keep-alive', 'Connection: Upgrade', 'Upgrade: websocket'], ['Connection: Upgrade', 'Connection: keep-alive', 'Upgrade: websocket'],
    ['Connection: ,\tUpgrade ,', 'Upgrade: websocket'], ['Connection: Upgrade', 'Upgrade: h2c, websocket'], ['Connection: Upgrade', 'Upgrade: ,WebSocket ,h2c'],
    ['Upgrade: h2c', 'Connection: x', 'Upgrade: websocket', 'Connection: y,UPGRADE'],
  ]) test(`is opened by ${lines.join(' | ')}`, async () => assert.equal(await open(lines), 101));

  for (const lines of [
    ['Connection: keep-alive', 'Upgrade: websocket'], ['Connection: upgrades, x-upgrade', 'Upgrade: websocket'], ['Connection: Upgrade', 'Upgrade: h2c'],
    ['Connection: Upgrade', 'Upgrade: websockets, x-websocket'], ['Connection: Upgrade'], ['Upgrade: websocket'],
  ]) test(`is not by ${lines.join(' | ')}`, async () => assert.equal(await open([...lines, 'Connection: close']), 400));

  test('is not by another method or version', async () => {
    const lines = ['Connection: close', 'Connection: Upgrade', 'Upgrade: h2c, websocket'];
    assert.equal(await open(lines, { method: 'HEAD' }), 400);
    assert.equal(await open(lines, { http: '1.0' }), 400);
  });

  test('is opened, and polled, without a slash at the end, as a client with addTrailingSlash: false does', async () => {
    assert.equal(await open(['Connection: Upgrade', 'Upgrade: websocket'], { target: '/socket.io?EIO=4&transport=websocket' }), 101);
    const ann = await Person.signUp(base(), 'ann');
    for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
      const socket = await ann.connect({ transports, addTrailingSlash: false });
      assert.match((await socket.timeout(patient(5000)).emitWithAck('sendMessage', { to: ann.id, message: 'hi' })).message._id, /^[0-9a-f]{24}$/);
      socket.disconnect();
    }
    assert.equal((await get('/socket.io?EIO=4&transport=polling', { origin: 'https://evil.example' })).status, 403);
    // A POST may be as long as with the slash: of a session that there is not, all of it is read.
    const post = (bytes) => call(base(), 'POST', '/socket.io?EIO=4&transport=polling&sid=x', 'x'.repeat(bytes), { 'content-type': 'text/plain' });
    assert.deepEqual([(await post(1000000)).status, (await post(1000001)).status], [400, 413]);
  });

  // RFC 6455, section 11.3.4: in one line or several. A stock client that offers some gives up if none is accepted.
  test('speaks the first protocol that a client offers', async () => {
    const ann = await Person.signUp(base(), 'ann');
    for (const protocols of ['chat', ['v2.chat', 'chat']]) {
      const socket = await ann.connect({ transports: ['websocket'], protocols });
      assert.equal(socket.io.engine.transport.ws.protocol, [protocols].flat()[0]);
      socket.disconnect();
    }
    const lines = ['Connection: Upgrade', 'Upgrade: websocket'];
    for (const offered of [['Sec-WebSocket-Protocol: a', 'Sec-WebSocket-Protocol: b'], ['Sec-WebSocket-Protocol: a b'], ['Sec-WebSocket-Protocol:'], [`Sec-WebSocket-Protocol: ${'x'.repeat(1000)}`]]) {
      assert.equal(await open([...lines, ...offered]), 101, offered.join());
    }
  });

  test('nobody else is kept by an Upgrade that we do not do: h2c, as Java asks for', async () => {
    const answer = await raw(`GET /api/auth/me HTTP/1.1\r\nHost: localhost:${hold.stack.port}\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n\r\n`);
    assert.equal(statusOf(answer), 401);
  });
});

describe('who guesses passwords', () => {
  const limited = useStack({ before, after, afterEach }, { LIMIT_LOGIN_ACCOUNT: '10', LIMIT_LOGIN_ADDRESS: '60' });

  test('gets 429 with Retry-After, whatever X-Forwarded-For claims, and locks nobody else out', async () => {
    const ann = await Person.signUp(limited.stack.url, 'ann');
    const answers = [];
    for (let n = 0; n < 12; n++) {
      answers.push(await call(limited.stack.url, 'POST', '/api/auth/login',
        { username: ann.user.username, password: 'not this one' },
        { 'x-forwarded-for': `10.0.0.${n}`, 'x-real-ip': `10.0.1.${n}` }));
    }
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 2, answers.map(({ status }) => status).join(' '));
    isError(refused[0], 429);
    assert.ok(Number(refused[0].headers.get('retry-after')) >= 1);
    const other = await Person.signUp(limited.stack.url, 'bob');
    assert.equal((await other.logIn()).status, 200, 'another account from there may log in');
    assert.equal((await ann.get('/api/auth/me')).status, 200, 'and who is in stays in');
  });
});

describe('pages of other origins', () => {
  const logIn = (headers) => call(base(), 'POST', '/api/auth/login', { username: uniqueName('x'), password }, headers);

  for (const origin of ['https://evil.example', 'null', 'https://chat.example.org.evil.example', 'http://chat.example.org', 'https://chat.example.org:8443']) {
    test(`${origin} may change nothing and is told nothing`, async () => {
      const answer = await logIn({ origin });
      isError(answer, 403);
      assert.equal(answer.headers.get('access-control-allow-origin'), null);
      const socket = await get('/socket.io/?EIO=4&transport=polling', { origin });
      assert.equal(socket.status, 403);
    });
  }

  test('a page that the browser calls cross-site may change nothing', async () => {
    isError(await logIn({ 'sec-fetch-site': 'cross-site' }), 403);
  });

  test('the listed ones may, with credentials', async () => {
    const answer = await logIn({ origin: listed, 'sec-fetch-site': 'cross-site' });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('access-control-allow-origin'), listed);
    assert.equal(answer.headers.get('access-control-allow-credentials'), 'true');
    assert.match(answer.headers.get('vary'), /Origin/i);
    assert.match(answer.headers.get('access-control-expose-headers'), /^Link, ETag, /);
  });

  test('the listed ones may read what the gateway itself refuses, and no others', async () => {
    const refused = [
      ['POST', '/api/auth/login', 'x'.repeat(200_000), 413],
      ['PUT', '/api/users', undefined, 405],
      ['GET', '/api/none', undefined, 404],
      ['POST', '/socket.io/?EIO=4&transport=polling&sid=x', 'x'.repeat(1_100_000), 413],
    ];
    for (const [method, path, body, status] of refused) {
      for (const origin of [listed, 'HTTPS://Chat.example.org', 'http://localhost:3000', 'https://own.example']) {
        const answer = await call(base(), method, path, body, { origin });
        isError(answer, status);
        assert.equal(answer.headers.get('access-control-allow-origin'), origin, `${method} ${path}`);
        assert.equal(answer.headers.get('access-control-allow-credentials'), 'true');
        assert.match(answer.headers.get('vary'), /Origin/);
      }
      for (const origin of ['https://chatxexample.org', 'https://chat.example.org.evil.example', 'https://chat.example.org:8443', 'http://chat.example.org', 'null']) {
        const answer = await call(base(), method, path, body, { origin });
        isError(answer, status);
        assert.equal(answer.headers.get('access-control-allow-origin'), null, `${method} ${path} ${origin}`);
        assert.equal(answer.headers.get('access-control-allow-credentials'), null);
      }
    }
  });

  test('the listed ones may read openapi.json, and no others', async () => {
    const document = await get('/api/openapi.json', { origin: listed });
    assert.equal(document.headers.get('access-control-allow-origin'), listed);
    assert.equal(document.headers.get('access-control-allow-credentials'), 'true');
    assert.match(document.headers.get('vary'), /Origin/);
    assert.equal((await get('/api/openapi.json', { origin: 'https://evil.example' })).headers.get('access-control-allow-origin'), null);
  });

  test('where no body is needed the own one and the listed ones may call none a form, as axios does of null', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const logOut = (body, headers) => call(base(), 'POST', '/api/auth/logout', body, { ...form, ...headers });
    assert.equal((await logOut('', { origin: listed })).status, 200);
    assert.equal((await logOut('', { origin: base() })).status, 200);
    isError(await logOut('', { origin: 'https://evil.example' }), 403);
    isError(await logOut('', {}), 415); // an old browser's, of any page
    isError(await logOut('x=1', { origin: listed }), 415);
  });

  test('the listed ones may ask first', async () => {
    const answer = await call(base(), 'OPTIONS', '/api/auth/login', undefined,
      { origin: listed, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get('access-control-allow-origin'), listed);
    assert.match(answer.headers.get('access-control-allow-methods'), /POST/);
    assert.match(answer.headers.get('access-control-allow-headers'), /content-type/i);
  });

  for (const path of ['/api/auth/login', '/api/messages/send/1', '/api/users', '/socket.io/?EIO=4&transport=polling']) {
    for (const asked of [undefined, 'traceparent,tracestate,baggage', 'BAGGAGE, Sentry-Trace,x-requested-with', 'x-other']) {
      test(`the listed ones may send what tracing adds to ${path}, whether asked for by ${asked}`, async () => {
        const answer = await call(base(), 'OPTIONS', path, undefined,
          { origin: listed, 'access-control-request-method': 'GET', ...asked && { 'access-control-request-headers': asked } });
        assert.equal(answer.status, 204);
        const allowed = answer.headers.get('access-control-allow-headers').toLowerCase().split(/\s*,\s*/);
        for (const name of ['content-type', 'authorization', 'idempotency-key', 'x-socket-id', 'traceparent', 'tracestate', 'baggage',
          'sentry-trace', 'x-requested-with', 'if-none-match']) assert.ok(allowed.includes(name), `${name} in ${allowed}`);
      });
    }
  }

  test('others are told nothing of what may be sent', async () => {
    const answer = await call(base(), 'OPTIONS', '/api/auth/login', undefined,
      { origin: 'https://evil.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'traceparent' });
    assert.equal(answer.headers.get('access-control-allow-headers'), null);
  });

  test('the own one may, and so may who is no page', async () => {
    assert.equal((await logIn({ origin: base(), 'sec-fetch-site': 'same-origin' })).status, 400);
    assert.equal((await logIn({})).status, 400);
    assert.equal((await get('/socket.io/?EIO=4&transport=polling', { origin: base() })).status, 200);
  });
});
