// What one address may ask of auth: sign-ups and right log-ins have their limits, as wrong ones have (issue 15, point 3 and 8).
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const signUp = (url, name, headers) => call(url, 'POST', '/api/auth/signup', {
  fullName: 'Ann Test', username: uniqueName(name), password, confirmPassword: password, gender: 'female',
}, headers);

/** An address goes one after the other, and who has waited for 5 s is told so, on a slow machine; then again. */
const untilItCan = (ask) => waitUntil('an answer that is no 503', async () => {
  const answer = await ask();
  return answer.status !== 503 && answer;
}, { within: 60000 });

/** How many pass until the first that is refused. */
const untilRefused = async (ask) => {
  const answers = [];
  do answers.push(await untilItCan(() => ask(answers.length))); while (answers.at(-1).status < 400 && answers.length < 100);
  isThrottled(answers.pop());
  return answers.length;
};
/** As many as the limit gives back since then, at one in so many seconds, and the one of which it is part way. */
const givenBack = (begun, seconds) => Math.ceil((Date.now() - begun) / 1000 / seconds);

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
    const begun = Date.now();
    const ann = await Person.signUp(url, 'ann');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => untilItCan(() => signUp(url, `crowd${i}`))));
    const refused = answers.filter(({ status }) => status !== 201);
    for (const answer of refused) isThrottled(answer);
    const passed = answers.length - refused.length + await untilRefused(() => signUp(url, 'late'));
    assert.ok(passed >= 9 && passed < 9 + givenBack(begun, 90), `${passed}`);
    assert.equal((await ann.get('/api/users')).json.length, passed);
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
    const begun = Date.now();
    const answers = [];
    // Some at once, for the hashes of all would take longer than the gateway waits, on a slow machine.
    while (answers.length < 100) answers.push(...await Promise.all(Array.from({ length: 10 }, (_, i) => untilItCan(() => signUp(url, 'crowd', from(answers.length + i))))));
    assert.ok(answers.every(({ status }) => status === 201), answers.map(({ status }) => status).join(' '));
    const late = await untilRefused((i) => signUp(url, 'late', from(100 + i)));
    assert.ok(late < givenBack(begun, 9), `${late} more`);
    const { username } = answers[0].json;
    assert.equal((await call(url, 'POST', '/api/auth/login', { username, password }, from(200))).status, 200);
  });
});

describe('log-ins that are right', () => {
  const hold = useStack({ before, after, afterEach }, { LIMIT_LOGIN_ACCOUNT: '2', LIMIT_LOGIN_ADDRESS: '60' });

  test('are refused beyond ten times LIMIT_LOGIN_ACCOUNT, those to other accounts are not', async () => {
    const { url } = hold.stack;
    const [ann, bob] = [await Person.signUp(url, 'ann'), await Person.signUp(url, 'bob')];
    const begun = Date.now();
    const passed = await untilRefused(() => ann.logIn());
    assert.ok(passed >= 20 && passed < 20 + givenBack(begun, 45), `${passed}`);
    assert.equal((await bob.logIn()).status, 200);
    assert.equal((await ann.get('/api/auth/me')).status, 200, 'who is in stays in');
  });
});
