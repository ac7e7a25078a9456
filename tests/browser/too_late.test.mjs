// Where messages cannot be edited any more, the page says so, and keeps what was written.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { articles, bubble, edit, field, menuOf, remove, texts, useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500', MESSAGE_EDIT_SECONDS: '0' });
const { newPerson, openAs, say } = useBrowser({ before, after, afterEach }, hold);

test('what is too late by the operator\'s setting is not offered, by menu or key', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(ann, bob, 'said');
  const page = await openAs(ann, { path: `/#/${bob.id}` });
  await bubble(page, 'said').waitFor();
  const items = async () => {
    const names = await (await menuOf(page, 'said')).getByRole('menuitem').allTextContents();
    await page.keyboard.press('Escape');
    return names.join();
  };
  await waitUntil('the setting', async () => (await items()) === 'Copy,Delete', { within: 20000 });
  await field(page).focus();
  await page.keyboard.press('ArrowUp');
  assert.equal(await page.getByText('Editing a message').isVisible(), false);
  assert.deepEqual(page.problems, []);
});

test('an edit that is too late says so, without a second try; a delete is never too late', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(ann, bob, 'said');
  const page = await openAs(ann, { path: `/#/${bob.id}`, expect: /401|403|ERR_/ });
  await page.route('**/api/auth/settings', (route) => route.abort()); // so that it is offered
  await page.reload();
  await bubble(page, 'said').waitFor();
  await edit(page, 'said', 'better said');
  await bubble(page, 'said').getByText('too late to edit').waitFor();
  assert.equal(await articles(page).getByRole('button', { name: 'Retry' }).count(), 0);
  await bubble(page, 'said').getByText('better said').waitFor();
  await bubble(page, 'said').getByRole('button', { name: 'Discard' }).click();
  await page.getByText('better said').waitFor({ state: 'detached' });
  assert.deepEqual(await texts(page), ['said']);
  await field(page).waitFor();
  await remove(page, 'said');
  await bubble(page, 'Message deleted').waitFor();
  assert.deepEqual(page.problems, []);
});
