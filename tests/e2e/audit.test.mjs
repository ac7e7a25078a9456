// What a hostile tester found from outside: each test is a fault that once was.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call, password } from '../support/api.mjs';
import { root, useStack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach });
const pair = () => Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));

describe('a history', () => {
  // A store thread's answer was overwritten by the loop now and then.
  test('refuses a cursor that is not of the conversation, every time, and names it', async () => {
    const [ann, bob] = await pair();
    await ann.send(bob, 'x');
    for (let i = 0; i < 60; i++) {
      const cursor = i % 2 ? 'before' : 'after';
      const answer = await ann.history(bob, `?${cursor}=${'f'.repeat(24)}`);
      assert.equal(answer.status, 400, `request ${i}: ${answer.text}`);
      assert.match(answer.json.error, new RegExp(`^${cursor} `));
    }
  });

  test('of heavy messages is whole, and in order', async () => {
    const [ann, bob] = await pair();
    const sent = [];
    for (let i = 0; i < 260; i++) {
      sent.push((await ann.send(bob, `${i}${i > 20 && i < 60 ? 'x'.repeat(60000) : ''}`)).json);
    }
    assert.deepEqual((await bob.history(ann)).json, sent);
    // Pages come in pieces, too.
    const page = async (query, from, to) => {
      const answer = await bob.history(ann, `?limit=200&${query}`);
      assert.deepEqual(answer.json.map(({ _id }) => _id), sent.slice(from, to).map(({ _id }) => _id), query);
      assert.deepEqual(answer.json, sent.slice(from, to));
      const link = (way, { _id }, rel) => `</api/messages/${ann.id}?limit=200&${way}=${_id}>; rel="${rel}"`;
      assert.equal(answer.headers.get('link'), [link('before', sent[from], 'prev'), link('after', sent[to - 1], 'next')].join(', '));
    };
    await page(`before=${sent[250]._id}`, 50, 250);
    await page(`before=${sent[230]._id}`, 30, 230);
    await page(`after=${sent[0]._id}`, 1, 201);
  });
});

describe('a send that comes again under its key', () => {
  const once = { 'idempotency-key': 'once' };
  const comesAgain = (requires, code) => {
    const at = useStack({ before, after, afterEach }, { ONLINE_TTL: '1', CHAT_REQUIRES_ONLINE: requires });
    const join = (name) => Person.signUp(at.stack.url, name);

    // Its answer was lost with the connection: the very moment in which one goes offline.
    test(`gets its first answer where a new one gets ${code}`, async () => {
      const [ann, bob] = [await join('ann'), await join('bob')];
      const [stays, leaves] = requires === 'both' ? [ann, bob] : [bob, ann];
      for (const one of [stays, leaves]) await one.connect();
      const first = await waitUntil('both to be online', async () => {
        const answer = await ann.send(bob, 'hi', once);
        return answer.status === 201 && answer;
      });
      leaves.close();
      await waitUntil('who was online to be offline', async () =>
        (await ann.send(bob, 'new')).json.code === code, { within: 10000 });
      const again = await ann.send(bob, 'hi', once);
      assert.deepEqual([again.status, again.text], [201, first.text]);
      assert.equal(again.headers.get('idempotent-replayed'), 'true');
      assert.equal((await ann.send(bob, 'ho', once)).status, 422);
      stays.close();
    });
  };
  describe('while its sender is offline', () => comesAgain('sender', 'OFFLINE'));
  describe('while its recipient is offline', () => comesAgain('both', 'RECIPIENT_OFFLINE'));
});

