// `make backup` and `make restore`: of a store that is in use, into one that is empty.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, open, readFile, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person, call } from '../support/api.mjs';
import { repliesOwed } from '../support/database.mjs';
import { ExpressApp } from '../support/express_app.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { Proxy } from '../support/proxy.mjs';
import { Stack, root } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const program = path.resolve(root, process.env.BUILD_DIR ?? 'build', 'parley-backup');

/** Start it; `ended` gives its exit status and what it said. */
function begin(from, to, ...args) { return beginBy([program, ...args], from, to); }
function beginBy([command, ...args], from, to) {
  const env = { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', FROM: from, TO: to };
  const run = { output: '', errors: '', process: spawn(command, args, { env }) };
  run.process.stdout.setEncoding('utf8').on('data', (text) => { run.output += text; });
  run.process.stderr.setEncoding('utf8').on('data', (text) => { run.errors += text; });
  run.ended = once(run.process, 'close').then(([code]) => { run.code = code; return run; });
  return run;
}

const backup = (from, to) => withDeadline('the backup', begin(from, to).ended, 60000);
const restore = (from, to) => withDeadline('the restore', begin(from, to, 'restore').ended, 60000);

function worked(run) { assert.equal(run.code, 0, run.output + run.errors); }

/** It ended with one line that says why. */
function refused(run, why) {
  assert.equal(run.code, 1, run.output + run.errors);
  const lines = run.errors.split('\n').filter((line) => line.startsWith('backup: '));
  assert.equal(lines.length, 1, run.errors);
  assert.match(lines[0], why);
}

let dir;
before(async () => { dir = await mkdtemp(path.join(tmpdir(), 'parley-backup-')); });
after(() => rm(dir, { recursive: true, force: true }));

for (const store of ['SQLite', 'MongoDB']) {
  describe(`a backup of ${store}`, () => {
    const isMongo = store === 'MongoDB';
    const file = isMongo ? 'messages.bson' : 'parley.db';
    const people = {};
    const newTarget = async (name) => (isMongo ? newDatabase() : path.join(dir, name));
    let stack;
    let from;
    let made;
    let before_; // ids that were acknowledged before it began
    let owed;

    before(async () => {
      made = path.join(dir, `${store} of monday`);
      // Nobody answers for the busy, so that a reply stays owed.
      stack = await Stack.start({ MONGO_DB_URI: isMongo ? await newDatabase() : '', RESPONDER_PROCESSES: '0', MESSAGE_PROCESSES: '2' });
      from = isMongo ? stack.mongoUri : path.join(stack.dir, 'data');
      for (const name of ['ann', 'bob', 'carol']) people[name] = await Person.signUp(stack.url, name);
      await people.carol.post('/api/auth/logout');
    }, { timeout: patient(60000) });
    after(() => stack?.stop());

    test('is made while people chat, and has all that was acknowledged before', async () => {
      const { ann, bob } = people;
      const acknowledged = [];
      let goesOn = true;
      const chat = async (one, other) => {
        for (let i = 0; goesOn; i++) {
          const { status, json } = await one.send(other, `message ${i} ✓`);
          assert.ok(status === 201 || status === 503, `${status}`); // a database that stands still, or the machine
          if (status === 201) acknowledged.push(json._id);
        }
      };
      const chats = [chat(ann, bob), chat(bob, ann), chat(ann, bob)];
      let run;
      try {
        await waitUntil('some messages', () => acknowledged.length > 300, { within: 30000 });
        // One may be over before anybody's next message, if just the others stand still; then another one shows it.
        await waitUntil('nobody to be kept from writing', async () => {
          before_ = [...acknowledged];
          await rm(made, { recursive: true, force: true });
          run = await backup(from, made);
          worked(run);
          return acknowledged.length - before_.length > chats.length; // more than were under way
        }, { within: 10000 });
      } finally {
        goesOn = false;
        await Promise.all(chats);
      }
      assert.match(run.output, /^users +3$/m);
      assert.ok(Number(/^messages +(\d+)$/m.exec(run.output)[1]) >= before_.length);
      assert.equal(spawnSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: made }).status, 0);
      assert.deepEqual((await readdir(dir)).filter((name) => name.endsWith('.partial')), []);
    });

    test('has the replies that are owed, which are made once where it is restored, and the marks', async () => {
      const { ann, bob } = people;
      assert.equal((await bob.post(`/api/messages/read/${ann.id}`, { upTo: before_[10] })).status, 200);
      const socket = await bob.connect();
      await withDeadline('the acknowledgement', new Promise((resolve) => {
        socket.emit('delivered', { from: ann.id, upTo: before_[20] }, resolve);
      }));
      bob.close();
      await bob.setStatus('BUSY', 'until three');
      const second = path.join(dir, `${store} of tuesday`);
      // After ten seconds message writes the standard text itself: then it is owed no more, and the next one is.
      await waitUntil('a reply to be owed as long as it takes', async () => {
        owed = (await ann.send(bob, 'are you there?')).json._id;
        await rm(second, { recursive: true, force: true });
        worked(await backup(from, second));
        return await repliesOwed(stack) === 1;
      }, { within: 30000 });
      const withoutReplies = (list) => list.filter((m) => !m.autoReply);
      const history = withoutReplies((await ann.history(bob)).json);
      const marks = async (one, other, get) => {
        const { readUpTo, theirReadUpTo, theirDeliveredUpTo } = (await get(one, `/api/conversations/${other.id}`)).json;
        return { readUpTo, theirReadUpTo, theirDeliveredUpTo };
      };
      const marked = await marks(ann, bob, (one, at) => one.get(at));
      assert.deepEqual(marked, { readUpTo: null, theirReadUpTo: before_[10], theirDeliveredUpTo: before_[20] });

      const target = await newTarget('restored');
      worked(await restore(second, target));
      const secret = await readFile(path.join(stack.dir, 'data/jwt.secret'), 'utf8');
      const settings = isMongo ? { MONGO_DB_URI: target } : { MONGO_DB_URI: '', DATA_DIR: target };
      const copy = await Stack.start({ ...settings, JWT_SECRET: secret.trim() });
      try {
        const as = (one, at) => call(copy.url, 'GET', at, undefined, { cookie: one.cookie });
        const seen = async () => (await as(ann, `/api/messages/${bob.id}`)).json;
        const replies = (list) => list.filter((m) => m.autoReply?.inReplyTo === owed);
        await waitUntil('the reply', async () => replies(await seen()).length > 0, { within: 15000 });
        const now = await seen();
        assert.equal(replies(now).length, 1);
        assert.deepEqual(withoutReplies(now), history);
        assert.deepEqual(await marks(ann, bob, as), marked);
        assert.deepEqual(await marks(bob, ann, as), { readUpTo: before_[10], theirReadUpTo: null, theirDeliveredUpTo: null });
        const ids = new Set(now.map(({ _id }) => _id));
        assert.deepEqual(before_.filter((id) => !ids.has(id)), []);
        assert.equal((await call(copy.url, 'POST', '/api/auth/login', { username: ann.user.username, password: 'correct horse battery' })).status, 200);
        assert.equal((await as(people.carol, '/api/auth/me')).status, 401);
      } finally {
        await copy.stop();
      }
      refused(await restore(made, target), /not empty; nothing was overwritten/);
    });

    test('is for its owner alone, file by file: it holds the hashes of passwords', async () => {
      const modeOf = async (name) => ((await stat(path.join(made, name))).mode & 0o777).toString(8);
      assert.equal(await modeOf('.'), '700');
      for (const name of await readdir(made)) assert.equal(await modeOf(name), '600', name);
    });

    test('is not made over another', async () => {
      refused(await backup(from, made), /is there already/);
    });

    test('that was damaged, or lacks a part, is refused', async () => {
      const harms = {
        truncated: (copy) => truncate(path.join(copy, file), 1000),
        altered: async (copy) => {
          const handle = await open(path.join(copy, file), 'r+');
          await handle.write('X', 900);
          await handle.close();
        },
        missing: (copy) => rm(path.join(copy, file)),
        unfinished: (copy) => rm(path.join(copy, 'SHA256SUMS')),
        strange: (copy) => writeFile(path.join(copy, 'other.bson'), ''),
      };
      const target = await newTarget('untouched');
      for (const [name, harm] of Object.entries(harms)) {
        const copy = path.join(dir, `${store} ${name}`);
        await cp(made, copy, { recursive: true });
        await harm(copy);
        refused(await restore(copy, target), /not as it was written|is missing|no SHA256SUMS|other files/);
      }
      worked(await restore(made, target)); // nothing of them is there
    });

    test('is restored into a store of its own kind only', async () => {
      refused(await restore(made, isMongo ? path.join(dir, 'folder') : await newDatabase()), /then make migrate/);
    });
  });
}

