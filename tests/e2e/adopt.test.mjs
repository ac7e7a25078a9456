// Documents that the Express app serves and Parley cannot as they are: what a start says of them,
// `make adopt`, and what migrate, backup and restore do with them.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import mongoose from 'mongoose';
import { Person, call } from '../support/api.mjs';
import { ExpressApp, ObjectId } from '../support/express_app.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { Proxy } from '../support/proxy.mjs';
import { Stack, root } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const { Long, Double, Decimal128, Timestamp } = mongoose.mongo;
const build = path.resolve(root, process.env.BUILD_DIR ?? 'build');

/** Start one of the programs; `ended` gives its exit status and what it said. */
function begin(name, settings, ...args) {
  const env = { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...settings };
  const run = { output: '', errors: '', process: spawn(path.join(build, name), args, { env }) };
  run.process.stdout.setEncoding('utf8').on('data', (text) => { run.output += text; });
  run.process.stderr.setEncoding('utf8').on('data', (text) => { run.errors += text; });
  run.ended = once(run.process, 'close').then(([code]) => { run.code = code; return run; });
  return run;
}
const end = (run) => withDeadline('the program to end', run.ended, 60000);
const adopt = (uri, more = {}) => end(begin('parley-adopt', { MONGO_DB_URI: uri, ...more }));
const apply = (uri) => adopt(uri, { APPLY: '1' });
/** The number after a kind, 0 if it is not listed. */
const kind = ({ output }, name) => Number(new RegExp(`^ +${name} +(\\d+)$`, 'm').exec(output)?.[1] ?? 0);
const leftLines = ({ errors }) => errors.split('\n').filter((line) => line.startsWith('left: ')).sort();

let dir;
before(async () => { dir = await mkdtemp(path.join(tmpdir(), 'parley-adopt-')); });
after(() => rm(dir, { recursive: true, force: true }));

const at = new Date('2024-01-31T12:00:00.123Z');
const hex = (n) => `65a0000000000000000${String(n).padStart(5, '0')}`;
const idTime = new Date(0x65a00000 * 1000);

/** A new database that `fill` fills, past mongoose. */
async function filled(fill) {
  const uri = await newDatabase();
  const app = await ExpressApp.connect(uri);
  const users = app.User.collection;
  const messages = app.Message.collection;
  await fill({ app, users, messages });
  return { uri, app, users, messages };
}

