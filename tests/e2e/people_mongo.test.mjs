// People at size on MongoDB, where a MERN app may add and rename users beside us.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import mongoose from 'mongoose';
import { Person } from '../support/api.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const uri = await newDatabase();
await inMern((users) => users.insertMany(Array.from({ length: 1200 }, (_, i) => mernUser(`old${i}`, `Old Üser ${i}`))));
const hold = useStack({ before, after, afterEach }, { MONGO_DB_URI: uri });
let ann;

function mernUser(username, fullName) {
  return { username, fullName, password: 'x', gender: 'male', profilePic: 'https://x/', createdAt: new Date(), updatedAt: new Date(), __v: 0 };
}
async function inMern(ask) {
  const connection = await mongoose.createConnection(uri).asPromise();
  try { return await ask(connection.db.collection('users')); } finally { await connection.close(); }
}
const find = async (q) => (await ann.get(`/api/users?limit=100&q=${encodeURIComponent(q)}`)).json.map(({ username }) => username);

test('old users are found, whom the background has filled in', async () => {
  ann = await waitUntil('the stand-in to have time', () => Person.signUp(hold.stack.url, 'ann').catch(() => false), { within: 20000 });
  await waitUntil('all to be filled in', () => inMern(async (users) => await users.countDocuments({ parleyPeople: { $exists: false } }) === 0), { within: 30000 });
  assert.deepEqual(await find('user 1199'), ['old1199']);
  const line = /"svc":"auth","msg":"users were made findable by name","users":\d+/; // written once the last of them is in the store
  await waitUntil('the log to say so', async () => line.test(await hold.stack.logs({ tail: Infinity })));
  const page = await ann.get('/api/users?limit=100&q=old');
  assert.equal(page.json.length, 100);
  assert.match(page.headers.get('link'), /rel="next"/);
});

test('one whom a MERN app adds is found at once; nothing of theirs is shown but what was', async () => {
  await inMern((users) => users.insertOne(mernUser('marta', 'Marta García')));
  assert.deepEqual(await find('garcia'), ['marta']);
  const [marta] = (await ann.get('/api/users?q=garcia')).json;
  assert.deepEqual(Object.keys(marta), ['_id', 'fullName', 'username', 'profilePic', 'status', 'createdAt', 'updatedAt']);
  assert.equal((await ann.get(`/api/users/profile/${marta._id}`)).json.online, false);
});

test('the whole list has an ETag, though the store has none: it is digested first', async () => {
  const first = await ann.get('/api/users');
  assert.ok(first.json.length > 1200);
  const tag = first.headers.get('etag');
  assert.equal((await ann.get('/api/users', { 'if-none-match': tag })).status, 304);
  await inMern((users) => users.updateOne({ username: 'old7' }, { $set: { profilePic: 'https://y/' } }));
  const changed = await ann.get('/api/users', { 'if-none-match': tag });
  assert.equal(changed.status, 200);
  assert.equal(changed.json.find(({ username }) => username === 'old7').profilePic, 'https://y/');
  assert.equal((await fetch(`${hold.stack.url}/api/users`, { method: 'HEAD', headers: { cookie: ann.cookie } })).headers.get('etag'), changed.headers.get('etag'));
});

test('a page has an ETag', async () => {
  const first = await ann.get('/api/users?q=old&limit=10');
  assert.equal((await ann.get('/api/users?q=old&limit=10', { 'if-none-match': first.headers.get('etag') })).status, 304);
  await inMern((users) => users.updateOne({ username: first.json[0].username }, { $set: { status: 'BUSY' } }));
  assert.equal((await ann.get('/api/users?q=old&limit=10', { 'if-none-match': first.headers.get('etag') })).status, 200);
});
