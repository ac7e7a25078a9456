// Texts are shown as they were meant; limits and notes are said in words.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { articles, bubble, conversation, field, useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500' });
const { newPerson, openAs, say, api } = useBrowser({ before, after, afterEach }, hold);

async function twoPeople(options) {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const page = await openAs(ann, { path: `/#/${bob.id}`, ...options });
  await field(page).waitFor();
  return { ann, bob, page };
}

test('links and code are shown, and nothing else is markup', async () => {
  const { ann, bob, page } = await twoPeople();
  await say(bob, ann, 'See https://example.org/a?b=1, mailto:x@example.org and javascript:alert(1) <b>bold</b> **x**');
  await say(bob, ann, 'Run `make <run>`:\n```sh\ncd x\n\nls\n```\ndone');
  const first = bubble(page, 'See');
  for (const one of [first, bubble(page, 'Run')]) await one.waitFor();
  assert.deepEqual(await first.getByRole('link').evaluateAll((links) => links.map((a) => [a.getAttribute('href'), a.rel])), [
    ['https://example.org/a?b=1', 'noopener noreferrer'], ['mailto:x@example.org', 'noopener noreferrer'],
  ]);
  await first.getByText('<b>bold</b> **x**').waitFor();
  assert.equal(await bubble(page, 'Run').locator('code').first().textContent(), 'make <run>');
  assert.equal(await bubble(page, 'Run').locator('pre').textContent(), 'cd x\n\nls');
  assert.deepEqual(page.problems, []);
});

test('Enter belongs to an input method while it composes', async () => {
  const { page } = await twoPeople();
  await field(page).fill('にほん');
  for (const init of [{ isComposing: true }, { keyCode: 229 }]) {
    await field(page).evaluate((element, options) => element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...options })), init);
  }
  assert.equal(await field(page).inputValue(), 'にほん');
  assert.equal(await articles(page).count(), 0);
  await field(page).press('Shift+Enter');
  assert.equal(await field(page).inputValue(), 'にほん\n');
});

test('limits are said in words, and the text is kept', async () => {
  const { page } = await twoPeople();
  await field(page).fill('x'.repeat(66000));
  await field(page).press('Enter');
  await page.getByRole('alert').getByText(/too long, by about 464 characters/).waitFor();
  assert.equal((await field(page).inputValue()).length, 66000);
});

test('a note is shown, kept and edited, and others see it', async () => {
  const { ann, bob, page } = await twoPeople();
  await page.getByRole('button', { name: 'Busy', exact: true }).click();
  const note = page.getByLabel('Why you are busy');
  await note.fill('in a meeting until three');
  await note.press('Enter');
  await page.getByText('Saved').waitFor();
  const other = await openAs(bob, { path: `/#/${ann.id}` });
  await conversation(other).getByText('in a meeting until three').waitFor();
  await page.reload();
  await waitUntil('the note', async () => await note.inputValue() === 'in a meeting until three');
  await note.fill('on the train');
  await note.press('Enter');
  await conversation(other).getByText('on the train').waitFor();
  await page.getByRole('button', { name: 'Available' }).click();
  await conversation(other).getByText('on the train').waitFor({ state: 'detached' });
});

test('a long note leaves room for the messages, and all of it is there for a finger, a mouse and the keyboard', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const note = 'in a meeting that goes on and on, '.repeat(8).slice(0, 270);
  assert.equal((await api('POST', `/api/users/status/${bob.id}`, bob, { status: 'BUSY', note })).status, 200);
  const open = async (options) => {
    const page = await openAs(ann, { path: `/#/${bob.id}`, ...options });
    const text = conversation(page).getByText('in a meeting');
    await text.waitFor();
    const isCut = () => text.evaluate((element) => element.scrollHeight > element.clientHeight + 2);
    await waitUntil('the note to be cut', isCut);
    return { page, text, all: (by) => waitUntil(`all of it by ${by}`, async () => !await isCut()) };
  };
  const phone = await open({ isPhone: true, viewport: { width: 320, height: 568 } });
  await phone.text.tap();
  await phone.all('a tap');

  const low = await open({ viewport: { width: 1000, height: 400 } });
  assert.ok(await low.text.evaluate((element) => element.clientHeight < 40), 'one line, where there is little room');
  await low.text.hover();
  await low.all('the mouse');
  await field(low.page).hover();
  await field(low.page).focus();
  await low.page.keyboard.press('Shift+Tab');
  await low.page.keyboard.press('Shift+Tab');
  assert.equal(await low.page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'More');
  await low.all('the keyboard');
  assert.deepEqual([...phone.page.problems, ...low.page.problems], []);
});
