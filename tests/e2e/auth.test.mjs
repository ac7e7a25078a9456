// Accounts and sessions, as the contract gives them: routes, texts, cookies, tokens.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import os from 'node:os';
import { after, afterEach, before, describe, test } from 'node:test';
import { bcryptHash, failurePeriodMs, storeHash, storeUsername, storedHash } from '../support/database.mjs';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { mernClaims, now, signJwt } from '../support/jwt.mjs';
import { workerOf } from '../support/process.mjs';
import { useStack } from '../support/stack.mjs';
import { patience, waitUntil } from '../support/wait.mjs';

const secret = 'a secret of the tests, long enough for HS256';
const hold = useStack({ before, after, afterEach }, { JWT_SECRET: secret });
const base = () => hold.stack.url;
const signUpWith = (fields) => call(base(), 'POST', '/api/auth/signup', fields);
const logInWith = (fields) => call(base(), 'POST', '/api/auth/login', fields);
const fieldsOf = (name, fields) => ({
  fullName: 'Ann Test', username: uniqueName(name), password, confirmPassword: password, gender: 'female', ...fields,
});
const attributes = (cookie) => cookie.split('; ').slice(1).map((part) => part.toLowerCase()).sort();
const usernames = async (viewer) => (await viewer.get('/api/users')).json.map((user) => user.username);

