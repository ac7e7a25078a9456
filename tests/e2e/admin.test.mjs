// parley-admin: an operator's hand in the accounts of a site that runs (issue 18, point 5).
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { admin, adminDone, program, runAdmin, settingsOf } from '../support/admin.mjs';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { holdDatabase, storeManyUsers, storeUsername, storedHash } from '../support/database.mjs';
import { mernClaims, signJwt } from '../support/jwt.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { useStack } from '../support/stack.mjs';
import { freePort, patience, waitUntil } from '../support/wait.mjs';

const secret = 'a secret of the tests, long enough for HS256';
const hold = useStack({ before, after, afterEach }, { JWT_SECRET: secret, AUTH_PROCESSES: '2', PRESENCE_PROCESSES: '2' });
const url = () => hold.stack.url;
const done = (...args) => adminDone(hold.stack, ...args);
const listed = async () => JSON.parse(await done('list', '--json'));
const logIn = (username, word) => call(url(), 'POST', '/api/auth/login', { username, password: word });
const cookieOf = (answer) => answer.cookies[0].split(';')[0];
const services = ['/api/auth/me', '/api/users', `/api/messages/${'0'.repeat(24)}`];
/** Is the cookie refused by all services? Several times, for there are several processes. */
const isRefused = async (cookie) => {
  const paths = [...services, ...services, ...services];
  const answers = await Promise.all(paths.map((at) => call(url(), 'GET', at, undefined, { cookie })));
  return answers.every(({ status }) => status === 401);
};

describe('a user who is disabled', () => {
  test('is out everywhere within a second: requests, sockets, tokens of other programs', async () => {
    const [ann, bob] = [await Person.signUp(url(), 'ann'), await Person.signUp(url(), 'bob')];
    const mern = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
    const second = cookieOf(await ann.logIn());
    const sockets = [];
    for (let i = 0; i < 4; i++) sockets.push(await ann.connect({ reconnection: false }));
    const other = await bob.connect({ reconnection: false });
    await done('disable', ann.user.username);
    await waitUntil('the end of all sockets', () => sockets.every((socket) => !socket.connected), { within: 1000 * patience });
    for (const cookie of [ann.cookie, second, mern]) await waitUntil('all services to refuse', () => isRefused(cookie), { within: 1000 * patience });
    await waitUntil('the others to see it', () => other.all('getOnlineUsers').at(-1)?.includes(ann.id) === false, { within: 3000 });
    assert.ok(other.connected);
    assert.equal((await bob.get('/api/auth/me')).status, 200);
    bob.close();
  });

  test('is told so with the right password, and is nobody without it', async () => {
    const ann = await Person.signUp(url(), 'ann');
    await done('disable', ann.user.username);
    const right = await ann.logIn();
    assert.deepEqual([right.status, right.json.code, right.cookies.length], [403, 'DISABLED', 0]);
    const [wrong, unknown] = [await logIn(ann.user.username, 'not this one'), await logIn(uniqueName('nobody'), 'not this one')];
    assert.deepEqual([wrong.status, wrong.json], [400, unknown.json]);
  });

  test('is for the others a user like any other: messages wait', async () => {
    const [ann, bob] = [await Person.signUp(url(), 'ann'), await Person.signUp(url(), 'bob')];
    await done('disable', ann.user.username);
    assert.equal((await bob.send(ann, 'are you there?')).status, 201);
    assert.ok((await bob.get('/api/users')).json.some(({ _id }) => _id === ann.id));
    assert.equal((await bob.get(`/api/users/${ann.id}`)).status, 200);
    await done('enable', ann.user.username);
    ann.cookie = cookieOf(await ann.logIn());
    assert.deepEqual((await ann.history(bob)).json.map(({ message }) => message), ['are you there?']);
  });

  test('comes back when enabled, and old tokens stay refused', async () => {
    const ann = await Person.signUp(url(), 'ann');
    const mern = `jwt=${signJwt(mernClaims(ann.id), secret)}`;
    const old = ann.cookie;
    await done('disable', ann.user.username);
    await done('disable', ann.user.username); // twice is fine
    await done('enable', ann.user.username);
    await done('enable', ann.user.username);
    const answer = await ann.logIn();
    assert.equal(answer.status, 200);
    await waitUntil('the new session', async () => (await call(url(), 'GET', '/api/auth/me', undefined, { cookie: cookieOf(answer) })).status === 200);
    for (const cookie of [old, mern]) await waitUntil('all services to refuse', () => isRefused(cookie), { within: 1000 * patience });
  });

  test('gets no session by a log-in that was under way', async () => {
    for (let round = 0; round < 3; round++) {
      const ann = await Person.signUp(url(), 'ann');
      const logins = Array.from({ length: 6 }, () => ann.logIn());
      await done('disable', ann.user.username);
      const answers = await Promise.all(logins);
      for (const answer of answers) {
        if (answer.status === 200) await waitUntil('it to end', () => isRefused(cookieOf(answer)), { within: 1000 * patience });
        else assert.equal(answer.json.code, 'DISABLED');
      }
    }
  });
});

