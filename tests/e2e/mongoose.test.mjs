// A database that an Express app with mongoose filled, served by Parley; and what Parley writes,
// read by mongoose.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call, password } from '../support/api.mjs';
import { ExpressApp, ObjectId, asJson } from '../support/express_app.mjs';
import { mernClaims, signJwt } from '../support/jwt.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const secret = 'the secret that the Express app had all along';
const settings = { JWT_SECRET: secret };
let app;
before(async () => {
  settings.MONGO_DB_URI = await newDatabase();
  app = await ExpressApp.connect(settings.MONGO_DB_URI);
});
after(() => app?.close());

describe('a database that the Express app filled', () => {
  const people = {};
  const sent = [];
  let conversations;
  before(async () => {
    for (const username of ['ann', 'bob', 'carol', 'dave', 'erin', 'frank']) {
      people[username] = await app.signUp({ username, password: `${username}'s own`, email: `${username}@example.org` });
    }
    for (let i = 0; i < 30; i++) {
      const [from, to] = i % 3 ? ['ann', 'bob'] : ['bob', 'ann'];
      sent.push(await app.send(people[from], people[to], `message ${i} ✓`));
    }
    await app.send(people.carol, people.bob, 'for others');
    // What other programs left there.
    await app.User.collection.updateOne({ _id: people.carol._id }, {
      $set: { lastSeen: new Date(), friends: [people.ann._id], settings: { theme: 'dark', $odd: 1 } },
      $unset: { profilePic: 1 },
    });
    conversations = await app.Conversation.find().lean();
  });
  const hold = useStack({ before, after, afterEach }, settings);

  const logIn = (username, own = `${username}'s own`) =>
    call(hold.stack.url, 'POST', '/api/auth/login', { username, password: own });
  const enter = async (username) => {
    const answer = await logIn(username);
    assert.equal(answer.status, 200, answer.text);
    return new Person(hold.stack.url, answer.json, answer.cookies[0].split(';')[0]);
  };
  const stored = (username) => app.User.collection.findOne({ username });

  test('takes the bcrypt passwords, and hashes each anew with argon2id at the next login', async () => {
    assert.match((await stored('ann')).password, /^\$2[aby]\$10\$/);
    assert.equal((await logIn('ann', 'wrong password')).status, 400);
    assert.match((await stored('ann')).password, /^\$2/, 'a wrong one changes nothing');
    const answer = await logIn('ann');
    assert.deepEqual(answer.json, {
      _id: String(people.ann._id), fullName: 'ann Test', username: 'ann', profilePic: '', status: 'AVAILABLE',
    });
    await waitUntil('the new hash', async () => /^\$argon2id\$/.test((await stored('ann')).password));
    assert.equal((await logIn('ann')).status, 200);
    assert.equal((await logIn('ann', 'wrong password')).status, 400);
    assert.match((await stored('dave')).password, /^\$2/, 'others wait for their own login');
  });

  test('finds who wrote with whom, in the background, and says so in the log', async () => {
    const ours = app.User.db.collection('parley_correspondents');
    const pairs = () => ours.find({ _id: { $ne: 'filled' } }).toArray();
    const pair = (a, b) => Buffer.concat([people[a]._id.id, people[b]._id.id]).toString('hex');
    const kept = async () => (await pairs()).map((doc) => doc._id.toString('hex')).sort();
    const wanted = [['ann', 'bob'], ['bob', 'ann'], ['bob', 'carol'], ['carol', 'bob']].map(([a, b]) => pair(a, b));
    await waitUntil('the pairs', async () => (await pairs()).length >= 4);
    assert.deepEqual(await kept(), wanted.sort());
    await waitUntil('the end in the log', async () => /messages that were there are listed/.test(await hold.stack.logs({ tail: Infinity })));
    assert.match(await hold.stack.logs({ tail: Infinity }), /"messages are looked through for conversations/);
    // and what the app goes on writing
    await app.Message.create({ senderId: people.dave._id, receiverId: people.erin._id, message: 'by the old app' });
    await waitUntil('the pair of the old app', async () => (await kept()).includes(pair('erin', 'dave')), { within: 40000 });
  });

  // A check costs some 60 ms; on the loop the question would wait for all that came before it.
  test('checks them off the loop: others are answered meanwhile', async () => {
    const ann = await enter('ann');
    // Where all stood still meanwhile, all answers are there at once, and tell nothing: once more.
    await waitUntil('an answer to others before the last log-ins', async () => {
      const order = [];
      const logins = Array.from({ length: 16 }, () => logIn('erin', 'wrong password').then((answer) => {
        order.push('login');
        return answer.status;
      }));
      const me = ann.get('/api/auth/me').then((answer) => { order.push('me'); return answer.status; });
      assert.equal(await me, 200);
      assert.ok((await Promise.all(logins)).every((status) => status === 400));
      return order.indexOf('me') < 12;
    }, { within: 30000 });
  });

  test('keeps the sessions that its secret signed', async () => {
    const cookie = `jwt=${signJwt(mernClaims(String(people.bob._id)), secret)}`;
    assert.equal((await call(hold.stack.url, 'GET', '/api/auth/me', undefined, { cookie })).json.username, 'bob');
  });

  test('shows the history as the app showed it', async () => {
    const [ann, bob] = [await enter('ann'), await enter('bob')];
    const expected = asJson(sent);
    assert.deepEqual((await ann.history(bob)).json, expected);
    assert.deepEqual((await bob.history(ann)).json, expected);
    assert.deepEqual((await bob.history(ann, `?limit=5&before=${sent[20]._id}`)).json, expected.slice(15, 20));
  });

  test('lists the users as the app did, each with a status', async () => {
    const bob = await enter('bob');
    const listed = (await bob.get('/api/users')).json;
    const shown = ({ _id, fullName, username, createdAt }) => ({ _id, fullName, username, createdAt });
    const expected = asJson(await app.User.find({ _id: { $ne: bob.id } }).select('-password').sort({ _id: 1 }));
    assert.deepEqual(listed.map(shown), expected.map(shown));
    for (const user of listed) {
      assert.equal(user.status, 'AVAILABLE');
      assert.equal(typeof user.profilePic, 'string');
      assert.deepEqual(Object.keys(user).filter((key) => /password|email|settings|friends|lastSeen/i.test(key)), []);
    }
  });

  test('leaves alone what it does not know', async () => {
    const old = await stored('carol');
    const carol = await enter('carol');
    assert.equal((await carol.setStatus('BUSY', 'reading')).status, 200);
    const changed = await waitUntil('the new hash', async () => {
      const user = await stored('carol');
      return user.password !== old.password && user;
    });
    assert.equal(changed.status, 'BUSY');
    for (const name of ['_id', 'email', 'friends', 'settings', 'lastSeen', 'fullName', 'gender', 'createdAt', '__v']) {
      assert.deepEqual(changed[name], old[name], name);
    }
    assert.deepEqual(await app.Conversation.find().lean(), conversations);
  });

  test('refuses a name that is taken there', async () => {
    const answer = await call(hold.stack.url, 'POST', '/api/auth/signup',
      { fullName: 'Ann', username: 'ann', password, confirmPassword: password, gender: 'female' });
    assert.deepEqual([answer.status, answer.json.error], [400, 'Username already exists']);
    assert.equal(await app.User.countDocuments({ username: 'ann' }), 1);
  });

  test('goes on where the app left off: its messages and ours in one history', async () => {
    const [dave, frank] = [await enter('dave'), await enter('frank')];
    const old = await app.send(people.dave, people.frank, 'from the app');
    const fresh = await dave.send(frank, 'from here');
    assert.equal(fresh.status, 201);
    const late = await app.send(people.frank, people.dave, 'the app again');
    assert.deepEqual((await frank.history(dave)).json.map(({ _id }) => _id),
      [String(old._id), fresh.json._id, String(late._id)]);
  });

  test('sees what another program changes', async () => {
    const [dave, erin] = [await enter('dave'), await enter('erin')];
    await app.User.collection.updateOne({ _id: people.erin._id }, { $set: { status: 'BUSY' } });
    assert.deepEqual((await dave.get(`/api/users/${erin.id}`)).json, { status: 'BUSY' });
    const { json } = await dave.send(erin, 'are you there?');
    await waitUntil('the reply', async () =>
      (await dave.history(erin)).json.some((m) => m.autoReply?.inReplyTo === json._id), { within: 12000 });
  });
});

describe('what Parley writes', () => {
  const hold = useStack({ before, after, afterEach }, settings);
  let strict;
  before(async () => { strict = await ExpressApp.connect(settings.MONGO_DB_URI, { strict: 'throw' }); });
  after(() => strict?.close());

  test('is a user to mongoose, with its types, and the app can change it', async () => {
    const gina = await Person.signUp(hold.stack.url, 'gina', { gender: 'female' });
    const raw = await app.User.collection.findOne({ username: gina.user.username });
    assert.ok(raw._id instanceof ObjectId);
    assert.ok(raw.createdAt instanceof Date && raw.updatedAt instanceof Date);
    assert.strictEqual(raw.__v, 0);
    assert.deepEqual([raw.gender, raw.status, raw.profilePic], ['female', 'AVAILABLE', gina.user.profilePic]);
    assert.match(raw.password, /^\$argon2id\$/);

    const user = await strict.User.findById(gina.id);
    await user.validate();
    user.fullName = 'Gina Other';
    await user.save();
    const me = (await gina.get('/api/auth/me')).json;
    assert.deepEqual([me.fullName, me.status], ['Gina Other', 'AVAILABLE']);
  });

  // mongoose also shows what its schema does not know.
  const pick = (object, like) => Object.fromEntries(Object.keys(like).map((name) => [name, object[name]]));

  test('is a message to mongoose, as the 201 said it', async () => {
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
    const { json } = await ann.send(bob, 'Grüße 🌍', { 'idempotency-key': 'mongoose' });
    const raw = await app.Message.collection.findOne({ _id: new ObjectId(json._id) });
    for (const name of ['_id', 'senderId', 'receiverId']) assert.ok(raw[name] instanceof ObjectId, name);
    for (const name of ['createdAt', 'updatedAt']) assert.ok(raw[name] instanceof Date, name);
    assert.strictEqual(raw.__v, 0);
    for (const models of [app, strict]) {
      const message = await models.Message.findById(json._id);
      await message.validate();
      assert.deepEqual(pick(asJson(message), json), json);
    }
  });

  test('is, of an automatic reply, a message that names its cause', async () => {
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
    await bob.setStatus('BUSY');
    const { json } = await ann.send(bob, 'are you there?');
    const reply = await waitUntil('the reply', async () =>
      (await ann.history(bob)).json.find((m) => m.autoReply?.inReplyTo === json._id), { within: 12000 });
    const raw = await app.Message.collection.findOne({ _id: new ObjectId(reply._id) });
    assert.deepEqual(asJson(raw.autoReply), reply.autoReply);
    assert.ok(raw.autoReply.inReplyTo instanceof ObjectId);
    const { autoReply, ...plain } = reply;
    assert.deepEqual(pick(asJson(await strict.Message.findById(reply._id)), plain), plain);
  });
});