describe('signing up', () => {
  test('gives the user and a session cookie', async () => {
    const fields = fieldsOf('ann');
    const answer = await signUpWith(fields);
    assert.equal(answer.status, 201);
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    assert.match(answer.json._id, /^[0-9a-f]{24}$/);
    assert.deepEqual(answer.json, {
      _id: answer.json._id, fullName: 'Ann Test', username: fields.username,
      profilePic: `https://avatar.iran.liara.run/public/girl?username=${fields.username}`, status: 'AVAILABLE',
    });
    assert.equal(answer.cookies.length, 1);
    assert.match(answer.cookies[0], /^jwt=[\w-]+\.[\w-]+\.[\w-]+;/);
    assert.deepEqual(attributes(answer.cookies[0]), ['httponly', 'max-age=1296000', 'path=/', 'samesite=strict']);
  });

  test('encodes the name in the picture\'s address, and takes any script', async () => {
    const username = uniqueName('Zoë & Ærø 你好?#');
    const { status, json } = await signUpWith(fieldsOf('', { username, fullName: '张 伟 👩‍🚀', gender: 'male' }));
    assert.equal(status, 201);
    assert.equal(json.profilePic, `https://avatar.iran.liara.run/public/boy?username=${encodeURIComponent(username)}`);
    assert.equal(json.fullName, '张 伟 👩‍🚀');
    assert.equal(json.username, username);
  });

  test('signs a token with userId, iat, exp and jti, good for 15 days', async () => {
    const begun = now();
    const ann = await Person.signUp(base(), 'ann');
    const [head, body] = ann.cookie.split('=')[1].split('.').map((part) => {
      try { return JSON.parse(Buffer.from(part, 'base64url')); } catch { return null; }
    });
    assert.equal(head.alg, 'HS256');
    assert.equal(body.userId, ann.id);
    assert.equal(body.exp - body.iat, 15 * 86400);
    assert.ok(body.iat >= begun && body.iat <= now(), `${body.iat} from ${begun} on`);
    assert.equal(typeof body.jti, 'string');
  });

  test('lets one of many have a name', async () => {
    const fields = fieldsOf('same');
    const answers = await Promise.all(Array.from({ length: 20 }, () => signUpWith(fields)));
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      assert.equal(answer.status, 400);
      assert.equal(answer.json.error, 'Username already exists');
      assert.equal(answer.cookies.length, 0);
    }
  });

  test('ignores members it does not know, and stores none of them', async () => {
    const answer = await signUpWith(fieldsOf('ann', { status: 'BUSY', _id: 'f'.repeat(24), isAdmin: true, profilePic: 'x' }));
    assert.equal(answer.status, 201);
    assert.notEqual(answer.json._id, 'f'.repeat(24));
    assert.equal(answer.json.status, 'AVAILABLE');
    assert.match(answer.json.profilePic, /^https:/);
    assert.ok(!('isAdmin' in answer.json));
  });

  const without = (field) => Object.fromEntries(Object.entries(fieldsOf('bad')).filter(([name]) => name !== field));
  const passwords = (text) => ({ password: text, confirmPassword: text });
  const bad = [
    ...['fullName', 'username', 'password', 'confirmPassword', 'gender'].flatMap((field) => [
      [`no ${field}`, () => without(field), field],
      [`null as ${field}`, () => fieldsOf('bad', { [field]: null }), field],
      [`an object as ${field}`, () => fieldsOf('bad', { [field]: { $gt: '' } }), field],
      [`a number as ${field}`, () => fieldsOf('bad', { [field]: 12345678 }), field],
      [`an array as ${field}`, () => fieldsOf('bad', { [field]: ['abcdefgh'] }), field],
    ]),
    ['an empty fullName', () => fieldsOf('bad', { fullName: '' }), 'fullName'],
    ['a fullName of 101 characters', () => fieldsOf('bad', { fullName: 'ß'.repeat(101) }), 'fullName'],
    ['a control character in fullName', () => fieldsOf('bad', { fullName: 'a\nb' }), 'fullName'],
    ['an empty username', () => fieldsOf('bad', { username: '' }), 'username'],
    ['a username of 65 characters', () => fieldsOf('bad', { username: 'x'.repeat(65) }), 'username'],
    ['a space before the username', () => fieldsOf('bad', { username: ` ${uniqueName('x')}` }), 'username'],
    ['a space after the username', () => fieldsOf('bad', { username: `${uniqueName('x')}\u00a0` }), 'username'],
    ['a control character in username', () => fieldsOf('bad', { username: `${uniqueName('x')}\u0007b` }), 'username'],
    ...['fullName', 'username'].flatMap((field) => [
      ['white space', ' \u3000'], ['a Hangul filler', '\u3164'], ['a blank of Braille', '\u2800'], ['a zero-width space', '\u200b'],
      ['joiners', '\u200d\u200c'], ['a selector', '\ufe0f'], ['tags', '\u{e0061}\u{e007f}'], ['a soft hyphen', '\u00ad'],
      ['an override', `${uniqueName('x')}\u202eb`], ['an isolate', `\u2066${uniqueName('x')}`], ['a direction mark', `${uniqueName('x')}\u200f`],
    ].map(([what, name]) => [`${what} as ${field}`, () => fieldsOf('bad', { [field]: name }), field])),
    ['a username that looks like another', () => fieldsOf('bad', { username: `${uniqueName('x')}\u3164` }), 'username'],
    ['a short password', () => fieldsOf('bad', passwords('1234567')), 'password'],
    ['a password of 1,025 bytes', () => fieldsOf('bad', passwords('x'.repeat(1025))), 'password'],
    ['an unknown gender', () => fieldsOf('bad', { gender: 'other' }), 'gender'],
  ];
  for (const [what, make, field] of bad) {
    test(`refuses ${what}, names the field and stores nothing`, async () => {
      const viewer = await Person.signUp(base(), 'viewer');
      const known = (await usernames(viewer)).length;
      const { status, json, cookies } = await signUpWith(make());
      assert.equal(status, 400);
      assert.match(json.error, new RegExp(field, 'i'));
      assert.match(json.code, /^[A-Z_]+$/);
      assert.equal(cookies.length, 0);
      assert.equal((await usernames(viewer)).length, known);
    });
  }

  test('takes joiners in words and emoji, and the tags of flags', async () => {
    for (const name of ['می\u200cخواهم', 'क\u094d\u200dष', '👩\u200d❤\ufe0f\u200d👨', '🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}']) {
      const username = `${uniqueName('x')} ${name}`;
      const { status, json } = await signUpWith(fieldsOf('', { username, fullName: name }));
      assert.deepEqual([status, json.username, json.fullName], [201, username, name]);
    }
  });

  test('logs old names in as they are', { skip: process.env.PARLEY_URL && 'looks into the store' }, async () => {
    for (const username of [`\u3164${uniqueName('\u202e')}`, ` \u2800\u200b${'\u200d'.repeat(1 + Math.random() * 40)}`]) {
      const old = await Person.signUp(base(), 'old');
      await storeUsername(hold.stack, old, username);
      const { status, json } = await logInWith({ username, password });
      assert.deepEqual([status, json.username, json._id], [200, username, old.id]);
    }
  });

  test('refuses two passwords that differ', async () => {
    const { status, json } = await signUpWith(fieldsOf('bad', { confirmPassword: `${password}!` }));
    assert.deepEqual([status, json.error], [400, 'Passwords don\'t match']);
  });

  test('takes long passwords whole, past the 72 bytes of bcrypt', async () => {
    const long = 'x'.repeat(72);
    const fields = fieldsOf('ann', passwords(`${long}a`));
    assert.equal((await signUpWith(fields)).status, 201);
    assert.equal((await logInWith({ username: fields.username, password: `${long}b` })).status, 400);
    assert.equal((await logInWith({ username: fields.username, password: `${long}a` })).status, 200);
  });

  test('takes a password of 64 emoji, and one typed in another normal form', async () => {
    assert.equal((await signUpWith(fieldsOf('ann', passwords('🔑'.repeat(64))))).status, 201);
    const fields = fieldsOf('ann', passwords('crème brûlée'.normalize('NFC')));
    assert.equal((await signUpWith(fields)).status, 201);
    const other = 'crème brûlée'.normalize('NFD');
    assert.equal((await logInWith({ username: fields.username, password: other })).status, 200);
  });
});

