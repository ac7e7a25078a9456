// Who may sign up, as the form tells it: by invite, or nobody; and who is disabled.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { adminDone } from '../support/admin.mjs';
import { password, uniqueName } from '../support/api.mjs';
import { check } from '../support/axe.mjs';
import { useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';

async function fillIn(page, name) {
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('Full name').fill(name);
  await page.getByLabel('Username').fill(name);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Password, once more').fill(password);
  await page.getByLabel('Female', { exact: true }).check();
  await page.getByRole('button', { name: 'Sign up' }).click();
}

describe('by invite', () => {
  const hold = useStack({ before, after, afterEach }, { SIGNUP: 'invite' });
  const { newContext, openIn } = useBrowser({ before, after, afterEach }, hold);

  test('the form asks for the code, keeps what is filled in, and lets in who has one', async () => {
    const page = await openIn(await newContext(), '/', { expect: /40[013]/ });
    const name = uniqueName('Ann');
    await fillIn(page, name);
    await page.getByRole('alert').getByText('needs an invite code').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.name), 'invite');
    await check(page, 'sign-up by invite');
    await page.getByLabel('Invite code').fill('wrong');
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByRole('alert').getByText('not valid').waitFor();
    assert.equal(await page.getByLabel('Full name').inputValue(), name);
    await page.getByLabel('Invite code').fill(await adminDone(hold.stack, 'invite'));
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByRole('navigation', { name: 'People' }).waitFor();

    await adminDone(hold.stack, 'disable', name);
    await page.getByRole('button', { name: 'Log in' }).waitFor();
    await page.getByLabel('Username').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').getByText('account is disabled').waitFor();
    assert.deepEqual(page.problems, []);
  });
});

describe('closed', () => {
  const hold = useStack({ before, after, afterEach }, { SIGNUP: 'closed' });
  const { newContext, openIn } = useBrowser({ before, after, afterEach }, hold);

  test('the form says so, and leads back to the log-in', async () => {
    const page = await openIn(await newContext(), '/', { expect: /40[013]/ });
    await fillIn(page, uniqueName('Ann'));
    await page.getByRole('alert').getByText('Nobody can sign up here').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Sign up' }).count(), 0);
    await check(page, 'sign-up that is closed');
    await page.getByRole('button', { name: 'I have an account' }).click();
    await page.getByRole('button', { name: 'Log in' }).waitFor();
    assert.deepEqual(page.problems, []);
  });
});
