// What an answer that means no good says to a person.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meaningOf } from '../../gateway/web/core/problems.js';

const invalid = (error) => meaningOf(400, { error, code: 'INVALID_FIELD' });

test('the length that a field may have is the server\'s', () => {
  assert.deepEqual(invalid('password must be at least 12 characters long'), { message: 'The password is too short. It needs at least 12 characters.', field: 'password' });
  assert.match(invalid('newPassword must be at least 6 characters long').message, /at least 6 characters/);
  const { message, field } = invalid('message must be 1 to 1024 bytes of UTF-8 long');
  assert.match(message, /more than 1,024 letters/);
  assert.equal(field, 'message');
});

test('what else is wrong with a field is said without a number', () => {
  assert.equal(invalid('message must not be only white space or invisible characters').message, 'A message cannot be empty.');
  assert.match(invalid('password must not be the username').message, /must not be the username/);
  assert.equal(invalid('shoeSize must be at least 12 inches').message, 'shoeSize must be at least 12 inches');
});