describe('what is not a JSON object', () => {
  const name = () => uniqueName('raw');
  const body = (username, extra = '') => `{"fullName":"a","username":"${username}","password":"12345678",` +
    `"confirmPassword":"12345678","gender":"male"${extra}}`;
  for (const [what, make] of [
    ['nothing', () => ''], ['broken JSON', () => '{"username":'], ['an array', () => '[]'], ['a string', () => '"x"'],
    ['bytes after the object', () => `${body(name())}x`], ['a member twice', () => body(name(), ',"gender":"male"')],
    ['a byte order mark', () => `\ufeff${body(name())}`], ['an encoded NUL', () => body(`${name()}\\u0000`)],
    ['a lone surrogate', () => body(`${name()}\\ud800`)],
    ['invalid UTF-8', () => Buffer.from(body(`${name()}\xff`), 'latin1')],
    ['arrays 17 deep', () => body(name(), `,"x":${'['.repeat(17)}${']'.repeat(17)}`)],
  ]) {
    test(`is refused with 400: ${what}`, async () => {
      const answer = await signUpWith(make());
      assert.equal(answer.status, 400, answer.text);
      assert.equal(typeof answer.json.error, 'string');
      assert.equal(typeof answer.json.code, 'string');
    });
  }

  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'multipart/form-data']) {
    test(`is refused with 415: ${type}`, async () => {
      const answer = await call(base(), 'POST', '/api/auth/signup', body(name()), { 'content-type': type });
      assert.equal(answer.status, 415);
      assert.equal(typeof answer.json.code, 'string');
    });
  }

  test('may name a charset', async () => {
    const answer = await call(base(), 'POST', '/api/auth/signup', body(name()),
      { 'content-type': 'application/json; charset=utf-8' });
    assert.equal(answer.status, 201);
  });
});

describe('logging in', () => {
  test('gives the user and a new cookie', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const answer = await ann.logIn();
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, ann.user);
    assert.deepEqual(attributes(answer.cookies[0]), ['httponly', 'max-age=1296000', 'path=/', 'samesite=strict']);
    assert.notEqual(answer.cookies[0].split(';')[0], ann.cookie);
  });

  test('says the same for an unknown name and a wrong password', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const wrong = await logInWith({ username: ann.user.username, password: 'not the password' });
    const unknown = await logInWith({ username: uniqueName('nobody'), password });
    for (const answer of [wrong, unknown]) {
      assert.equal(answer.status, 400);
      assert.equal(answer.json.error, 'Invalid username or password');
      assert.equal(answer.cookies.length, 0);
    }
    assert.equal(wrong.text, unknown.text);
  });

  // What the time would tell: one kind of user is checked in 20 ms, another in 60. `make bench-login` measures it.
  test('says no at the end of a period, whoever was named', async () => {
    const [ann, imported] = [await Person.signUp(base(), 'ann'), await Person.signUp(base(), 'old')];
    await storeHash(hold.stack, imported, bcryptHash);
    const period = await failurePeriodMs(hold.stack);
    for (const username of [ann.user.username, imported.user.username, uniqueName('nobody')]) {
      const began = performance.now();
      assert.equal((await logInWith({ username, password: 'not the password' })).status, 400);
      const took = performance.now() - began;
      assert.ok(took >= period - 1, `${username} was answered after ${took} of ${period} ms`);
    }
  });

  test('takes the password that the MERN app hashed, and hashes it anew', async () => {
    const ann = await Person.signUp(base(), 'ann');
    await storeHash(hold.stack, ann, bcryptHash);
    assert.equal((await logInWith({ username: ann.user.username, password: 'not the password' })).status, 400);
    assert.equal(await storedHash(hold.stack, ann), bcryptHash);
    assert.equal((await ann.logIn()).status, 200);
    await waitUntil('a new hash', async () => (await storedHash(hold.stack, ann)).startsWith('$argon2id$v=19$m=19456,t=2,p=1$'));
    assert.equal((await ann.logIn()).status, 200);
  });

  test('refuses what is not a name and a password', async () => {
    const ann = await Person.signUp(base(), 'ann');
    for (const [field, value] of [['username', { $gt: '' }], ['password', { $ne: null }], ['password', undefined], ['username', 7]]) {
      const answer = await logInWith({ username: ann.user.username, password, [field]: value });
      assert.equal(answer.status, 400);
      assert.match(answer.json.error, new RegExp(field));
    }
  });

  test('compares names byte by byte', async () => {
    const ann = await Person.signUp(base(), 'ann');
    assert.equal((await logInWith({ username: ann.user.username.toUpperCase(), password })).status, 400);
  });
});