describe('a database with documents of every kind', () => {
  let db;
  let ann;
  let bob;
  let n = 0;
  // What each should be: the time that is shown, or the text.
  const times = {};
  const message = (more) => ({ _id: new ObjectId(hex(++n)), senderId: ann._id, receiverId: bob._id, message: `m${n}`, __v: 0, ...more });

  before(async () => {
    db = await filled(async ({ app, users, messages }) => {
      ann = await app.signUp({ username: 'ann', password: 'of ann and nobody' });
      bob = await app.signUp({ username: 'bob', password: 'of bob and nobody' });
      await users.dropIndex('username_1');
      const byTime = {
        absent: [undefined, idTime], null: [null, idTime], empty: ['', idTime],
        iso: [at.toISOString(), at], zone: ['2024-01-31T13:00:00.123+01:00', at],
        toString: ['Wed Jan 31 2024 13:00:00 GMT+0100 (Central European Standard Time)', new Date('2024-01-31T12:00:00Z')],
        utc: [at.toUTCString(), new Date('2024-01-31T12:00:00Z')],
        milliseconds: [at.getTime(), at], long: [Long.fromNumber(at.getTime()), at], digits: [String(at.getTime()), at],
        decimal: [Decimal128.fromString(String(at.getTime())), at],
        seconds: [1706702400, new Date(1706702400000)],
        timestamp: [new Timestamp({ t: 1706702400, i: 1 }), new Date(1706702400000)],
      };
      for (const [name, [createdAt, shown]] of Object.entries(byTime)) {
        const m = message({ message: name, extra: { theme: name } });
        if (createdAt !== undefined) m.createdAt = createdAt;
        times[name] = shown.toISOString();
        await messages.insertOne(m);
      }
      const good = { createdAt: at, updatedAt: at };
      await messages.insertMany([
        message({ ...good, message: 'string sender', senderId: String(ann._id) }),
        message({ ...good, message: 'string receiver', receiverId: String(bob._id).toUpperCase() }),
        message({ ...good, message: 'string id', _id: hex(900) }),
        message({ ...good, message: 'string id, no time', _id: hex(901), createdAt: undefined }),
        message({ ...good, message: 7 }),
        message({ ...good, message: 'string update', updatedAt: '2024-02-01T00:00:00Z' }),
        message({ createdAt: at, message: 'served as it is', __v: undefined }),
      ]);
      const user = (more) => ({ fullName: 'Some One', password: ann.password, gender: 'male', createdAt: at, updatedAt: at, __v: 0, ...more });
      await users.insertMany([
        user({ username: 1234 }), user({ username: Long.fromString('5678901234') }), user({ username: new Double(12) }), user({ username: 1.5 }),
        user({ username: 'carol', _id: hex(1).replace(/^6/, '5'), email: 'carol@example.org' }),
        user({ username: 'dave', createdAt: '2024-01-31T12:00:00.123Z' }),
      ]);
      // What nobody can know.
      await messages.insertMany([
        message({ ...good, _id: new ObjectId(hex(700)), senderId: 'ann' }),
        message({ ...good, _id: new ObjectId(hex(701)), message: { $gt: 1 } }),
        message({ ...good, _id: new ObjectId(hex(702)), message: undefined, image: 'x.png' }),
        message({ ...good, _id: new ObjectId(hex(703)), createdAt: 'yesterday' }),
        message({ ...good, _id: new ObjectId(hex(704)), createdAt: '2024-01-31T12:00:00' }),
        message({ ...good, _id: new ObjectId(hex(705)), createdAt: 17 }),
        message({ ...good, _id: new ObjectId(hex(706)), createdAt: { a: 1 } }),
        message({ ...good, _id: 5 }),
        message({ ...good, _id: 'a\nname' }),
        message({ ...good, _id: new ObjectId(hex(707)), receiverId: undefined }),
        message({ ...good, _id: new ObjectId(hex(708)) }), message({ ...good, _id: hex(708), message: 'another' }),
      ]);
      await users.insertMany([
        user({ _id: new ObjectId(hex(800)), googleId: 1 }), user({ _id: new ObjectId(hex(801)), googleId: 2 }),
        user({ _id: new ObjectId(hex(802)), username: 77 }), user({ _id: new ObjectId(hex(803)), username: '77' }),
        user({ _id: 'someone', username: 'frank' }),
      ]);
    });
  }, { timeout: patient(60000) });
  after(() => db.app.close());

  const left = [
    `left: message "a\\nname": _id is a string that is no ObjectId`,
    `left: message 5: _id is a number that is no ObjectId`,
    `left: message ${hex(700)}: senderId is a string that is no ObjectId`,
    `left: message ${hex(701)}: message is of another type`,
    `left: message ${hex(702)}: message is missing`,
    `left: message ${hex(703)}: createdAt is a string that is no time`,
    `left: message ${hex(704)}: createdAt is a string that is no time`,
    `left: message ${hex(705)}: createdAt is a number that is no time`,
    `left: message ${hex(706)}: createdAt is of another type`,
    `left: message ${hex(707)}: receiverId is missing`,
    `left: message "${hex(708)}": _id is another's, too`,
    `left: user "someone": _id is a string that is no ObjectId`,
    `left: user ${hex(800)}: username is missing`,
    `left: user ${hex(801)}: username is missing`,
    `left: user ${hex(802)}: username is another's, too`,
  ].sort();
  const all = async () => JSON.stringify(await Promise.all(['users', 'messages', 'conversations'].map((name) =>
    db.app.connection.db.collection(name).find().sort({ _id: 1 }).toArray())));

  test('is served as far as it can be, and a start says what is not, once', async () => {
    const stack = await Stack.start({ MONGO_DB_URI: db.uri });
    try {
      // run.sh shows what the services' logs have.
      const warnings = async () => [...new Set((await stack.logs({ tail: 1e6 })).split('\n')
        .filter((line) => line.includes('cannot be served as they are')).map((line) => line.slice(line.indexOf('{'))))];
      const [line] = await waitUntil('the warning', async () => { const lines = await warnings(); return lines.length > 0 && lines; }, { within: 10000 });
      const warning = JSON.parse(line);
      assert.equal(warning.lvl, 'warn');
      assert.deepEqual([warning.users, warning.messages], [9, 29]);
      for (const part of ['messages: createdAt is missing 4', 'messages: createdAt is a string 7', 'messages: senderId is a string 2',
        'users: username is a number 5', 'users: username is missing 2']) assert.ok(warning.kinds.includes(part), `${part} in ${warning.kinds}`);
      assert.match(warning.mend, /make adopt MONGO_DB_URI=/);
      assert.equal((await warnings()).length, 1);
    } finally {
      await stack.stop();
    }
  });

  test('is backed up whole, and comes back whole', async () => {
    const folder = path.join(dir, 'backup');
    const target = await newDatabase();
    const out = await end(begin('parley-backup', { FROM: db.uri, TO: folder }));
    assert.equal(out.code, 0, out.errors);
    const back = await end(begin('parley-backup', { FROM: folder, TO: target }, 'restore'));
    assert.equal(back.code, 0, back.errors);
    const copy = mongoose.createConnection(target);
    try {
      await copy.asPromise();
      const raw = (of, name) => of.db.collection(name).find({}, { raw: true }).sort({ _id: 1 }).toArray();
      for (const name of ['users', 'messages', 'conversations']) {
        const [there, here] = await Promise.all([raw(copy, name), raw(db.app.connection, name)]);
        assert.deepEqual(there.map((one) => one.toString('hex')), here.map((one) => one.toString('hex')), name);
      }
    } finally {
      await copy.close();
    }
  });

  test('is copied by migrate but for those, which it names; status 2', async () => {
    const run = await end(begin('parley-migrate', { FROM: db.uri, TO: path.join(dir, 'part') }));
    assert.equal(run.code, 2, run.output + run.errors);
    const lines = leftLines(run);
    assert.equal(lines.length, 38);
    for (const line of left.filter((one) => !one.includes('another\'s'))) assert.ok(lines.includes(line), line);
    assert.match(lines.join('\n'), new RegExp(`^left: message "${hex(900)}": _id is a string$`, 'm'));
    assert.doesNotMatch(run.output, /all of FROM is in TO/);
    assert.match(run.errors.trim().split('\n').at(-1), /^migrate: 38 of FROM cannot be copied as they are, and were left; make adopt/);
  });

  test('is only looked at where APPLY is not set', async () => {
    const old = await all();
    const run = await adopt(db.uri);
    assert.equal(run.code, 2, run.output + run.errors);
    assert.deepEqual(leftLines(run), left);
    assert.equal(kind(run, 'messages: createdAt is missing'), 4);
    assert.equal(kind(run, 'messages: createdAt is a string'), 5);
    assert.equal(kind(run, 'messages: createdAt is a number'), 4);
    assert.equal(kind(run, 'messages: createdAt is of another type'), 1);
    assert.equal(kind(run, 'messages: senderId is a string'), 1);
    assert.equal(kind(run, 'messages: receiverId is a string'), 1);
    assert.equal(kind(run, 'messages: _id is a string'), 2);
    assert.equal(kind(run, 'messages: message is a number'), 1);
    assert.equal(kind(run, 'messages: updatedAt is a string'), 1);
    assert.equal(kind(run, 'users: username is a number'), 4);
    assert.equal(kind(run, 'users: _id is a string'), 1);
    assert.equal(kind(run, 'users: createdAt is a string'), 1);
    assert.match(run.output, /^would change: 6 users, 19 messages$/m);
    assert.match(run.output, /^would leave: 4 users, 11 messages$/m);
    assert.match(run.output, /nothing was changed; APPLY=1 does it/);
    assert.equal(await all(), old);
  });

  test('is mended where it is, and what is left is named', async () => {
    const run = await apply(db.uri);
    assert.equal(run.code, 2, run.output + run.errors);
    assert.match(run.output, /^changed: 6 users, 19 messages$/m);
    assert.deepEqual(leftLines(run), left);
    assert.equal(kind(run, 'messages: createdAt is missing'), 4);
    const again = await apply(db.uri);
    assert.match(again.output, /^changed: 0 users, 0 messages$/m);
    assert.equal(again.code, 2);
    assert.equal(await db.messages.countDocuments({ 'extra.theme': { $exists: true } }), 13, 'other fields stay');
    const carol = await db.users.findOne({ username: 'carol' });
    assert.ok(carol._id instanceof ObjectId);
    assert.equal(carol.email, 'carol@example.org');
    assert.equal(await db.users.countDocuments({ username: 77 }), 1);
    assert.equal((await db.users.findOne({ username: 'dave' })).createdAt.getTime(), at.getTime());
  });

  test('is served then', async () => {
    const stack = await Stack.start({ MONGO_DB_URI: db.uri });
    try {
      const enter = async (username) => {
        const answer = await call(stack.url, 'POST', '/api/auth/login', { username, password: 'of ann and nobody' });
        assert.equal(answer.status, 200, `${username}: ${answer.text}`);
        return new Person(stack.url, answer.json, answer.cookies[0].split(';')[0]);
      };
      const history = (await (await enter('ann')).history({ id: String(bob._id) })).json;
      const texts = history.map((m) => m.message);
      for (const [name, time] of Object.entries(times)) assert.equal(history.find((m) => m.message === name)?.createdAt, time, name);
      for (const text of ['string sender', 'string receiver', 'string id', 'string id, no time', '7', 'served as it is']) assert.ok(texts.includes(text), text);
      assert.equal(history.find((m) => m.message === 'string update').updatedAt, '2024-02-01T00:00:00.000Z');
      assert.equal(history.find((m) => m.message === 'string id')._id, hex(900));
      for (const name of ['1234', '5678901234', '12', '1.5', 'carol']) await enter(name);
    } finally {
      await stack.stop();
    }
  });
});

