// `make migrate`: a store is copied into another, from SQLite to MongoDB and back.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person, call } from '../support/api.mjs';
import { ExpressApp, ObjectId } from '../support/express_app.mjs';
import { png } from '../support/pictures.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { Proxy } from '../support/proxy.mjs';
import { Stack, root } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const program = path.resolve(root, process.env.BUILD_DIR ?? 'build', 'parley-migrate');

/** Start a migration; `ended` gives its exit status. */
function begin(settings) {
  const run = { output: '', errors: '' };
  run.process = spawn(program, { env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...settings } });
  run.process.stdout.setEncoding('utf8').on('data', (text) => { run.output += text; });
  run.process.stderr.setEncoding('utf8').on('data', (text) => { run.errors += text; });
  run.ended = once(run.process, 'close').then(([code]) => { run.code = code; return run; });
  return run;
}

const migrate = (from, to) => withDeadline('the migration to end', begin({ FROM: from, TO: to }).ended, 60000);

/** The table that it prints: { users: { read, added, there, differs, from, to }, ... } */
function tableOf({ output }) {
  const rows = [...output.matchAll(/^(\w[\w ]*?) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$/gm)];
  return Object.fromEntries(rows.map(([, name, ...numbers]) => {
    const [read, added, there, differs, from, to] = numbers.map(Number);
    return [name, { read, added, there, differs, from, to }];
  }));
}

let dir;
before(async () => { dir = await mkdtemp(path.join(tmpdir(), 'parley-migrate-')); });
after(() => rm(dir, { recursive: true, force: true }));