test('a database that is broken though its sums are right fills nothing', async () => {
  const copy = path.join(dir, 'broken inside');
  const target = path.join(dir, 'still empty');
  await cp(path.join(dir, 'SQLite of monday'), copy, { recursive: true });
  const handle = await open(path.join(copy, 'parley.db'), 'r+');
  const { size } = await handle.stat();
  await handle.write(Buffer.alloc(4096, 'X'), 0, 4096, size - 4096);
  await handle.close();
  await writeFile(path.join(copy, 'SHA256SUMS'), spawnSync('sha256sum', ['parley.db'], { cwd: copy }).stdout);
  refused(await restore(copy, target), /the backup is broken/);
  worked(await restore(path.join(dir, 'SQLite of monday'), target));
});

test('a backup that there is no room for leaves nothing behind', async () => {
  const command = ['bash', '-c', 'trap "" XFSZ; ulimit -f 64; exec "$0"', program]; // no file above 64 KiB
  const memory = await mkdtemp('/dev/shm/parley-backup-'); // a tmpfs tells of new files only who looks anew
  try {
    for (const place of [dir, memory]) {
      refused(await withDeadline('the backup', beginBy(command, path.join(dir, 'still empty'), path.join(place, 'no room')).ended, 60000), /not done/);
      assert.deepEqual((await readdir(place)).filter((name) => name.startsWith('no room')), []);
    }
  } finally {
    await rm(memory, { recursive: true });
  }
});

