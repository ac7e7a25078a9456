// The cookie is Secure where the client speaks https, whatever NODE_ENV says; without https in development it is not.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { call, password, uniqueName } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';

const hold = useStack({ before, after, afterEach }, { NODE_ENV: 'development', GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1' });
const cookieOf = async (headers) => {
  const fields = { fullName: 'Ann', username: uniqueName('ann'), password, confirmPassword: password, gender: 'female' };
  const answer = await call(hold.stack.url, 'POST', '/api/auth/signup', fields, headers);
  assert.equal(answer.status, 201, answer.text);
  return answer.cookies[0];
};

for (const headers of [{ 'x-forwarded-proto': 'https' }, { 'x-forwarded-proto': 'wss' }, { 'x-forwarded-proto': 'https, http' }, { forwarded: 'proto=https' }]) {
  test(`by ${JSON.stringify(headers)} it is Secure in development, too`, async () => assert.match(await cookieOf(headers), /; Secure$/));
}

for (const headers of [{}, { 'x-forwarded-proto': 'http' }, { 'x-forwarded-proto': 'http, https' }, { forwarded: 'proto=http' }]) {
  test(`by ${JSON.stringify(headers)} it is not`, async () => assert.doesNotMatch(await cookieOf(headers), /Secure/i));
}

test('it is so where it is cleared', async () => {
  const https = { 'x-forwarded-proto': 'https' };
  const cookie = (await cookieOf(https)).split(';')[0];
  const answer = await call(hold.stack.url, 'POST', '/api/auth/logout', undefined, { cookie, ...https });
  assert.equal(answer.status, 200);
  assert.match(answer.cookies[0], /^jwt=; Max-Age=0;.*; Secure$/);
  const again = await call(hold.stack.url, 'POST', '/api/auth/logout', undefined, { cookie });
  assert.doesNotMatch(again.cookies[0], /Secure/i);
});
