// Who there is, and who is busy.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';

const hold = useStack({ before, after, afterEach });
const signUp = (name) => Person.signUp(hold.stack.url, name);
const nobody = '0123456789abcdef01234567';
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const find = async (viewer, person) => (await viewer.get('/api/users')).json.find(({ _id }) => _id === person.id);

describe('GET /api/users', () => {
  test('has everybody but the caller, and nothing secret', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const answer = await ann.get('/api/users');
    assert.equal(answer.status, 200);
    assert.ok(!answer.json.some(({ _id }) => _id === ann.id));
    const found = answer.json.find(({ _id }) => _id === bob.id);
    const { createdAt, updatedAt, ...rest } = found;
    assert.deepEqual(rest, bob.user);
    assert.match(createdAt, time);
    assert.match(updatedAt, time);
    for (const user of answer.json) {
      assert.deepEqual(Object.keys(user).sort(),
        ['_id', 'createdAt', 'fullName', 'profilePic', 'status', 'updatedAt', 'username']);
    }
    assert.doesNotMatch(answer.text, /argon2|\$2[aby]\$/);
  });

  test('shows a status as it is now', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    for (const status of ['BUSY', 'AVAILABLE']) {
      await bob.setStatus(status);
      assert.equal((await find(ann, bob)).status, status);
    }
  });
});

describe('a status', () => {
  test('is the caller\'s to change, and anybody\'s to read', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    assert.deepEqual((await ann.get(`/api/users/${bob.id}`)).json, { status: 'AVAILABLE' });
    const answer = await bob.setStatus('BUSY');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, { success: true, message: 'User status updated successfully.' });
    for (const person of [ann, bob]) assert.deepEqual((await person.get(`/api/users/${bob.id}`)).json, { status: 'BUSY' });
    assert.equal((await bob.get('/api/auth/me')).json.status, 'BUSY');
    assert.equal((await bob.logIn()).json.status, 'BUSY');
  });

  test('may come with a note of 280 characters, which is not shown', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    assert.equal((await bob.setStatus('BUSY', '🍜'.repeat(280))).status, 200);
    assert.deepEqual((await ann.get(`/api/users/${bob.id}`)).json, { status: 'BUSY' });
    const refused = await bob.setStatus('BUSY', 'x'.repeat(281));
    assert.equal(refused.status, 400);
    assert.match(refused.json.error, /note/);
  });

  test('of someone else is not: 403, and it stays', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const answer = await ann.post(`/api/users/status/${bob.id}`, { status: 'BUSY' });
    assert.equal(answer.status, 403);
    assert.equal(typeof answer.json.error, 'string');
    assert.deepEqual((await ann.get(`/api/users/${bob.id}`)).json, { status: 'AVAILABLE' });
  });

  for (const [what, body] of [
    ['none', {}], ['an unknown one', { status: 'AWAY' }], ['lower case', { status: 'busy' }], ['null', { status: null }],
    ['a number', { status: 1 }], ['an object', { status: { $ne: 'BUSY' } }], ['an array', ['BUSY']],
    ['a note that is no text', { status: 'BUSY', note: 7 }], ['broken JSON', '{'],
  ]) {
    test(`is refused and stays: ${what}`, async () => {
      const ann = await signUp('ann');
      const answer = await ann.post(`/api/users/status/${ann.id}`, body);
      assert.equal(answer.status, 400, answer.text);
      assert.equal(typeof answer.json.code, 'string');
      assert.deepEqual((await ann.get(`/api/users/${ann.id}`)).json, { status: 'AVAILABLE' });
    });
  }

  test('of nobody: 404; of a bad id: 400', async () => {
    const ann = await signUp('ann');
    const answer = await ann.get(`/api/users/${nobody}`);
    assert.deepEqual([answer.status, answer.json.error], [404, 'User not found']);
    for (const id of ['x', '0'.repeat(25), 'z'.repeat(24)]) {
      const bad = await ann.get(`/api/users/${id}`);
      assert.equal(bad.status, 400);
      assert.match(bad.json.error, /id/);
    }
  });
});
