// Who may open and use a Socket.IO session at /socket.io/, through the gateway.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { handshake, Socket, Wire } from '../support/conformance.mjs';
import { mernClaims, now, signJwt } from '../support/jwt.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const listed = 'https://app.example.com';
const secret = 'a secret of the tests, long enough for HS256';
const hold = useStack({ before, after, afterEach }, { JWT_SECRET: secret, ALLOWED_ORIGINS: `${listed}, capacitor://localhost` });
const base = () => hold.stack.url;
const path = (sid) => `/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`;

const openPolling = async (person) => {
  const answer = await person.get(path());
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text.slice(1)).sid;
};

const upgrade = async (headers, query = 'EIO=4&transport=websocket') => {
  const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
  wire.write(handshake(`/socket.io/?${query}`, { Host: `localhost:${hold.stack.port}`, ...headers }));
  const { status } = await wire.head();
  wire.end();
  return status;
};

describe('a session belongs to whom its handshake named', () => {
  test('another user with its sid gets 400, and its owner goes on', async () => {
    const [ann, eve] = [await Person.signUp(base(), 'ann'), await Person.signUp(base(), 'eve')];
    const sid = await openPolling(ann);
    assert.equal((await ann.post(path(sid), '40', { 'content-type': 'text/plain' })).status, 200);
    for (const cookie of [eve.cookie, `jwt=a.b.c; ${eve.cookie}`]) {
      assert.equal((await ann.get(path(sid), { cookie })).status, 400);
      assert.equal((await ann.post(path(sid), '42["typing",{}]', { cookie, 'content-type': 'text/plain' })).status, 400);
      assert.equal(await upgrade({ Cookie: cookie }, `EIO=4&transport=websocket&sid=${sid}`), 400);
    }
    assert.match((await ann.get(path(sid))).text, /^40\{"sid"/);
  });

  // python-socketio sends headers={'Cookie': ...} with the handshake alone.
  test('a request that names nobody goes on by the sid, for GET, POST and upgrade; nobody without it', async () => {
    const [ann, bob] = [await Person.signUp(base(), 'ann'), await Person.signUp(base(), 'bob')];
    const expired = signJwt({ ...mernClaims(bob.id), exp: now() - 3600 }, secret);
    for (const cookie of ['', 'other=1', 'jwt=', 'jwt=a.b.c; jwt=x', `jwt=${expired}`]) {
      const nobody = { cookie, 'content-type': 'text/plain' };
      const sid = await openPolling(ann);
      assert.equal((await ann.post(path(sid), '40', nobody)).status, 200, cookie);
      assert.match((await ann.get(path(sid), nobody)).text, /^40\{"sid"/, cookie);
      assert.equal((await bob.send(ann, 'hello')).status, 201);
      await waitUntil('the message', async () => (await ann.get(path(sid), nobody)).text.includes('newMessage'));
      assert.equal(await upgrade({ Cookie: cookie }, `EIO=4&transport=websocket&sid=${sid}`), 101, cookie);
      assert.equal((await bob.get(path(sid))).status, 400, 'and nobody else came to own it');
      assert.equal((await ann.get(path(`${sid.slice(0, -1)}!`), nobody)).status, 400);
    }
  });

  test('whose cookie another application\'s joins goes on, and two people\'s go on for either of them alone', async () => {
    const [ann, bob, eve] = [await Person.signUp(base(), 'ann'), await Person.signUp(base(), 'bob'), await Person.signUp(base(), 'eve')];
    const sid = await openPolling(ann);
    const as = (cookie) => ann.post(path(sid), '42["x"]', { cookie, 'content-type': 'text/plain' });
    assert.equal((await ann.post(path(sid), '40', { cookie: `jwt=x; ${ann.cookie}`, 'content-type': 'text/plain' })).status, 200);
    assert.match((await ann.get(path(sid))).text, /^40\{"sid"/); // no event is taken before it
    assert.equal((await as(`${bob.cookie}; ${ann.cookie}`)).status, 200);
    assert.equal((await as(`${bob.cookie}; ${eve.cookie}`)).status, 400);
    assert.equal((await ann.get(path(sid), { cookie: '', authorization: `Bearer ${eve.cookie.split('=')[1]}` })).status, 400);
  });

  test('its user with a newer token goes on', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const sid = await openPolling(ann);
    const cookie = (await ann.logIn()).cookies[0].split(';')[0];
    assert.equal((await ann.post(path(sid), '40', { cookie, 'content-type': 'text/plain' })).status, 200);
    assert.match((await ann.get(path(sid), { cookie })).text, /^40\{"sid"/);
  });

  test('one that came in by auth.token is nobody else\'s either', async () => {
    const [ann, eve] = [await Person.signUp(base(), 'ann'), await Person.signUp(base(), 'eve')];
    const nobody = { cookie: '', 'content-type': 'text/plain' };
    const sid = JSON.parse((await ann.get(path(), nobody)).text.slice(1)).sid;
    await ann.post(path(sid), `40{"token":"${ann.cookie.split('=')[1]}"}`, nobody);
    assert.match((await ann.get(path(sid), nobody)).text, /^40\{"sid"/);
    assert.equal((await eve.get(path(sid))).status, 400);
  });

  test('takes a POST with Engine.IO\'s own answer, type and all', async () => {
    const url = `${hold.stack.url}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1));
    const answer = await fetch(`${url}&sid=${sid}`, { method: 'POST', body: '6' });
    assert.deepEqual([answer.status, answer.headers.get('content-type'), await answer.text()], [200, 'text/html', 'ok']);
  });

  test('is not begun by another method: Engine.IO\'s own refusal', async () => {
    const answer = await fetch(`${hold.stack.url}/socket.io/?EIO=4&transport=polling`, { method: 'PUT' });
    assert.deepEqual([answer.status, await answer.json()], [400, { code: 2, message: 'Bad handshake method' }]);
  });

  test('an unknown sid is refused', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const answer = await ann.get(path('p1.AAAAAAAAAAAAAAAAAAAAAA'));
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.json, { code: 1, message: 'Session ID unknown' });
  });
});

describe('a page of another site', () => {
  const evil = () => ['https://evil.example', 'null', `http://localhost:${hold.stack.port}.evil.example`,
    `https://localhost:${hold.stack.port}`, 'http://localhost:1', 'https://app.example.com.evil.example', '*'];

  test('gets 403 for polling and WebSocket', async () => {
    const ann = await Person.signUp(base(), 'ann');
    for (const origin of evil()) {
      const answer = await ann.get(path(), { origin });
      assert.equal(answer.status, 403, origin);
      assert.equal(answer.json.code, 'BAD_ORIGIN');
      assert.equal(answer.headers.get('access-control-allow-origin'), null);
      assert.equal(await upgrade({ Cookie: ann.cookie, Origin: origin }), 403, origin);
    }
  });

  test('cannot use a session either', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const sid = await openPolling(ann);
    const headers = { origin: 'https://evil.example', 'content-type': 'text/plain' };
    assert.equal((await ann.get(path(sid), headers)).status, 403);
    assert.equal((await ann.post(path(sid), '40', headers)).status, 403);
  });

  test('that is listed may, and CORS says so to it alone', async () => {
    const ann = await Person.signUp(base(), 'ann');
    for (const origin of [listed, 'HTTPS://APP.example.com', 'capacitor://localhost']) {
      const answer = await ann.get(path(), { origin });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('access-control-allow-origin'), origin);
      assert.equal(answer.headers.get('access-control-allow-credentials'), 'true');
      assert.match(answer.headers.get('vary'), /origin/i);
      assert.equal(await upgrade({ Cookie: ann.cookie, Origin: origin }), 101);
    }
  });

  test('and our own may, as may what is no page', async () => {
    for (const origin of [{ Origin: base() }, { Origin: base().toUpperCase() }, {}]) assert.equal(await upgrade(origin), 101);
  });
});

test('of 70 sessions without CONNECT an address keeps 50, and connected ones do not count', async () => {
  const ann = await Person.signUp(base(), 'ann');
  const connected = await ann.connect({ transports: ['websocket'], reconnection: false });
  const open = () => idle.filter(({ isClosed }) => !isClosed).length;
  const idle = Array.from({ length: 70 }, () => new Socket(`${base()}/socket.io/?EIO=4&transport=websocket`));
  try {
    for (const socket of idle) assert.match(await socket.take(), /^0\{/);
    await waitUntil('the others to be closed', () => open() <= 50, { within: 8000 });
    const late = await ann.connect({ transports: ['websocket'], reconnection: false });
    assert.ok(connected.connected && late.connected);
    assert.ok(open() > 20, 'not all of them'); // those of the tests before count, too
  } finally {
    for (const socket of idle) socket.close();
    ann.close();
  }
});