describe('reset-password', () => {
  test('prints a one-time password, which is the only good one, and ends all sessions', async () => {
    const ann = await Person.signUp(url(), 'ann');
    const socket = await ann.connect({ reconnection: false });
    const drawn = await done('reset-password', ann.user.username);
    assert.match(drawn, /^([0-9a-hjkmnp-tv-z]{4}-){4}[0-9a-hjkmnp-tv-z]{4}$/); // 100 bits
    await waitUntil('the end', () => !socket.connected, { within: 1000 * patience });
    await waitUntil('all services to refuse', () => isRefused(ann.cookie), { within: 1000 * patience });
    assert.equal((await ann.logIn()).status, 400);
    assert.equal((await logIn(ann.user.username, drawn)).status, 200);
    assert.match(await storedHash(hold.stack, ann), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.notEqual(await done('reset-password', ann.user.username), drawn);
  });

  test('leaves no session to log-ins with the old one that were under way', async () => {
    const ann = await Person.signUp(url(), 'ann');
    let over = false;
    const answers = [];
    const knock = async () => { while (!over) answers.push(await ann.logIn()); };
    const knocking = Promise.all([knock(), knock(), knock()]);
    await waitUntil('the first to be in', () => answers.some(({ status }) => status === 200));
    await done('reset-password', ann.user.username);
    over = true;
    await knocking;
    const cookies = answers.filter(({ status }) => status === 200).map(cookieOf);
    assert.ok(cookies.length > 0);
    assert.equal((await ann.logIn()).status, 400);
    for (const cookie of cookies.slice(-6)) await waitUntil('it to end', () => isRefused(cookie), { within: 1000 * patience });
  });
});

describe('erase', () => {
  test('takes the user away, with sessions and texts, and frees the name', async () => {
    const [ann, bob] = [await Person.signUp(url(), 'ann'), await Person.signUp(url(), 'bob')];
    await ann.send(bob, 'a secret of mine');
    const socket = await ann.connect({ reconnection: false });
    await done('erase', ann.user.username); // there is no terminal to ask at
    await waitUntil('the end', () => !socket.connected, { within: 1000 * patience });
    await waitUntil('all services to refuse', () => isRefused(ann.cookie), { within: 1000 * patience });
    assert.equal((await ann.logIn()).status, 400);
    assert.ok(!(await listed()).some(({ _id }) => _id === ann.id));
    assert.ok(!(await bob.history(ann)).text.includes('a secret of mine'));
    assert.equal((await admin(hold.stack, 'erase', ann.user.username, '--yes')).code, 1);
    await done('add', ann.user.username);
  });
});

describe('add', () => {
  test('prints a one-time password, or takes one from standard input', async () => {
    const [drawn, given] = [uniqueName('drawn'), uniqueName('given')];
    const word = await done('add', drawn);
    const answer = await logIn(drawn, word);
    assert.equal(answer.status, 200);
    assert.deepEqual([answer.json.fullName, answer.json.status], [drawn, 'AVAILABLE']);
    const run = await runAdmin(settingsOf(hold.stack), ['add', given, '--password-stdin', '--name=Given Name'], `${password}\nmore\n`);
    assert.deepEqual([run.code, run.out], [0, '']);
    assert.equal((await logIn(given, password)).json.fullName, 'Given Name');
  });

  test('asks for it at a terminal, and does not show it', async () => {
    const username = uniqueName('asked');
    const child = spawn('script', ['-qec', `${program} add ${username}`, '/dev/null'], { env: { PATH: process.env.PATH, MONGOC_DISABLE_SHM: '1', ...settingsOf(hold.stack) } });
    let shown = '';
    child.stdout.setEncoding('utf8').on('data', (text) => { shown += text; });
    const ended = once(child, 'close');
    await waitUntil('the question', () => /one-time password is drawn\): /.test(shown));
    child.stdin.write(`${password}\n`);
    await waitUntil('the second one', () => shown.includes('once more: '));
    child.stdin.write(`${password}\n`);
    const [code] = await ended;
    assert.equal(code, 0, shown);
    assert.ok(!shown.includes(password), shown);
    assert.equal((await logIn(username, password)).status, 200);
  });

  test('has the rules of a sign-up, and adds nobody that breaks them', async () => {
    const before = (await listed()).length;
    const taken = (await Person.signUp(url(), 'ann')).user.username;
    const bad = [
      [['add', taken], '', /already a user/],
      [['add', ''], '', /username/], [['add', 'x'.repeat(65)], '', /username/], [['add', ' x'], '', /username/],
      [['add', 'a\u0007b'], '', /username/], [['add', 'x\u202eb'], '', /username/],
      [['add', uniqueName('x'), '--name', ''], '', /fullName/], [['add', uniqueName('x'), '--name', 'x'.repeat(101)], '', /fullName/],
      [['add', uniqueName('x'), '--gender', 'x'], '', /gender/],
      [['add', uniqueName('x'), '--password-stdin'], 'short\n', /at least 8/], [['add', uniqueName('x'), '--password-stdin'], '', /standard input/],
      [['add', uniqueName('x'), '--password-stdin'], '\n', /standard input/], [['add', uniqueName('x'), '--password-stdin'], `${'x'.repeat(1025)}\n`, /1024/],
      [['add', uniqueName('x'), '--password-stdin'], 'x'.repeat(200000), /too\s+long/],
      [['add', uniqueName('x'), '--password-stdin'], Buffer.from('ffff\xff\xfefff\n', 'latin1'), /UTF-8/], [['add', uniqueName('x'), '--password-stdin'], 'abc\0defghi\n', /NUL/],
    ];
    for (const [args, input, why] of bad) {
      const { code, out, errors } = await runAdmin(settingsOf(hold.stack), args, input);
      assert.deepEqual([code, out], [1, ''], args.join(' '));
      assert.match(errors, why);
    }
    assert.equal((await listed()).length, before + 1);
  });

  test('draws a password as long as PASSWORD_MIN_LENGTH asks for', async () => {
    const run = await runAdmin({ ...settingsOf(hold.stack), PASSWORD_MIN_LENGTH: '64' }, ['add', uniqueName('long')]);
    assert.equal(run.code, 0);
    assert.ok(run.out.trim().length >= 64);
  });

  test('takes any script, and names that look like options', async () => {
    for (const username of [uniqueName('Zoë 你好 👩‍🚀'), uniqueName('--json'), uniqueName('-x'), uniqueName('--')]) {
      const word = await done('add', '--name', '--name', '--', username);
      const answer = await logIn(username, word);
      assert.deepEqual([answer.status, answer.json.username, answer.json.fullName], [200, username, '--name']);
      await done('disable', '--', username);
      assert.equal((await listed()).find((user) => user.username === username).disabled, true);
    }
  });
});