test('a slash after the name changes nothing', async () => {
  worked(await backup(path.join(dir, 'still empty'), path.join(dir, 'with a slash/')));
  assert.deepEqual((await readdir(path.join(dir, 'with a slash'))).sort(), ['SHA256SUMS', 'parley.db']);
  refused(await backup(path.join(dir, 'still empty'), path.join(dir, 'with a slash/')), /is there already/);
});

test('a link that stands where a backup is written is not followed', async () => {
  const victim = path.join(dir, 'victim');
  await mkdir(victim);
  await writeFile(path.join(victim, 'kept'), '');
  await symlink(victim, path.join(dir, 'linked.partial'));
  refused(await backup(path.join(dir, 'still empty'), path.join(dir, 'linked')), /cannot be made/);
  assert.deepEqual(await readdir(victim), ['kept']);
});

describe('a large database', () => {
  let uri;
  let app;
  before(async () => {
    uri = await newDatabase();
    app = await ExpressApp.connect(uri);
    const ann = await app.signUp({ username: 'ann', password: 'of ann', email: 'ann@example.org' });
    const bob = await app.signUp({ username: 'bob', password: 'of bob' });
    await app.send(ann, bob, 'in a conversation');
    await app.Message.collection.createIndex({ createdAt: 1, _id: 1 });
    await app.Message.collection.insertMany(Array.from({ length: 5000 }, (_, i) => ({
      senderId: ann._id, receiverId: bob._id, message: `message ${i} `.repeat(20), createdAt: new Date(1.7e12 + i), seen: [i],
    })));
  });
  after(() => app?.close());

  const proxyTo = async (limit) => {
    const target = new URL(uri);
    const proxy = await Proxy.start({ host: target.hostname, port: Number(target.port) });
    proxy.stallAfter(limit);
    target.port = proxy.port;
    return [proxy, String(target)];
  };
  const documents = async (of) => Object.fromEntries(await Promise.all(['users', 'messages', 'conversations'].map(async (name) =>
    [name, JSON.stringify(await of.connection.db.collection(name).find().sort({ _id: 1 }).toArray())])));

  test('leaves nothing under the name of a backup that was killed; the next is made', async () => {
    const made = path.join(dir, 'killed');
    const [proxy, through] = await proxyTo(500000);
    const run = begin(through, made);
    await waitUntil('half of it to have passed', () => proxy.stalls, { within: 30000 });
    run.process.kill('SIGKILL');
    await run.ended;
    await proxy.stop();
    const names = (await readdir(dir)).filter((name) => name.startsWith('killed'));
    assert.deepEqual(names, ['killed.partial']);
    refused(await restore(`${made}.partial`, await newDatabase()), /no SHA256SUMS/);
    worked(await backup(uri, made));
    assert.deepEqual((await readdir(dir)).filter((name) => name.startsWith('killed')), ['killed']);
  });

  for (const [time, ms] of [['for a moment', 0], ['for as long as a replica set elects a primary', 12000]]) {
    test(`is away ${time}: the backup waits`, async () => {
      const [proxy, through] = await proxyTo(500000);
      const run = begin(through, path.join(dir, ms > 0 ? 'patient' : 'ready'));
      await waitUntil('half of it to have passed', () => proxy.stalls, { within: 30000 });
      proxy.cut();
      await sleep(ms);
      proxy.mend();
      proxy.flow();
      worked(await withDeadline('the end', run.ended, 60000));
      await proxy.stop();
      assert.match(run.output, /^messages +5001$/m);
    });
  }

  test('comes back with every field of every collection, also where the restore was killed between', async () => {
    const target = new URL(await newDatabase());
    const proxy = await Proxy.start({ host: target.hostname, port: Number(target.port) });
    const through = new URL(target);
    through.port = proxy.port;
    proxy.stallAfter(500000);
    const first = begin(path.join(dir, 'patient'), String(through), 'restore');
    await waitUntil('half of it to have passed', () => proxy.stalls, { within: 30000 });
    first.process.kill('SIGKILL');
    await first.ended;
    await proxy.stop();
    // ('killed' is equal, and so the same backup.)
    refused(await restore(path.join(dir, 'MongoDB of tuesday'), String(target)), /another backup was begun/);
    worked(await restore(path.join(dir, 'patient'), String(target)));
    const copy = await ExpressApp.connect(String(target));
    try {
      assert.deepEqual(await documents(copy), await documents(app));
    } finally {
      await copy.close();
    }
  });
});

test('make backup and make restore do it, too', async () => {
  const folder = path.join(dir, 'made');
  const stack = await Stack.start({ MONGO_DB_URI: '' });
  try {
    const ann = await Person.signUp(stack.url, 'ann');
    await ann.send(ann, 'note to myself');
    const make = (...args) => spawnSync('make', args, { cwd: root, encoding: 'utf8', timeout: patient(120000) });
    const out = make('backup', `FROM=${path.join(stack.dir, 'data')}`, `TO=${folder}`);
    assert.equal(out.status, 0, out.stdout + out.stderr);
    refused(await restore(folder, path.join(stack.dir, 'data')), /in use by a running Parley/);
    const back = make('restore', `FROM=${folder}`, `TO=${path.join(dir, 'made again')}`);
    assert.equal(back.status, 0, back.stdout + back.stderr);
    assert.match(back.stdout, /^messages +1$/m);
  } finally {
    await stack.stop();
  }
});