// The worker used to abort on it, and its parent to start it again, over and over.
test('a REDIS_URL that is none ends a service with 78 and one line that names it', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'parley-'));
  const conf = path.join(dir, 'kore.conf');
  writeFileSync(conf, `load ${path.resolve(root, process.env.BUILD_DIR ?? 'build')}/auth.so\npidfile ${dir}/pid\n`);
  const env = {
    PATH: process.env.PATH, LISTEN: '127.0.0.1:0', DATA_DIR: dir, REDIS_URL: 'http://:canary@localhost',
    JWT_SECRET: 'a secret of the tests, long enough for HS256', LD_PRELOAD: process.env.SERVICE_PRELOAD ?? '',
  };
  const run = spawnSync('kore', ['-f', '-n', '-r', '-q', '-c', conf], { env, cwd: dir, timeout: patient(5000), encoding: 'utf8' });
  rmSync(dir, { recursive: true });
  assert.equal(run.status, 78);
  assert.match(run.stderr, /^REDIS_URL must be .*\n$/m);
  assert.doesNotMatch(run.stdout + run.stderr, /canary/);
});

describe('a visit', () => {
  const secret = 'canary-of-the-secret, long enough for HS256';
  const token = 'hf_canary-of-the-token';
  const at = useStack({ before, after, afterEach }, { JWT_SECRET: secret, LLM_API_URL: 'http://127.0.0.1:9/v1', LLM_API_TOKEN: token });
  const hostile = 'x\r\n{"lvl":"error"}\u001b[31m\u2028\u0085y';
  const answers = [];
  const cookies = [];
  const people = [];
  after(() => { for (const person of people) person.close(); });

  before(async () => {
    const { url } = at.stack;
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(url, name)));
    people.push(ann, bob);
    cookies.push(ann.cookie, bob.cookie);
    await bob.setStatus('BUSY', 'canary-of-the-note');
    const socket = await bob.connect();
    const failed = { username: hostile, password: 'canary-of-a-wrong-password' };
    answers.push(
      await ann.logIn(), await call(url, 'POST', '/api/auth/login', failed, { 'user-agent': 'x"\\ \xe2\x80\xa8' }),
      await ann.get('/api/auth/me'), await ann.get('/api/users'), await ann.get(`/api/users/${bob.id}`),
      await ann.send(bob, `canary-of-a-message ${hostile}`), await ann.send(bob, 'x', { 'idempotency-key': hostile.slice(-1).repeat(3) }));
    await waitUntil('both replies', async () => {
      answers.push(await ann.history(bob));
      return answers.at(-1).json.length === 4;
    }, { within: 15000 });
    cookies.push(answers[0].cookies[0].split(';')[0]);
    answers.push({ text: JSON.stringify(socket.events) }, await ann.post('/api/auth/logout'));
  }, { timeout: patient(60000) });

  test('is told no password, secret, note or reply job, by any route or event', () => {
    for (const { text } of answers) {
      assert.doesNotMatch(text, /argon2|\$2[aby]\$|"(password\w*|replyJob|lease\w*|attempt|deadline|idem\w*)":|canary-of-the/i, text);
    }
  });

  test('leaves lines of JSON in the logs, what happened, and no secret', async () => {
    const logs = await waitUntil('the gateway to have written its log', async () => {
      const all = await at.stack.logs({ tail: Number.MAX_SAFE_INTEGER });
      return all.includes('"path":"/api/auth/logout"') && all;
    });
    for (const canary of [secret, token, password, 'canary-of-', ...cookies.map((cookie) => cookie.split('=')[1])]) {
      assert.ok(!logs.includes(canary), canary);
    }
    for (const event of ['user signed up', 'user logged in', 'login failed', 'user logged out']) {
      assert.ok(logs.includes(`"msg":"${event}"`), event);
    }
    const own = logs.split('\n').filter((line) => line.startsWith('{'));
    assert.ok(own.length > 10);
    for (const line of own) {
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      assert.equal(typeof JSON.parse(line), 'object');
    }
  });
});

test('a folder of the API is no route of its own', async () => {
  for (const path of ['/api/auth', '/api/messages', '/api/auth/', '/api/messages/']) {
    const answer = await call(hold.stack.url, 'GET', path);
    assert.deepEqual([answer.status, answer.json?.code], [404, 'NOT_FOUND'], path);
  }
});