describe('list', () => {
  test('has everybody, and what they are', async () => {
    const ann = await Person.signUp(url(), 'ann', { fullName: 'Ann \\ Müller' });
    await ann.setStatus('BUSY');
    await done('disable', ann.user.username);
    const found = (await listed()).find(({ _id }) => _id === ann.id);
    assert.deepEqual({ ...found, createdAt: typeof found.createdAt }, {
      _id: ann.id, username: ann.user.username, fullName: 'Ann \\ Müller', status: 'BUSY', disabled: true, createdAt: 'string' });
    const line = (await done('list')).split('\n').find((text) => text.startsWith(ann.id));
    assert.equal(line, `${ann.id}  ${found.createdAt}  disabled  ${ann.user.username}\tAnn \\\\ Müller`);
  });

  test('writes out what a terminal would obey', async () => {
    const ann = await Person.signUp(url(), 'ann');
    const name = `${uniqueName('x')}\u001b[31m\n\u009b\u202e\t"\\`;
    await storeUsername(hold.stack, ann, name);
    const [text, json] = [await done('list'), await done('list', '--json')];
    for (const output of [text, json]) {
      // eslint-disable-next-line no-control-regex
      assert.doesNotMatch(output.replace(/[\t\n]/g, ''), /[\u0000-\u001f\u007f-\u009f\u202e]/);
    }
    assert.equal(JSON.parse(json).find(({ _id }) => _id === ann.id).username, name);
    const line = text.split('\n').find((one) => one.startsWith(ann.id));
    assert.ok(line.includes('\\u{1b}[31m\\u{a}\\u{9b}\\u{202e}\\u{9}"\\\\\t'), line);
    await done('disable', name); // and it can be named
    const { errors } = await admin(hold.stack, 'disable', `${name}x`);
    assert.match(errors, /^parley-admin: there is no user .*\\u\{1b\}\[31m.*\n$/);
  });

  test('streams any number', { skip: process.env.TEST_STORE === 'mongo' }, async () => {
    const before = (await listed()).length;
    storeManyUsers(hold.stack, 2300);
    const users = await listed();
    assert.equal(users.length, before + 2300);
    assert.equal(new Set(users.map(({ _id }) => _id)).size, users.length);
    assert.equal((await done('list')).split('\n').length, users.length);
  });
});

describe('what is asked for wrongly', () => {
  test('is refused with 2, and changes nothing', async () => {
    for (const args of [[], ['lst'], ['add'], ['add', 'a', 'b'], ['list', 'a'], ['list', '--yes'], ['--json', 'list'], ['disable', '--json', 'a'],
      ['disable', '-a'], ['add', 'a', '--password-stdin', '--one-time'], ['list', '--json=1'], ['add', 'a', '--name']]) {
      const { code, out, errors } = await admin(hold.stack, ...args);
      assert.deepEqual([code, out], [2, ''], args.join(' '));
      assert.match(errors, /^parley-admin: .+\n$/);
    }
    const run = await runAdmin(settingsOf(hold.stack), ['add', "$'x\\xff'"], '', ['bash', '-c', `exec "$0" disable $'x\\xff'`]);
    assert.equal(run.code, 2);
    assert.match(run.errors, /UTF-8/);
  });

  test('is refused with 1 where there is no such user', async () => {
    for (const command of ['disable', 'enable', 'reset-password']) {
      const { code, out, errors } = await admin(hold.stack, command, uniqueName('nobody'));
      assert.deepEqual([code, out], [1, '']);
      assert.match(errors, /there is no user nobody-/);
    }
  });

  test('is refused with 78 if a setting is bad, and makes no store', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'parley-admin-'));
    try {
      for (const [settings, why] of [[{ DATA_DIR: dir }, /parley\.db/], [{ DATA_DIR: path.join(dir, 'none') }, /parley\.db/],
        [{ DATA_DIR: dir, REDIS_URL: 'http://x' }, /REDIS_URL/], [{ MONGO_DB_URI: 'x://y' }, /MONGO_DB_URI/],
        [{ DATA_DIR: dir, PASSWORD_MIN_LENGTH: '0' }, /PASSWORD_MIN_LENGTH/], [{ MONGO_DB_URI: 'mongodb://h/d', MONGO_DB_URI_FILE: '/x' }, /MONGO_DB_URI/]]) {
        const { code, errors } = await runAdmin(settings, ['list']);
        assert.equal(code, 78, errors);
        assert.match(errors, why);
      }
      assert.deepEqual(await readdir(dir), []);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test('tells how it is asked, and which version it is', async () => {
    const help = await runAdmin({}, ['--help']);
    assert.equal(help.code, 0);
    for (const command of ['list', 'add', 'reset-password', 'disable', 'enable', 'erase', 'invite']) assert.match(help.out, new RegExp(`^  ${command}\\b`, 'm'));
    const version = await runAdmin({}, ['list', '--version']);
    assert.match(version.out, /^parley-admin \d+\.\d+\.\d+\n$/);
  });
});

describe('while others are at work', () => {
  test('without Redis it says so, and processes learn it from the store', async () => {
    const ann = await Person.signUp(url(), 'ann');
    const settings = { ...settingsOf(hold.stack), REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
    delete settings.REDIS_URL_FILE;
    const { code, errors } = await runAdmin(settings, ['disable', ann.user.username]);
    assert.equal(code, 3);
    assert.match(errors, /Redis is away/);
    assert.equal((await ann.logIn()).json.code, 'DISABLED');
    // Their own Redis is there and told them nothing: they find out when they look the user up again.
    await waitUntil('all services to refuse', () => isRefused(ann.cookie), { within: 8000 });
    const drawn = await runAdmin(settings, ['reset-password', ann.user.username]);
    assert.equal(drawn.code, 3);
    assert.match(drawn.out, /^[0-9a-z-]+\n$/); // or nobody would know it
  });

  test('while the Redis of all is away they know it within a second or so', async () => {
    const [ann, bob] = [await Person.signUp(url(), 'ann'), await Person.signUp(url(), 'bob')];
    const redis = await hold.stack.pidOf('redis');
    process.kill(redis, 'SIGSTOP');
    try {
      await waitUntil('the services to notice', async () => (await bob.get('/api/auth/me')).status === 200);
      const { code } = await admin(hold.stack, 'disable', ann.user.username);
      assert.equal(code, 3);
      await waitUntil('all services to refuse', () => isRefused(ann.cookie), { within: 3000 });
    } finally {
      process.kill(redis, 'SIGCONT');
    }
  });

  test('it waits for a database that another holds', { skip: process.env.TEST_STORE === 'mongo' }, async () => {
    const ann = await Person.signUp(url(), 'ann');
    const held = await holdDatabase(hold.stack);
    const run = admin(hold.stack, 'disable', ann.user.username);
    setTimeout(() => held.release(), 3000); // longer than one call waits for it
    assert.equal((await run).code, 0);
    assert.equal((await ann.logIn()).json.code, 'DISABLED');
  });

  test('many at once, and people who chat, come through', async () => {
    const [ann, bob] = [await Person.signUp(url(), 'ann'), await Person.signUp(url(), 'bob')];
    const names = Array.from({ length: 12 }, (_, i) => uniqueName(`many${i}`));
    const sends = Array.from({ length: 60 }, (_, i) => ann.send(bob, `${i}`));
    const runs = await Promise.all(names.map((name) => admin(hold.stack, 'add', name)));
    assert.deepEqual(runs.map(({ code }) => code), names.map(() => 0));
    assert.ok((await Promise.all(sends)).every(({ status }) => status === 201));
    const there = new Set((await listed()).map(({ username }) => username));
    assert.ok(names.every((name) => there.has(name)));
  });

  test('one of many that add the same name wins', async () => {
    const name = uniqueName('same');
    const runs = await Promise.all(Array.from({ length: 6 }, () => admin(hold.stack, 'add', name)));
    assert.deepEqual(runs.map(({ code }) => code).sort(), [0, 1, 1, 1, 1, 1]);
    const { out } = runs.find(({ code }) => code === 0);
    assert.equal((await logIn(name, out.trim())).status, 200);
  });

  test('root goes on as the owner of DATA_DIR', { skip: process.getuid() !== 0 || process.env.TEST_STORE === 'mongo' }, async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'parley-admin-'));
    try {
      await cp(path.join(hold.stack.dir, 'data/parley.db'), path.join(dir, 'parley.db'));
      for (const file of [dir, path.join(dir, 'parley.db')]) await chown(file, 54321, 54321);
      const { code, errors } = await runAdmin({ DATA_DIR: dir, REDIS_URL: `redis://127.0.0.1:${await freePort()}` }, ['add', uniqueName('owned')]);
      assert.equal(code, 0, errors);
      for (const name of await readdir(dir)) assert.equal((await stat(path.join(dir, name))).uid, 54321, name);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('a store that moves', () => {
  test('keeps who is disabled, and invites', { skip: process.env.TEST_STORE === 'mongo' }, async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'parley-admin-'));
    const [from, saved, restored] = ['from', 'saved', 'restored'].map((name) => path.join(dir, name));
    const tool = (name, ...args) => promisify(execFile)(path.join(path.dirname(program), `parley-${name}`), args.slice(1), { env: { PATH: process.env.PATH, MONGOC_DISABLE_SHM: '1', ...args[0] } });
    const uri = await newDatabase();
    const redis = { REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
    try {
      await done('disable', (await Person.signUp(url(), 'ann')).user.username);
      await done('invite', '--uses', '3');
      await tool('backup', { FROM: path.join(hold.stack.dir, 'data'), TO: saved });
      await tool('backup', { FROM: saved, TO: restored }, 'restore');
      await tool('backup', { FROM: saved, TO: from }, 'restore');
      const { stdout } = await tool('migrate', { FROM: from, TO: uri });
      const [, read, added] = /^invites +(\d+) +(\d+)/m.exec(stdout);
      assert.ok(Number(read) > 0);
      assert.equal(added, read);
      const expected = await listed();
      assert.ok(expected.some(({ disabled }) => disabled) && expected.some(({ disabled }) => !disabled));
      for (const settings of [{ DATA_DIR: restored }, { DATA_DIR: dir, MONGO_DB_URI: uri }]) {
        const { code, out, errors } = await runAdmin({ ...redis, ...settings }, ['list', '--json']);
        assert.equal(code, 0, errors);
        assert.deepEqual(JSON.parse(out), expected);
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