describe('a database that can be mended whole', () => {
  let db;
  let ann;
  before(async () => {
    db = await filled(async ({ app, users, messages }) => {
      ann = await app.signUp({ username: 'ann', password: 'of ann and nobody' });
      await messages.insertMany(Array.from({ length: 2000 }, (_, i) => ({
        _id: i % 2 ? hex(i) : new ObjectId(hex(i)), senderId: String(ann._id), receiverId: ann._id, message: `m${i} ${'x'.repeat(200)}`,
      })));
      await users.insertMany(Array.from({ length: 300 }, (_, i) => ({ _id: hex(i), username: i % 2 ? `u${i}` : i, fullName: `U ${i}` })));
    });
  });
  after(() => db.app.close());

  const check = async () => {
    assert.equal(await db.messages.countDocuments(), 2000);
    assert.equal(await db.users.countDocuments(), 301);
    const messages = await db.messages.find().sort({ _id: 1 }).toArray();
    messages.forEach((m, i) => {
      assert.equal(String(m._id), hex(i));
      assert.ok(m._id instanceof ObjectId && m.senderId instanceof ObjectId && m.createdAt instanceof Date);
      assert.match(m.message, new RegExp(`^m${i} `));
    });
    for (const user of await db.users.find().toArray()) assert.ok(user._id instanceof ObjectId && typeof user.username === 'string');
    assert.equal(await db.app.connection.db.collection('parley_adopt').countDocuments(), 0);
  };

  test('is finished by another run, wherever the one before was killed', async () => {
    const target = new URL(db.uri);
    for (const bytes of [30000, 60000, 90000, 150000, 300000]) {
      const proxy = await Proxy.start({ host: target.hostname, port: Number(target.port) });
      proxy.stallAfter(bytes);
      const through = new URL(db.uri);
      through.port = proxy.port;
      const run = begin('parley-adopt', { MONGO_DB_URI: String(through), APPLY: '1' });
      await waitUntil('it to be under way', () => proxy.stalls || run.code !== undefined, { within: 30000 });
      run.process.kill('SIGKILL');
      await run.ended;
      await proxy.stop();
      const half = await db.app.connection.db.collection('parley_adopt').countDocuments();
      assert.ok(await db.users.countDocuments() + half >= 301, 'no user is lost');
      assert.ok(await db.messages.countDocuments() >= 2000, 'no message is lost');
    }
    const last = await apply(db.uri);
    assert.equal(last.code, 0, last.output + last.errors);
    assert.match(last.output, /^all users and messages can be served$/m);
    await check();
  });

  test('has nothing to do then, and migrates whole', async () => {
    const run = await adopt(db.uri);
    assert.equal(run.code, 0, run.output + run.errors);
    assert.match(run.output, /^would change: 0 users, 0 messages$/m);
    const copy = await end(begin('parley-migrate', { FROM: db.uri, TO: path.join(dir, 'whole') }));
    assert.equal(copy.code, 0, copy.output + copy.errors);
    assert.match(copy.output, /^all of FROM is in TO$/m);
  });

  test('a user who was on the way is finished, whichever form is there', async () => {
    const halfWay = db.app.connection.db.collection('parley_adopt');
    const person = (id, username) => ({ _id: id, username, fullName: 'Half Way' });
    const ids = [hex(500), hex(501), hex(502)];
    for (const [i, id] of ids.entries()) {
      await halfWay.insertOne({ _id: id, old: person(id, `half${i}`), fresh: person(new ObjectId(id), `half${i}`) });
    }
    await db.users.insertOne(person(ids[0], 'half0'));
    await db.users.insertOne(person(new ObjectId(ids[1]), 'half1'));
    const dry = await adopt(db.uri);
    assert.match(dry.output, /^a run that was broken off left 3 users half-way$/m);
    assert.equal(dry.code, 0, dry.errors);
    const copy = await end(begin('parley-migrate', { FROM: db.uri, TO: path.join(dir, 'half-way') }));
    assert.equal(copy.code, 2, 'migrate does not pass over them');
    assert.ok(leftLines(copy).includes(`left: user "${ids[2]}": half-way to a new _id, in parley_adopt`), copy.errors);
    const run = await apply(db.uri);
    assert.equal(run.code, 0, run.output + run.errors);
    for (const [i, id] of ids.entries()) assert.equal(String((await db.users.findOne({ _id: new ObjectId(id) })).username), `half${i}`);
    assert.equal(await db.users.countDocuments({ fullName: 'Half Way' }), 3);
    assert.equal(await halfWay.countDocuments(), 0);
  });

  test('names users of one username, none of whom it can choose', async () => {
    await db.users.dropIndex('username_1');
    await db.users.insertMany([{ _id: new ObjectId(hex(600)), username: 'ann' }, { _id: new ObjectId(hex(601)), username: 'ann' }]);
    const run = await adopt(db.uri);
    assert.equal(run.code, 2, run.output);
    assert.deepEqual(leftLines(run), [String(ann._id), hex(600), hex(601)].map((id) => `left: user ${id}: username is another's, too`).sort());
  });
});

