// SIGNUP=open|invite|closed: who may sign up, and by which code (issue 18, point 5).
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { admin, adminDone } from '../support/admin.mjs';
import { Person, call, password, uniqueName } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';

const fieldsOf = (fields) => ({
  fullName: 'Ann Test', username: uniqueName('ann'), password, confirmPassword: password, gender: 'female', ...fields,
});
const refused = (answer, status, code) => {
  assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
  assert.deepEqual(Object.keys(answer.json).sort(), ['code', 'error']);
  assert.equal(answer.cookies.length, 0);
};

describe('SIGNUP=invite', () => {
  const hold = useStack({ before, after, afterEach }, { SIGNUP: 'invite', AUTH_PROCESSES: '2' });
  const signUp = (fields, headers) => call(hold.stack.url, 'POST', '/api/auth/signup', fieldsOf(fields), headers);
  const invite = (...options) => adminDone(hold.stack, 'invite', ...options);
  const usernames = async () => JSON.parse(await adminDone(hold.stack, 'list', '--json')).map(({ username }) => username);

  test('lets in who has a code, once, as it does without', async () => {
    const code = await invite();
    assert.match(code, /^([0-9a-hjkmnp-tv-z]{4}-){6}[0-9a-hjkmnp-tv-z]{4}$/);
    const answer = await signUp({ invite: code });
    assert.equal(answer.status, 201);
    assert.deepEqual(Object.keys(answer.json), ['_id', 'fullName', 'username', 'profilePic', 'status']);
    assert.equal(answer.cookies.length, 1);
    refused(await signUp({ invite: code }), 403, 'INVITE_NEEDED');
    const login = await call(hold.stack.url, 'POST', '/api/auth/login', { username: answer.json.username, password });
    assert.equal(login.status, 200);
  });

  test('takes a code as people type it', async () => {
    const code = await invite();
    assert.equal((await signUp({ invite: ` ${code.toUpperCase().replaceAll('-', ' ')}` })).status, 201);
  });

  test('refuses a code that is missing, wrong or used, and stores nothing', async () => {
    const used = await invite();
    assert.equal((await signUp({ invite: used })).status, 201);
    const before = await usernames();
    for (const code of [undefined, null, '', 'x', used, used.replace(/^./, (c) => (c === '0' ? '1' : '0')), `${used}0`, '0'.repeat(5000)]) {
      refused(await signUp({ invite: code }), 403, 'INVITE_NEEDED');
    }
    assert.deepEqual(await usernames(), before);
  });

  test('refuses a code of another type, and a form that is none before it looks at the code', async () => {
    const code = await invite();
    for (const other of [7, true, [code], { $gt: '' }, { code }]) {
      const answer = await signUp({ invite: other });
      refused(answer, 400, 'INVALID_FIELD');
      assert.match(answer.json.error, /invite/);
    }
    refused(await signUp({ invite: code, confirmPassword: 'another one' }), 400, 'PASSWORDS_DONT_MATCH');
    refused(await signUp({ invite: code, gender: 'x' }), 400, 'INVALID_FIELD');
    assert.equal((await signUp({ invite: code })).status, 201); // none of them has used it up
  });

  test('does not use a code up if the name is taken, nor tells strangers that it is', async () => {
    const [first, second] = [await invite(), await invite()];
    const username = uniqueName('taken');
    assert.equal((await signUp({ invite: first, username })).status, 201);
    for (let i = 0; i < 3; i++) {
      const answer = await signUp({ invite: second, username });
      assert.deepEqual([answer.status, answer.json.error], [400, 'Username already exists']);
    }
    refused(await signUp({ invite: first, username }), 403, 'INVITE_NEEDED');
    assert.equal((await signUp({ invite: second })).status, 201);
  });

  test('lets as many in as a code has uses, of many at once', async () => {
    const code = await invite('--uses', '3');
    const answers = await Promise.all(Array.from({ length: 12 }, () => signUp({ invite: code })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 201, ...Array(9).fill(403)]);
  });

  test('does not keep codes as they are', async () => {
    const code = await invite();
    const dump = JSON.stringify(await adminDone(hold.stack, 'list'));
    assert.ok(!dump.includes(code));
    assert.ok(!(await hold.stack.logs({ tail: 1 << 20 })).includes(code));
  });

  test('refuses numbers of uses and days that are none', async () => {
    for (const options of [['--uses', '0'], ['--uses', '-1'], ['--uses', '100001'], ['--uses=x'], ['--days', '3651'], ['--days'], ['--uses', '1.5']]) {
      const { code, out, errors } = await admin(hold.stack, 'invite', ...options);
      assert.deepEqual([code, out], [2, ''], options.join(' '));
      assert.match(errors, /--(uses|days)/);
    }
  });
});

describe('guessing codes', () => {
  const hold = useStack({ before, after, afterEach }, { SIGNUP: 'invite', LIMIT_LOGIN_ADDRESS: '5' });

  test('is as slow as signing up is', async () => {
    const answers = [];
    for (let i = 0; i < 8; i++) answers.push(await call(hold.stack.url, 'POST', '/api/auth/signup', fieldsOf({ invite: `guess ${i}` })));
    assert.deepEqual(answers.map(({ status }) => status), [...Array(5).fill(403), ...Array(3).fill(429)]);
    assert.ok(Number(answers.at(-1).headers.get('retry-after')) > 0);
  });
});

describe('SIGNUP=closed', () => {
  const hold = useStack({ before, after, afterEach }, { SIGNUP: 'closed' });

  test('lets nobody sign up, with a code or not; the operator adds people', async () => {
    const { url } = hold.stack;
    const code = await adminDone(hold.stack, 'invite');
    for (const fields of [{}, { invite: code }, { username: 7 }]) {
      refused(await call(url, 'POST', '/api/auth/signup', fieldsOf(fields)), 403, 'SIGNUP_CLOSED');
    }
    const secret = await adminDone(hold.stack, 'add', 'Added by Hand', '--name', 'Added', '--gender', 'female');
    const answer = await call(url, 'POST', '/api/auth/login', { username: 'Added by Hand', password: secret });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.fullName, 'Added');
    assert.equal(answer.json.profilePic, 'https://avatar.iran.liara.run/public/girl?username=Added%20by%20Hand');
  });
});

describe('SIGNUP unset', () => {
  const hold = useStack({ before, after, afterEach }, {});

  test('lets everybody in, and passes a code over', async () => {
    await Person.signUp(hold.stack.url, 'ann');
    await Person.signUp(hold.stack.url, 'bob', { invite: 7 });
  });
});