describe('a site that moves', () => {
  const people = {};
  let stack;
  let uri;
  let seen;

  // What the people see; the same before and after.
  const look = async (base) => {
    const as = (name, at) => call(base, 'GET', at, undefined, { cookie: people[name].cookie });
    const history = (await as('ann', `/api/messages/${people.bob.id}`)).json;
    return {
      history, users: (await as('bob', '/api/users')).json, me: (await as('ann', '/api/auth/me')).json,
      status: (await as('ann', `/api/users/${people.bob.id}`)).json, gone: (await as('carol', '/api/auth/me')).status,
      conversations: [(await as('ann', '/api/conversations')).json, (await as('bob', '/api/conversations')).json],
      found: (await as('bob', '/api/users?q=ann')).json, blocked: (await as('ann', '/api/users/blocked')).json,
      refused: (await call(base, 'POST', `/api/messages/send/${people.carol.id}`, { message: 'no' }, { cookie: people.ann.cookie })).json.code,
      picture: (await as('ann', people.pictured)).text,
    };
  };

  // One has read what the other wrote to the third message, and got it to the fifth.
  const mark = async (one, other) => {
    const theirs = (await one.history(other)).json.filter(({ senderId }) => senderId === other.id);
    const read = await one.post(`/api/messages/read/${other.id}`, { upTo: theirs[2]._id });
    assert.equal(read.status, 200, read.text);
    const socket = await one.connect();
    await withDeadline('the acknowledgement', new Promise((resolve) => {
      socket.emit('delivered', { from: other.id, upTo: theirs[4]._id }, resolve);
    }));
    one.close();
  };

  before(async () => {
    stack = await Stack.start({ MONGO_DB_URI: '' });
    for (const name of ['ann', 'bob', 'carol']) people[name] = await Person.signUp(stack.url, name);
    const { ann, bob, carol } = people;
    people.pictured = (await call(stack.url, 'PUT', '/api/auth/avatar', png(9, 9), { cookie: bob.cookie })).json.profilePic;
    assert.match(people.pictured, /^\/api\/users\/avatar\//);
    for (let i = 0; i < 20; i++) await (i % 2 ? ann.send(bob, `to bob ${i} ✓`) : bob.send(ann, `to ann ${i}`));
    await ann.send(bob, 'once', { 'idempotency-key': 'kept' });
    await bob.setStatus('BUSY', 'until three');
    const { json } = await ann.send(bob, 'are you there?');
    await waitUntil('the reply', async () =>
      (await ann.history(bob)).json.some((m) => m.autoReply?.inReplyTo === json._id), { within: 12000 });
    await mark(ann, bob);
    assert.equal((await ann.post(`/api/users/block/${carol.id}`)).status, 200);
    await carol.post('/api/auth/logout');
    seen = await look(stack.url);
    assert.deepEqual([seen.blocked, seen.refused], [[carol.user], 'BLOCKED']);
    const [[hers], [his]] = seen.conversations;
    assert.ok(hers.unread > 0 && hers.readUpTo !== null && his.theirDeliveredUpTo !== hers.readUpTo, 'there are marks');
    assert.ok(his.readUpTo === null && his.theirReadUpTo === hers.readUpTo, 'there are marks');
    await stack.stop({ keep: true });
    uri = await newDatabase();
  }, { timeout: patient(60000) });
  after(async () => {
    await stack?.stop();
  });

  test('takes everything along, from SQLite to MongoDB, and a second run has nothing to do', async () => {
    const first = await migrate(path.join(stack.dir, 'data'), uri);
    assert.equal(first.code, 0, first.output + first.errors);
    const table = tableOf(first);
    assert.deepEqual(table.users, { read: 3, added: 3, there: 0, differs: 0, from: 3, to: 3 });
    assert.deepEqual(table.messages, { read: 23, added: 23, there: 0, differs: 0, from: 23, to: 23 });
    assert.deepEqual(table['idempotency keys'], { read: 1, added: 1, there: 0, differs: 0, from: 1, to: 1 });
    assert.deepEqual(table.blocks, { read: 1, added: 1, there: 0, differs: 0, from: 1, to: 1 });
    assert.deepEqual(table.avatars, { read: 1, added: 1, there: 0, differs: 0, from: 1, to: 1 });
    assert.deepEqual(table['revoked tokens'], { read: 1, added: 1, there: 0, differs: 0, from: 1, to: 1 });

    const second = await migrate(path.join(stack.dir, 'data/parley.db'), uri);
    assert.equal(second.code, 0, second.output + second.errors);
    for (const [name, { read, added, there, differs }] of Object.entries(tableOf(second))) {
      assert.deepEqual([added, differs, there], [0, 0, read], name);
    }
  });

  test('shows the same people the same things there, and goes on', async () => {
    const settings = { MONGO_DB_URI: uri };
    const moved = await Stack.start(settings, { dir: stack.dir });
    try {
      assert.deepEqual(await look(moved.url), seen);
      const { ann, bob } = people;
      const headers = { cookie: ann.cookie, 'idempotency-key': 'kept' };
      const again = await call(moved.url, 'POST', `/api/messages/send/${bob.id}`, { message: 'once' }, headers);
      assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true']);
      const fresh = await call(moved.url, 'POST', `/api/messages/send/${bob.id}`, { message: 'here now' }, { cookie: ann.cookie });
      assert.equal(fresh.status, 201);
      await waitUntil('the reply', async () => (await call(moved.url, 'GET', `/api/messages/${bob.id}`, undefined, { cookie: ann.cookie }))
        .json.some((m) => m.autoReply?.inReplyTo === fresh.json._id), { within: 12000 });
      seen = await look(moved.url);
    } finally {
      await moved.stop({ keep: true });
    }
  });

  test('and back, from MongoDB to SQLite', async () => {
    const folder = path.join(dir, 'back');
    const back = await migrate(uri, folder);
    assert.equal(back.code, 0, back.output + back.errors);
    assert.deepEqual(tableOf(back).messages, { read: 25, added: 25, there: 0, differs: 0, from: 25, to: 25 });
    const secret = await readFile(path.join(stack.dir, 'data/jwt.secret'), 'utf8');
    const home = await Stack.start({ MONGO_DB_URI: '', DATA_DIR: folder, JWT_SECRET: secret });
    try {
      assert.deepEqual(await look(home.url), seen);
    } finally {
      await home.stop();
    }
  });
});

describe('a migration', () => {
  let app;
  let uri;
  let people;
  before(async () => {
    uri = await newDatabase();
    app = await ExpressApp.connect(uri);
    people = await Promise.all(['ann', 'bob'].map((username) => app.signUp({ username, password: 'correct horse' })));
    const time = new Date('2026-01-31T12:00:00Z');
    await app.Message.collection.insertMany(Array.from({ length: 5000 }, (_, i) => ({
      senderId: people[i % 2]._id, receiverId: people[1 - i % 2]._id, message: `message ${i} ${'x'.repeat(100)}`,
      createdAt: new Date(time.getTime() + i), updatedAt: new Date(time.getTime() + i), __v: 0,
    })));
  });
  after(() => app?.close());

  // The network stops in mid-copy; then the program is killed there.
  const killHalfway = async (proxy, settings) => {
    const run = begin(settings);
    await waitUntil('half of it to have passed', () => {
      if (run.code !== undefined && !proxy.stalls) throw new Error(`it ended with ${run.code}: ${run.output}${run.errors}`);
      return proxy.stalls;
    }, { within: 30000 });
    run.process.kill('SIGKILL');
    await run.ended;
    await proxy.stop();
  };
  const proxyTo = async (address, bytes) => {
    const { hostname, port } = new URL(address);
    const proxy = await Proxy.start({ host: hostname, port: Number(port) });
    proxy.stallAfter(bytes);
    return [proxy, address.replace(`:${port}`, `:${proxy.port}`)];
  };

  test('that was killed on its way from MongoDB is finished by another', async () => {
    const folder = path.join(dir, 'resumed');
    const [proxy, through] = await proxyTo(uri, 500000);
    await killHalfway(proxy, { FROM: through, TO: folder });
    const run = await migrate(uri, folder);
    assert.equal(run.code, 0, run.output + run.errors);
    const { messages } = tableOf(run);
    assert.deepEqual([messages.read, messages.from, messages.to, messages.differs], [5000, 5000, 5000, 0]);
    assert.ok(messages.there > 0 && messages.added > 0, `${messages.there} were there`);
  });

  test('that was killed on its way to MongoDB is finished by another', async () => {
    const folder = path.join(dir, 'resumed');
    const target = await newDatabase();
    const [proxy, through] = await proxyTo(target, 500000);
    await killHalfway(proxy, { FROM: folder, TO: through });
    const run = await migrate(folder, target);
    assert.equal(run.code, 0, run.output + run.errors);
    const { messages } = tableOf(run);
    assert.deepEqual([messages.read, messages.from, messages.to, messages.differs], [5000, 5000, 5000, 0]);
    assert.ok(messages.there > 0 && messages.added > 0, `${messages.there} were there`);

    const copy = await ExpressApp.connect(target);
    try {
      const all = (of) => of.Message.collection.find().sort({ createdAt: 1, _id: 1 }).toArray();
      const plain = (message) => JSON.stringify([message._id, message.senderId, message.receiverId, message.message,
        message.createdAt, message.updatedAt, message.__v]);
      assert.deepEqual((await all(copy)).map(plain), (await all(app)).map(plain));
    } finally {
      await copy.close();
    }
  });

  for (const [time, ms] of [['for a moment', 0], ['for as long as a replica set elects a primary', 12000]]) {
    test(`whose database is away ${time} waits for it`, async () => {
      const folder = path.join(dir, `patient ${ms}`);
      const [proxy, through] = await proxyTo(uri, 500000);
      const run = begin({ FROM: through, TO: folder });
      await waitUntil('half of it to have passed', () => proxy.stalls, { within: 30000 });
      proxy.cut();
      await sleep(ms);
      proxy.mend();
      proxy.flow();
      await withDeadline('the end', run.ended, 60000);
      await proxy.stop();
      assert.equal(run.code, 0, run.output + run.errors);
      assert.equal(tableOf(run).messages.added, 5000);
    });
  }

  test('whose database takes two seconds for each answer waits for them', async () => {
    const slow = await newDatabase();
    const far = await ExpressApp.connect(slow);
    let proxy;
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((username) => far.signUp({ username, password: 'correct horse' })));
      const page = await far.Message.insertMany(Array.from({ length: 20 }, (_, i) => (
        { senderId: ann._id, receiverId: bob._id, message: `${i} ${'x'.repeat(10000)}` })));
      let through;
      [proxy, through] = await proxyTo(slow, Infinity);
      proxy.delay(1000); // of what is asked, and of what is answered
      const run = begin({ FROM: through, TO: path.join(dir, 'far') });
      await waitUntil('the page of messages to be on its way', () => run.code !== undefined || proxy.passed > 200000, { within: 120000 });
      proxy.delay(0); // the rest is no slower
      await withDeadline('the end', run.ended, 60000);
      assert.equal(run.code, 0, run.output + run.errors);
      const { users, messages } = tableOf(run);
      assert.deepEqual([users.added, messages.added, messages.to], [2, page.length, page.length]);
    } finally {
      await proxy?.stop();
      await far.close();
    }
  });

  test('over a line that is too narrow for a page goes on with smaller ones', async () => {
    const [source, target] = [await newDatabase(), await newDatabase()];
    const near = await ExpressApp.connect(source);
    try {
      const [ann, bob] = await Promise.all(['ann', 'bob'].map((username) => near.signUp({ username, password: 'correct horse' })));
      await near.Message.insertMany(Array.from({ length: 600 }, (_, i) => (
        { senderId: ann._id, receiverId: bob._id, message: `${i} ${'x'.repeat(10000)}` })));
    } finally {
      await near.close();
    }
    const folder = path.join(dir, 'narrow');
    assert.equal((await migrate(source, folder)).code, 0);
    const [proxy, through] = await proxyTo(target, Infinity);
    proxy.narrow(1500); // 500 of them take 3 s
    const run = await withDeadline('the end', begin({ FROM: folder, TO: `${through}?socketTimeoutMS=1500` }).ended, 120000);
    await proxy.stop();
    assert.equal(run.code, 0, run.output + run.errors);
    const { messages } = tableOf(run);
    assert.deepEqual([messages.read, messages.to, messages.differs], [600, 600, 0]);
    assert.match(run.errors, /the call was given up/, 'a page did not get through');
  });

  test('overwrites nothing that differs, says what, and copies the rest', async () => {
    const target = await newDatabase();
    const other = await ExpressApp.connect(target);
    try {
      const taken = await other.signUp({ username: 'ann', password: 'another ann' });
      const message = await app.Message.collection.findOne();
      await other.Message.collection.insertOne({ ...message, message: 'another text' });
      const run = await migrate(uri, target);
      assert.equal(run.code, 2, run.output + run.errors);
      assert.match(run.output, new RegExp(`^differs: user ${people[0]._id}: .*TO left as it was$`, 'm'));
      assert.match(run.output, new RegExp(`^differs: message ${message._id}: .*TO left as it was$`, 'm'));
      const table = tableOf(run);
      assert.deepEqual([table.users.added, table.users.differs], [1, 1]);
      assert.deepEqual([table.messages.added, table.messages.differs], [4999, 1]);
      assert.equal((await other.Message.collection.findOne({ _id: message._id })).message, 'another text');
      assert.equal(String((await other.User.collection.findOne({ username: 'ann' }))._id), String(taken._id));
      assert.ok(taken._id instanceof ObjectId);
    } finally {
      await other.close();
    }
  });

  for (const [what, settings, code, message] of [
    ['without a TO', { FROM: 'data' }, 78, /set FROM and TO/],
    ['to where it comes from', { FROM: 'data', TO: 'data' }, 78, /the same/],
    ['from a folder without a store', { FROM: tmpdir(), TO: 'mongodb://127.0.0.1:1/x' }, 1, /no parley\.db/],
    ['from a database that is away', { FROM: 'mongodb://u:hushhush@127.0.0.1:1/x', TO: '/tmp/never' }, 1, /MongoDB at 127\.0\.0\.1:1\/x cannot be opened/],
    ['from a URI with a bare @ in its password', { FROM: 'mongodb://u:hush@hush@127.0.0.1/x', TO: '/tmp/never' }, 1, /percent-encoded/],
  ]) {
    test(`${what} ends with one line`, async () => {
      const run = await withDeadline('the end', begin(settings).ended, 20000);
      assert.equal(run.code, code, run.errors);
      const lines = run.errors.split('\n').filter((line) => line.startsWith('migrate: '));
      assert.equal(lines.length, 1, run.errors);
      assert.match(lines[0], message);
      assert.doesNotMatch(run.output + run.errors, /hush/);
    });
  }

  test('takes FROM and TO from files, too', async () => {
    const [from, to] = [path.join(dir, 'from'), path.join(dir, 'to')];
    await writeFile(from, `${path.join(dir, 'resumed')}\n`, { mode: 0o600 });
    await writeFile(to, `${path.join(dir, 'again')}\n`, { mode: 0o600 });
    const run = await withDeadline('the end', begin({ FROM_FILE: from, TO_FILE: to }).ended, 30000);
    assert.equal(run.code, 0, run.errors);
    assert.equal(tableOf(run).messages.added, 5000);
  });

  test('is what make migrate does', async () => {
    const run = spawnSync('make', ['migrate', `FROM=${path.join(dir, 'resumed')}`, `TO=${path.join(dir, 'made')}`],
      { cwd: root, encoding: 'utf8', timeout: patient(120000) });
    assert.equal(run.status, 0, run.stdout + run.stderr);
    assert.match(run.stdout, /^all of FROM is in TO$/m);
  });

  test('keeps away from a folder that is in use', async () => {
    const stack = await Stack.start({ MONGO_DB_URI: '' });
    try {
      const run = await migrate(path.join(stack.dir, 'data'), path.join(dir, 'unused'));
      assert.equal(run.code, 1);
      assert.match(run.errors, /in use by a running Parley/);
    } finally {
      await stack.stop();
    }
  });
});
