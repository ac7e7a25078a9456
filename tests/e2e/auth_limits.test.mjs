// What one address may ask of auth: sign-ups and right log-ins have their limits, as wrong ones have (issue 15, point 3 and 8).
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';

const signUp = (url, name, headers) => call(url, 'POST', '/api/auth/signup', {
  fullName: 'Ann Test', username: uniqueName(name), password, confirmPassword: password, gender: 'female',
}, headers);

const isThrottled = ({ status, headers, json, cookies }) => {
  assert.equal(status, 429);
  assert.ok(Number(headers.get('retry-after')) >= 1, 'says when to come again');
  assert.equal(json.code, 'TOO_MANY_REQUESTS');
  assert.equal(cookies.length, 0);
};

describe('sign-ups of one address', () => {
  const hold = useStack({ before, after, afterEach }, { LIMIT_LOGIN_ACCOUNT: '10', LIMIT_LOGIN_ADDRESS: '10' });

  test('are refused beyond LIMIT_LOGIN_ADDRESS as log-ins are, also when they come at once; nothing is stored', async () => {
    const { url } = hold.stack;
    const ann = await Person.signUp(url, 'ann');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => signUp(url, `crowd${i}`)));
    const refused = answers.filter(({ status }) => status !== 201);
    assert.equal(answers.length - refused.length, 9);
    for (const answer of refused) isThrottled(answer);
    assert.equal((await ann.get('/api/users')).json.length, 9);
    isThrottled(await ann.logIn()); // the same count
    assert.equal((await ann.get('/api/auth/me')).status, 200, 'who is in stays in');
  });
});

describe('sign-ups of many addresses', () => {
  const hold = useStack({ before, after, afterEach },
    { LIMIT_LOGIN_ADDRESS: '1', LIMIT_LOGIN_ACCOUNT: '10', GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1' });

  test('are refused beyond a hundred times LIMIT_LOGIN_ADDRESS in all, and log-ins go on', async () => {
    const { url } = hold.stack;
    const from = (i) => ({ 'x-forwarded-for': `2001:db8:0:${i.toString(16)}::1` });
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => signUp(url, 'crowd', from(i))));
    answers.push(...await Promise.all(Array.from({ length: 50 }, (_, i) => signUp(url, 'crowd', from(50 + i)))));
    assert.ok(answers.every(({ status }) => status === 201), answers.map(({ status }) => status).join(' '));
    const late = []; // one more every 9 s
    do late.push(await signUp(url, 'late', from(100 + late.length))); while (late.at(-1).status === 201 && late.length < 10);
    isThrottled(late.at(-1));
    const { username } = answers[0].json;
    assert.equal((await call(url, 'POST', '/api/auth/login', { username, password }, from(200))).status, 200);
  });
});

describe('log-ins that are right', () => {
  const hold = useStack({ before, after, afterEach }, { LIMIT_LOGIN_ACCOUNT: '2', LIMIT_LOGIN_ADDRESS: '60' });

  test('are refused beyond ten times LIMIT_LOGIN_ACCOUNT, those to other accounts are not', async () => {
    const { url } = hold.stack;
    const [ann, bob] = [await Person.signUp(url, 'ann'), await Person.signUp(url, 'bob')];
    for (let i = 0; i < 20; i++) assert.equal((await ann.logIn()).status, 200);
    isThrottled(await ann.logIn());
    assert.equal((await bob.logIn()).status, 200);
    assert.equal((await ann.get('/api/auth/me')).status, 200, 'who is in stays in');
  });
});
