// What a hostile tester found from outside: each test is a fault that once was.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';

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
  });
});