describe('adopt', () => {
  for (const [what, settings, code, message] of [
    ['without a URI', {}, 78, /set MONGO_DB_URI/],
    ['with a folder', { MONGO_DB_URI: 'data' }, 78, /must be mongodb:/],
    ['with a bad APPLY', { MONGO_DB_URI: 'mongodb://127.0.0.1:1/x', APPLY: 'yes' }, 78, /APPLY/],
    ['with a database that is away', { MONGO_DB_URI: 'mongodb://u:hushhush@127.0.0.1:1/x' }, 1, /broken off/],
    ['with a bare @ in the password', { MONGO_DB_URI: 'mongodb://u:hush@hush@127.0.0.1/x' }, 78, /percent-encoded/],
  ]) {
    test(`${what} ends with one line`, async () => {
      const run = await end(begin('parley-adopt', settings));
      assert.equal(run.code, code, run.errors);
      const lines = run.errors.split('\n').filter((line) => line.startsWith('adopt: '));
      assert.equal(lines.length, 1, run.errors);
      assert.match(lines[0], message);
      assert.doesNotMatch(run.output + run.errors, /hush/);
    });
  }

  test('is what make adopt does, with the URI from a file, too', async () => {
    const uri = await newDatabase();
    const file = path.join(dir, 'uri');
    await writeFile(file, `${uri}\n`, { mode: 0o600 });
    const make = (...args) => spawnSync('make', ['adopt', ...args], { cwd: root, encoding: 'utf8', timeout: patient(120000) });
    for (const run of [make(`MONGO_DB_URI=${uri}`), make(`MONGO_DB_URI_FILE=${file}`, 'APPLY=1')]) {
      assert.equal(run.status, 0, run.stdout + run.stderr);
      assert.match(run.stdout, /^all users and messages can be served$/m);
    }
  });
});