describe('very many logins at once', () => {
  const failing = (url, i) => call(url, 'POST', '/api/auth/login', { username: uniqueName(`nobody${i}`), password });
  /** How many were refused, and how many taken: whom the gateway gave up, on a slow machine, waited for a thread, too. */
  const tally = (answers) => {
    const busy = answers.filter(({ status }) => status === 503);
    for (const { headers } of busy) assert.ok(Number(headers.get('retry-after')) >= 1);
    assert.deepEqual(answers.filter(({ status }) => ![400, 503, 504].includes(status)).map(({ status, text }) => [status, text]), []);
    return { busy: busy.length, failed: answers.length - busy.length };
  };
  const getsIn = (person) => waitUntil('them to be in', async () => (await person.logIn()).status === 200, { within: 20000 });

  test('are refused where too many wait for a thread, and nobody else notices', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const crowd = Array.from({ length: 300 }, (_, i) => failing(base(), i));
    for (let i = 0; i < 5; i++) assert.equal((await ann.get('/api/users')).status, 200);
    const { busy, failed } = tally(await Promise.all(crowd));
    assert.ok(busy > 0 && failed >= 64, `${failed} were checked`);
    await getsIn(ann);
  });

  // Loops come first, on a machine that is too busy, too; but a hash is never starved.
  test('are hashed by threads that give way, and still answered when all processors are busy', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const worker = await workerOf(await hold.stack.pidOf('auth1'));
    const tasks = await Promise.all((await readdir(`/proc/${worker}/task`)).map((id) => readFile(`/proc/${worker}/task/${id}/stat`, 'utf8')));
    const niceOf = (isHasher) => tasks.filter((stat) => stat.includes('(hasher)') === isHasher).map((stat) => Number(stat.replace(/^.*\) /s, '').split(' ')[16]));
    assert.ok(niceOf(true).length > 0 && niceOf(true).every((nice) => nice >= 10), `${niceOf(true)}`);
    assert.ok(niceOf(false).some((nice) => nice === os.getPriority()), `${niceOf(false)}`);
    const busy = Array.from({ length: 2 * os.availableParallelism() }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
    try { assert.equal((await ann.logIn()).status, 200); } finally { for (const one of busy) one.kill('SIGKILL'); }
  });

  describe('of one address', () => {
    const limited = useStack({ before, after, afterEach }, { LIMIT_LOGIN_ACCOUNT: '10', LIMIT_LOGIN_ADDRESS: '6000' });

    // They go one after the other.
    test('do not wait for ever behind each other', async () => {
      const { url } = limited.stack;
      const ann = await Person.signUp(url, 'ann');
      const crowd = 5 + Math.ceil(5000 / await failurePeriodMs(limited.stack)); // more than have time
      assert.ok(crowd <= 64, 'or they would be refused for their number');
      // If they do not come at once, because we stood still, all of them have time.
      await waitUntil('some to have waited too long, and others to be checked', async () => {
        const { busy, failed } = tally(await Promise.all(Array.from({ length: crowd }, (_, i) => failing(url, i))));
        return busy > 0 && failed > 0;
      }, { within: 30000 });
      await getsIn(ann);
    });
  });
});

