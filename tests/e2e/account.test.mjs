// One's own account: profile, picture, password (issue 18, point 3). Two processes of auth and of presence.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call, password } from '../support/api.mjs';
import { bcryptHash, storeHash, storedHash } from '../support/database.mjs';
import { mernClaims, signJwt } from '../support/jwt.mjs';
import { exif, jpeg, jpegWith, png, pngSaying, sizeOf, webp } from '../support/pictures.mjs';
import { residentBytes, usedMs, workerOf } from '../support/process.mjs';
import { whileRedisStays } from '../support/redis.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { patience, patient, waitUntil } from '../support/wait.mjs';

const secret = 'a secret of the tests, long enough for HS256';
const hold = useStack({ before, after, afterEach }, { AUTH_PROCESSES: '2', PRESENCE_PROCESSES: '2', JWT_SECRET: secret });
const people = [];
const signUp = async (name, fields) => { const p = await Person.signUp(hold.stack.url, name, fields); people.push(p); return p; };
afterEach(() => { for (const p of people.splice(0)) p.close(); });
const testOfTold = (name, body) => test(name, () => whileRedisStays(hold.stack, body));

const cookieOf = (answer) => answer.cookies[0].split(';')[0];
const patch = (p, body, headers) => call(p.base, 'PATCH', '/api/auth/me', body, { cookie: p.cookie, ...headers });
const put = (p, bytes, headers) => call(p.base, 'PUT', '/api/auth/avatar', bytes, { cookie: p.cookie, 'content-type': 'image/png', ...headers });
const drop = (p) => call(p.base, 'DELETE', '/api/auth/avatar', undefined, { cookie: p.cookie });
const change = (p, body, headers) => p.post('/api/auth/password', body, headers);
const me = async (p) => (await p.get('/api/auth/me')).json;
const fetchPicture = async (base, path, options = {}) => {
  const response = await fetch(base + path, { ...options, signal: AbortSignal.timeout(patient(30000)) });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
};
const holds = (bytes, text) => bytes.includes(Buffer.from(text, 'latin1'));
const given = (p, word) => `https://avatar.iran.liara.run/public/${word}?username=${encodeURIComponent(p.user.username)}`;

/** Set it, and give what everybody sees then. */
async function shown(p, bytes, headers) {
  const answer = await put(p, bytes, headers);
  assert.equal(answer.status, 200, answer.text);
  return fetchPicture(p.base, answer.json.profilePic);
}

describe('a profile', () => {
  test('changes by what is named, and everywhere', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const renamed = await patch(ann, { fullName: 'Zoë O\'Neil "Z"', username: 'other', status: 'BUSY' });
    assert.deepEqual([renamed.status, renamed.json], [200, { ...ann.user, fullName: 'Zoë O\'Neil "Z"' }]);
    const turned = await patch(ann, { gender: 'male' });
    assert.deepEqual(turned.json, { ...renamed.json, profilePic: given(ann, 'boy') });
    assert.deepEqual(await me(ann), turned.json);
    const list = await bob.get('/api/users');
    assert.deepEqual(list.json.filter(({ _id }) => _id === ann.id).map(({ createdAt, updatedAt, ...user }) => user), [turned.json]);
    assert.equal((await bob.get('/api/users?q=oneil')).json.length + (await bob.get('/api/users?q=zoe')).json.length > 0, true);
    assert.equal((await bob.get(`/api/users/profile/${ann.id}`)).json.fullName, renamed.json.fullName);
    assert.deepEqual((await ann.logIn()).json, turned.json);
  });

  testOfTold('is told to who watches, with the picture, and to nobody else', async () => {
    const [ann, bob, eve] = [await signUp('ann'), await signUp('bob'), await signUp('eve')];
    const socket = await ann.connect({ auth: { presence: 'watch' } });
    const other = await eve.connect();
    await socket.timeout(patient(5000)).emitWithAck('watch', { users: [bob.id] });
    const answer = await patch(bob, { fullName: 'Bob Again' });
    await waitUntil('the name', () => socket.all('userUpdated').length === 1, { within: 1000 * patience });
    const pictured = await put(bob, png(8, 8));
    await waitUntil('the picture', () => socket.all('userUpdated').length === 2, { within: 1000 * patience });
    const dropped = await drop(bob);
    await waitUntil('the given one', () => socket.all('userUpdated').length === 3, { within: 1000 * patience });
    assert.deepEqual(socket.all('userUpdated'), [answer, pictured, dropped].map(({ json }) => ({ user: json })));
    assert.deepEqual(other.all('userUpdated'), []);
  });

  testOfTold('stays as it is if nothing is named, which nobody hears of', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const socket = await ann.connect({ auth: { presence: 'watch' } });
    await socket.timeout(patient(5000)).emitWithAck('watch', { users: [bob.id] });
    for (const body of [{}, { username: 'x' }, { status: 'BUSY', _id: ann.id }]) {
      const answer = await patch(bob, body);
      assert.deepEqual([answer.status, answer.json], [200, bob.user], JSON.stringify(body));
    }
    await patch(bob, { fullName: 'Bob Again' });
    await waitUntil('the name', () => socket.all('userUpdated').length > 0, { within: 5000 * patience });
    assert.deepEqual(socket.all('userUpdated').map(({ user }) => user.fullName), ['Bob Again']);
    assert.equal((await patch(bob, {}, { cookie: '' })).status, 401);
  });

  test('has a gender, which the settings for pages tell to oneself', async () => {
    const ann = await signUp('ann', { gender: 'female' });
    const settings = async () => (await ann.get('/api/auth/settings')).json;
    assert.deepEqual(await settings(), { gender: 'female', messageEditSeconds: 900 });
    await patch(ann, { gender: 'male' });
    assert.equal((await settings()).gender, 'male');
    assert.equal((await ann.get('/api/auth/settings', { cookie: '' })).status, 401);
    const wrong = await ann.post('/api/auth/settings', {});
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD, OPTIONS']);
  });

  test('refuses what breaks a rule, and stores nothing', async () => {
    const ann = await signUp('ann');
    const bad = [{ fullName: '' }, { fullName: 1 }, { fullName: null }, { fullName: { $gt: '' } }, { fullName: 'a'.repeat(101) },
      { fullName: 'a\u0001b' }, { fullName: 'ok', gender: 'other' }, { gender: null }, { gender: ['male'] }, { gender: '' }];
    for (const body of bad) {
      const answer = await patch(ann, body);
      assert.deepEqual([answer.status, answer.json?.code], [400, 'INVALID_FIELD'], JSON.stringify(body));
    }
    assert.equal((await patch(ann, '[]')).status, 400);
    assert.equal((await patch(ann, { fullName: 'x' }, { 'content-type': 'text/plain' })).status, 415);
    assert.equal((await patch(ann, { fullName: 'x' }, { cookie: '' })).status, 401);
    assert.equal((await patch(ann, { fullName: 'x' }, { origin: 'https://evil.example' })).status, 403);
    assert.deepEqual(await me(ann), ann.user);
  });
});