describe('a session', () => {
  test('is named by me, and carries no secret', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const answer = await ann.get('/api/auth/me');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, ann.user);
  });

  test('may come in Authorization', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const answer = await call(base(), 'GET', '/api/auth/me', undefined,
      { authorization: `Bearer ${ann.cookie.split('=')[1]}` });
    assert.deepEqual(answer.json, ann.user);
  });

  test('of a MERN app with the same secret goes on', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const cookie = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
    assert.equal((await ann.get('/api/users', { cookie })).status, 200);
    assert.equal((await ann.get(`/api/messages/${ann.id}`, { cookie })).status, 200);
    assert.deepEqual((await ann.get('/api/auth/me', { cookie })).json, ann.user);
  });

  const good = (person) => ({ ...mernClaims(person.id), jti: 'x'.repeat(22) });
  const table = [
    ['alg none', (p) => signJwt(good(p), secret, { alg: 'none' })],
    ['alg HS384', (p) => signJwt(good(p), secret, { alg: 'HS384' })],
    ['alg HS512', (p) => signJwt(good(p), secret, { alg: 'HS512' })],
    ['another secret', (p) => signJwt(good(p), `${secret}!`)],
    ['an empty secret', (p) => signJwt(good(p), '')],
    ['an old exp', (p) => signJwt({ ...good(p), exp: now() - 3600 }, secret)],
    ['no exp', (p) => signJwt({ ...good(p), exp: undefined }, secret)],
    ['exp as text', (p) => signJwt({ ...good(p), exp: String(now() + 999) }, secret)],
    ['an iat to come', (p) => signJwt({ ...good(p), iat: now() + 3600 }, secret)],
    ['an nbf to come', (p) => signJwt({ ...good(p), nbf: now() + 3600 }, secret)],
    ['a user who is gone', () => signJwt(mernClaims('0123456789abcdef01234567'), secret)],
    ['no user', (p) => signJwt({ ...good(p), userId: undefined }, secret)],
    ['an object as user', (p) => signJwt({ ...good(p), userId: { $gt: '' } }, secret)],
    ['an audience, which we are not', (p) => signJwt({ ...good(p), aud: 'another-program' }, secret)],
    ['a crit header', (p) => signJwt(good(p), secret, { crit: ['x'] })],
    ['a member twice', (p) => signJwt(`{"userId":"${p.id}","userId":"${p.id}","exp":${now() + 99},"iat":${now()}}`, secret)],
    ['junk', () => 'a.b.c'],
    ['no signature', (p) => `${signJwt(good(p), secret).split('.').slice(0, 2).join('.')}.`],
    ['more than 4 KB', (p) => signJwt({ ...good(p), pad: 'x'.repeat(3000) }, secret)],
  ];
  for (const [what, make] of table) {
    test(`is refused on every service: ${what}`, async () => {
      const ann = await Person.signUp(base(), 'ann');
      const headers = { cookie: `jwt=${make(ann)}` };
      for (const path of ['/api/auth/me', '/api/users', `/api/messages/${ann.id}`]) {
        const answer = await ann.get(path, headers);
        assert.equal(answer.status, 401, `${path}: ${answer.text}`);
        assert.equal(answer.json.error, 'Unauthorized - Invalid Token');
      }
    });
  }

  test('is asked for', async () => {
    for (const [method, path, body] of [
      ['GET', '/api/auth/me'], ['GET', '/api/users'], ['GET', `/api/users/${'0'.repeat(24)}`],
      ['GET', `/api/messages/${'0'.repeat(24)}`], ['POST', `/api/messages/send/${'0'.repeat(24)}`, { message: 'x' }],
      ['POST', `/api/users/status/${'0'.repeat(24)}`, { status: 'BUSY' }],
    ]) {
      const answer = await call(base(), method, path, body);
      assert.deepEqual([answer.status, answer.json.error], [401, 'Unauthorized - No Token Provided'], path);
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer', path);
      const bad = await call(base(), method, path, body, { cookie: 'jwt=x.y.z' });
      assert.deepEqual([bad.status, bad.headers.get('www-authenticate')], [401, 'Bearer error="invalid_token"'], path);
    }
  });
});