describe('a picture of one\'s own', () => {
  for (const [kind, bytes] of [['png', png(20, 10)], ['jpeg', jpeg], ['webp', webp]]) {
    test(`of ${kind} is served to everybody, and kept for good`, async () => {
      const ann = await signUp('ann');
      const answer = await put(ann, bytes, { 'content-type': 'text/html' });
      const { profilePic } = answer.json;
      assert.match(profilePic, new RegExp(`^/api/users/avatar/${ann.id}\\?v=[0-9a-f]{32}$`));
      assert.deepEqual([answer.json, await me(ann)], [{ ...ann.user, profilePic }, { ...ann.user, profilePic }]);
      const picture = await fetchPicture(ann.base, profilePic);
      const head = await fetchPicture(ann.base, profilePic, { method: 'HEAD' });
      for (const { status, headers } of [picture, head]) {
        assert.equal(status, 200);
        assert.equal(headers.get('content-type'), `image/${kind}`);
        assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
        assert.equal(headers.get('x-content-type-options'), 'nosniff');
        assert.equal(headers.get('content-disposition'), 'inline');
        assert.equal(headers.get('content-security-policy'), "default-src 'none'; sandbox");
        assert.equal(headers.get('content-length'), String(picture.bytes.length));
      }
      assert.equal(head.bytes.length, 0);
      assert.equal(sizeOf(picture.bytes).type, `image/${kind}`);
      const same = await fetchPicture(ann.base, profilePic, { headers: { 'if-none-match': picture.headers.get('etag') } });
      assert.deepEqual([same.status, same.bytes.length, same.headers.get('cache-control')], [304, 0, 'public, max-age=31536000, immutable']);
      for (const v of ['', '?v=', `?v=${'0'.repeat(32)}`, '?v=x&v=y']) {
        const other = await fetchPicture(ann.base, `/api/users/avatar/${ann.id}${v}`);
        assert.deepEqual([other.status, other.headers.get('cache-control')], [200, 'private, no-cache']);
        assert.deepEqual(other.bytes, picture.bytes);
      }
    });
  }

  test('has another address if it is another one, and the given one comes back', async () => {
    const ann = await signUp('ann');
    const addresses = new Set();
    for (const red of [10, 20, 10]) addresses.add((await put(ann, png(4, 4, () => [red, 0, 0]))).json.profilePic);
    assert.equal(addresses.size, 2);
    assert.equal((await patch(ann, { gender: 'male' })).json.profilePic, [...addresses][0]);
    for (let again = 0; again < 2; again++) {
      const answer = await drop(ann);
      assert.deepEqual([answer.status, answer.json.profilePic], [200, given(ann, 'boy')]);
    }
    const gone = await fetchPicture(ann.base, [...addresses][0]);
    assert.deepEqual([gone.status, JSON.parse(gone.bytes).code, gone.headers.get('cache-control')], [404, 'NO_AVATAR', 'no-store']);
  });

  test('keeps nothing but its pixels', async () => {
    const ann = await signUp('ann');
    const script = '<script>alert(document.domain)</script>';
    const zip = 'PK\x03\x04\x14\0\0\0\0\0zip';
    const hidden = [script, zip, 'GPS', 'Exif', 'eXIf', 'tEXt', 'ICC'];
    const files = [
      Buffer.concat([png(20, 10, undefined, [['tEXt', `Comment\0${script}`], ['eXIf', exif]]), Buffer.from(script + zip, 'latin1')]),
      Buffer.concat([jpegWith(0xe1, `Exif\0\0${exif}`), Buffer.from(script + zip, 'latin1')]),
      Buffer.concat([jpegWith(0xfe, script), Buffer.from(zip, 'latin1')]),
      jpegWith(0xe2, `ICC_PROFILE\0\x01\x01${script}`),
    ];
    for (const [i, file] of files.entries()) {
      const { bytes } = await shown(ann, file);
      for (const text of hidden) assert.ok(!holds(bytes, text), `${text} of file ${i}`);
      if (i === 0) assert.deepEqual(sizeOf(bytes), { type: 'image/png', width: 10, height: 20 });
      if (i === 1) assert.deepEqual(sizeOf(bytes), { type: 'image/jpeg', width: 8, height: 16 });
    }
  });

  test('is refused if it is none, too long or too big, and the one before stays', async () => {
    const ann = await signUp('ann');
    const before = (await put(ann, png(4, 4))).json;
    const bad = { text: '<svg onload="alert(1)">', gif: 'GIF89a\x01\0\x01\0\0\0\0;', cut: png(64, 64).subarray(0, 60),
      'cut JPEG': jpeg.subarray(0, jpeg.length - 20), 'cut WebP': webp.subarray(0, webp.length - 4), 'no pixels': pngSaying(0, 4, Buffer.alloc(4)), empty: '' };
    for (const [what, bytes] of Object.entries(bad)) {
      const answer = await put(ann, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
      assert.deepEqual([answer.status, answer.json?.code], [400, 'BAD_IMAGE'], what);
    }
    for (const [width, height] of [[1025, 1], [1, 1025], [65535, 65535], [0x7fffffff, 0x7fffffff]]) {
      const answer = await put(ann, pngSaying(width, height, Buffer.alloc(4000)));
      assert.deepEqual([answer.status, answer.json?.code], [400, 'IMAGE_TOO_LARGE'], `${width} by ${height}`);
    }
    const long = await put(ann, Buffer.concat([png(4, 4), Buffer.alloc(262144)]));
    assert.deepEqual([long.status, long.json?.code], [413, 'TOO_LARGE']);
    const longest = Buffer.concat([png(4, 4), Buffer.alloc(262144 - png(4, 4).length)]);
    assert.equal((await put(ann, longest)).status, 200);
    assert.equal((await put(ann, png(4, 4), { cookie: '' })).status, 401);
    assert.equal((await put(ann, png(4, 4), { origin: 'https://evil.example' })).status, 403);
    assert.equal((await put(ann, png(4, 4), { 'content-encoding': 'gzip' })).status, 415);
    assert.deepEqual(await me(ann), before);
    assert.equal((await ann.post('/api/auth/avatar', {})).status, 405);
    assert.equal((await call(ann.base, 'PATCH', '/api/auth/me', Buffer.alloc(200000, 32), { cookie: ann.cookie })).status, 413, 'longer bodies are the picture\'s alone');
    for (const [id, status, code] of [['0'.repeat(24), 404, 'NO_AVATAR'], ['x', 400, 'BAD_ID']]) {
      const answer = await fetchPicture(ann.base, `/api/users/avatar/${id}`);
      assert.equal(answer.status, status, id);
      assert.equal(JSON.parse(answer.bytes).code, code);
    }
  });

  test('may come in chunks', async () => {
    const ann = await signUp('ann');
    const file = png(200, 200, (x, y) => [x, y, (x * y) & 255]);
    const response = await fetch(`${ann.base}/api/auth/avatar`, { method: 'PUT', duplex: 'half', headers: { cookie: ann.cookie }, body: (async function* pieces() {
      for (let at = 0; at < file.length; at += 4000) yield file.subarray(at, at + 4000);
    }()) });
    assert.equal(response.status, 200);
  });

  test('is read so often at once by one address, and no more', async () => {
    const ann = await signUp('ann');
    const { profilePic } = (await put(ann, png(4, 4))).json;
    const workers = await Promise.all(['presence1', 'presence2'].map(async (name) => workerOf(await hold.stack.pidOf(name))));
    const signalAll = (name) => { for (const pid of workers) process.kill(pid, name); };
    /** Of 300 that are asked for while nobody answers: how many were refused, and how many answered in the end. */
    const countsOf300 = async () => {
      const statuses = [];
      signalAll('SIGSTOP');
      try {
        const all = Array.from({ length: 300 }, () => fetchPicture(ann.base, profilePic)
          .then(({ status }) => statuses.push(status), () => statuses.push('none')));
        await waitUntil('those beyond the limit to be refused', () => statuses.length >= 300 - 256, { within: 3000 });
        signalAll('SIGCONT');
        await Promise.all(all);
      } finally {
        signalAll('SIGCONT');
      }
      return [429, 200].map((one) => statuses.filter((status) => status === one).length);
    };
    // After four seconds the gateway gives up those that wait: on a machine that stands still, another time shows it.
    let counts;
    await waitUntil('as many as may be to wait, and the others to be refused', async () => {
      counts = await countsOf300();
      return counts[0] === 300 - 256 && counts[1] === 256;
    }, { within: 20000 }).catch((error) => { throw new Error(`${error.message}: ${counts}`, { cause: error }); });
  });

  test('that is a bomb costs little time and memory', async () => {
    const ann = await signUp('ann');
    const workers = await Promise.all(['auth1', 'auth2'].map(async (name) => workerOf(await hold.stack.pidOf(name))));
    const sum = async (of) => (await Promise.all(workers.map(of))).reduce((a, b) => a + b);
    const [time, memory] = [await sum(usedMs), await sum(residentBytes)];
    const zeros = Buffer.alloc(48 << 20);
    for (const bomb of [pngSaying(30000, 30000, zeros), pngSaying(1024, 1024, zeros), pngSaying(8, 8, zeros)]) await put(ann, bomb);
    assert.ok(await sum(usedMs) - time < 2500 * patience, `${await sum(usedMs) - time} ms`);
    assert.ok(await sum(residentBytes) - memory < 64 << 20, `${await sum(residentBytes) - memory} bytes`);
    assert.equal((await ann.get('/api/auth/me')).status, 200);
  });
});

describe('a password', () => {
  const next = 'another battery staple';
  const form = (fields) => ({ password, newPassword: next, confirmPassword: next, ...fields });

  test('changes, all other sessions and their sockets end within a second, this one stays', async () => {
    const ann = await signUp('ann');
    const others = [cookieOf(await ann.logIn()), cookieOf(await ann.logIn()), `jwt=${signJwt(mernClaims(ann.id), secret)}`];
    for (const cookie of others) assert.equal((await ann.get('/api/auth/me', { cookie })).status, 200);
    const own = await ann.connect({ reconnection: false });
    const sockets = await Promise.all(others.map((cookie) => ann.connect({ reconnection: false, extraHeaders: { cookie } })));
    const answer = await change(ann, form());
    assert.deepEqual([answer.status, answer.json, answer.cookies], [200, ann.user, []]);
    await waitUntil('their ends', () => sockets.every((socket) => !socket.connected), { within: 1000 * patience });
    const paths = ['/api/auth/me', '/api/users', `/api/messages/${'0'.repeat(24)}`];
    // Each process is told by itself. Three times, for there are two of some.
    const areRefused = async () => (await Promise.all([...paths, ...paths, ...paths].flatMap((path) =>
      others.map((cookie) => ann.get(path, { cookie }))))).every(({ status }) => status === 401);
    await waitUntil('all services to refuse', areRefused, { within: 1000 * patience });
    for (const path of paths) assert.notEqual((await ann.get(path)).status, 401);
    assert.ok(own.connected);
    assert.equal((await ann.get('/api/auth/sessions')).json.length, 1);
    assert.equal((await ann.logIn()).status, 400);
    const again = await call(ann.base, 'POST', '/api/auth/login', { username: ann.user.username, password: next });
    assert.equal(again.status, 200);
    assert.equal((await ann.get('/api/auth/me', { cookie: cookieOf(again) })).status, 200);
  });

  test('is refused with a wrong one, or a bad new one, and nobody is logged out', async () => {
    const ann = await signUp('ann');
    const other = cookieOf(await ann.logIn());
    const hash = await storedHash(hold.stack, ann);
    const wrong = await change(ann, form({ password: 'a wrong password' }));
    assert.deepEqual([wrong.status, wrong.json], [403, { error: 'The password is wrong', code: 'BAD_PASSWORD' }]);
    const bad = [{ newPassword: 'short', confirmPassword: 'short' }, { newPassword: 1 }, { password: undefined }, { password: { $gt: '' } }, { confirmPassword: undefined },
      { newPassword: ann.user.username, confirmPassword: ann.user.username }, { newPassword: 'x'.repeat(1025), confirmPassword: 'x'.repeat(1025) }, { password: 'x'.repeat(1025) }];
    for (const fields of bad) assert.deepEqual([(await change(ann, form(fields))).json?.code], ['INVALID_FIELD'], JSON.stringify(fields).slice(0, 80));
    const unequal = await change(ann, form({ confirmPassword: 'something else' }));
    assert.deepEqual([unequal.status, unequal.json.error], [400, 'Passwords don\'t match']);
    assert.equal((await change(ann, form(), { cookie: '' })).status, 401);
    assert.equal((await change(ann, form(), { origin: 'https://evil.example' })).status, 403);
    assert.equal(await storedHash(hold.stack, ann), hash);
    assert.equal((await ann.get('/api/auth/me', { cookie: other })).status, 200);
  });

  test('of the MERN application changes, too, and its own session goes on under a new cookie', async () => {
    const ann = await signUp('ann');
    await storeHash(hold.stack, ann, bcryptHash);
    const mern = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
    const answer = await change(ann, form(), { cookie: mern });
    assert.equal(answer.status, 200);
    assert.match(await storedHash(hold.stack, ann), /^\$argon2id\$/);
    for (const cookie of [mern, ann.cookie]) {
      await waitUntil('the end', async () => (await ann.get('/api/auth/me', { cookie })).status === 401, { within: 1000 * patience });
    }
    assert.equal((await ann.get('/api/auth/me', { cookie: cookieOf(answer) })).status, 200);
  });

  test('is not guessed through a session, nor are names and pictures changed all the time', async () => {
    const stack = await Stack.start({ LIMIT_LOGIN_ADDRESS: '1000', LIMIT_LOGIN_ACCOUNT: '10', LIMIT_PROFILE_PER_MINUTE: '12', LIMIT_AVATARS_PER_MINUTE: '3' });
    try {
      const ann = await Person.signUp(stack.url, 'ann');
      const begun = Date.now();
      const codes = [];
      for (let i = 0; i < 7; i++) codes.push((await change(ann, form({ password: `guess number ${i}` }))).status);
      assert.deepEqual(codes, [403, 403, 403, 403, 403, 429, 429]);
      assert.equal((await ann.logIn()).status, 429, 'they count as failed logins do');
      /** What is answered until the first refusal: it comes after `most`, and those that the time gives back. */
      const untilRefused = async (most, perMinute, begun, request) => {
        const answers = [];
        do answers.push(await request(answers.length)); while (answers.at(-1).status !== 429 && answers.length < 100);
        const back = (Date.now() - begun) * perMinute / 60000;
        assert.ok(answers.length > most && answers.length <= most + back + 1, `${answers.length} in ${Date.now() - begun} ms`);
        return answers;
      };
      await untilRefused(12 - 7, 12, begun, (i) => patch(ann, { fullName: `Ann ${i}` }));
      const pictures = await untilRefused(3, 3, Date.now(), (i) => put(ann, i === 0 ? png(4, 4) : Buffer.from('none')));
      assert.deepEqual(pictures.slice(0, 3).map(({ status }) => status), [200, 400, 400]);
      assert.ok(Number(pictures.at(-1).headers.get('retry-after')) > 0);
    } finally {
      await stack.stop();
    }
  });
});