describe('logging out', () => {
  test('clears the cookie, and the token is refused everywhere within a second', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const other = (await ann.logIn()).cookies[0].split(';')[0];
    const paths = ['/api/auth/me', '/api/users', `/api/messages/${ann.id}`];
    for (const path of paths) assert.equal((await ann.get(path)).status, 200);

    const answer = await ann.post('/api/auth/logout');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, { message: 'Logged out successfully' });
    assert.match(answer.cookies[0], /^jwt=;/);
    assert.match(answer.cookies[0], /max-age=0/i);
    for (const path of paths) {
      await waitUntil(`${path} to refuse`, async () => {
        const refused = await ann.get(path);
        return refused.status === 401 && refused.json.error === 'Unauthorized - Invalid Token';
      }, { within: 1000 * patience });
    }
    assert.equal((await ann.get('/api/auth/me', { cookie: other })).status, 200, 'the other session goes on');
  });

  test('is nothing that a form can do: 415, and the session goes on', async () => {
    const ann = await Person.signUp(base(), 'ann');
    for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain']) {
      for (const body of ['', 'a=b']) {
        const answer = await ann.post('/api/auth/logout', body, { 'content-type': type });
        assert.deepEqual([answer.status, answer.cookies], [415, []], type);
      }
    }
    assert.equal((await ann.get('/api/auth/me')).status, 200);
    assert.equal((await ann.post('/api/auth/logout', {})).status, 200);
  });

  test('works for a MERN token, too', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const headers = { cookie: `jwt=${signJwt(mernClaims(ann.id), secret)}` };
    assert.equal((await ann.post('/api/auth/logout', undefined, headers)).status, 200);
    await waitUntil('it to be refused', async () => (await ann.get('/api/users', headers)).status === 401, { within: 1000 * patience });
  });

  test('without a session, or twice, only clears the cookie', async () => {
    const ann = await Person.signUp(base(), 'ann');
    await ann.post('/api/auth/logout');
    for (const answer of [await ann.post('/api/auth/logout'), await call(base(), 'POST', '/api/auth/logout')]) {
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.json, { message: 'Logged out successfully' });
    }
  });

  test('everywhere takes all sessions along, those of others not, and lets a new one in at once', async () => {
    const [ann, bob] = [await Person.signUp(base(), 'ann'), await Person.signUp(base(), 'bob')];
    const cookieOf = (answer) => answer.cookies[0].split(';')[0];
    const mern = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
    const cookies = [ann.cookie, cookieOf(await ann.logIn()), mern];
    const statusOf = async (cookie, path = '/api/auth/me') => (await ann.get(path, { cookie })).status;
    for (const cookie of cookies) assert.equal(await statusOf(cookie), 200);

    for (let round = 0; round < 2; round++) { // twice within one second, too
      const answer = await ann.post('/api/auth/logout-all', undefined, { cookie: cookies[0] });
      assert.deepEqual([answer.status, answer.json], [200, { message: 'Logged out successfully' }]);
      assert.match(answer.cookies[0], /^jwt=;/);
      const next = cookieOf(await ann.logIn());
      for (const path of ['/api/auth/me', '/api/users', `/api/messages/${bob.id}`]) {
        for (const cookie of cookies) {
          await waitUntil(`${path} to refuse`, async () => await statusOf(cookie, path) === 401, { within: 1000 * patience });
        }
        assert.equal(await statusOf(next, path), 200, `round ${round}, ${path}`);
      }
      cookies.unshift(next);
    }
    assert.equal((await bob.get('/api/auth/me')).status, 200);
  });

  test('everywhere takes a good session, and no form', async () => {
    const ann = await Person.signUp(base(), 'ann');
    const everywhere = '/api/auth/logout-all';
    assert.equal((await call(base(), 'POST', everywhere)).json.error, 'Unauthorized - No Token Provided');
    assert.equal((await ann.post(everywhere, 'a=b', { 'content-type': 'application/x-www-form-urlencoded' })).status, 415);
    const wrongMethod = await ann.get(everywhere);
    assert.deepEqual([wrongMethod.status, wrongMethod.headers.get('allow')], [405, 'POST, OPTIONS']);
    const stolen = (await ann.logIn()).cookies[0].split(';')[0];
    assert.equal((await ann.post('/api/auth/logout', undefined, { cookie: stolen })).status, 200);
    assert.equal((await ann.post(everywhere, undefined, { cookie: stolen })).status, 401, 'a token that logged out ends nothing');
    assert.equal((await ann.get('/api/auth/me')).status, 200);
  });
});
