// The page is for everybody: axe-core finds nothing, in any state, light, dark and in forced colours.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { check, small } from '../support/axe.mjs';
import { bubble, conversation, cut, field, log, open, row, type, useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500' });
const { newContext, newPerson, openAs, openIn, say, api } = useBrowser({ before, after, afterEach }, hold);
const expect = /401|503|ERR_/;

test('axe-core finds nothing where one is signed out: log-in, sign-up, with an error, while the server is away', async () => {
  const page = await openIn(await newContext(), '/', { expect: /40[01]|503/, near: true });
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  await check(page, 'log-in');
  await page.getByLabel('Username').fill('nobody');
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').waitFor();
  await check(page, 'log-in with an error');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await check(page, 'sign-up');
  await page.route('**/api/auth/me', (route) => route.fulfill({ status: 503, json: {} }));
  await page.reload();
  await page.getByRole('button', { name: 'Retry' }).waitFor();
  await check(page, 'away');
});

async function busyPage(options) {
  const [ann, bob, cy] = [await newPerson('Ann'), await newPerson('Bob'), await newPerson('Cy')];
  await say(bob, ann, 'See https://example.org and `code`');
  await say(bob, ann, '```\nblock\n```');
  await say(ann, bob, 'Thanks');
  await say(cy, ann, 'Hello');
  await api('POST', `/api/users/status/${bob.id}`, bob, { status: 'BUSY', note: 'in a meeting' });
  const page = await openAs(ann, { expect, near: true, ...options });
  await row(page, bob).waitFor();
  return { page, ann, bob, cy };
}

test('axe-core finds nothing in the list, a conversation, what failed, what waits, busy, the settings, an empty search', async () => {
  const { page, bob } = await busyPage();
  await check(page, 'list');
  await row(page, bob).click();
  await bubble(page, 'See').waitFor();
  await page.route('**/api/messages/send/**', (route) => route.fulfill({ status: 503, json: {} }));
  await type(page, 'fails');
  await bubble(page, 'fails').getByText('Not sent').waitFor();
  await page.getByRole('button', { name: 'Busy', exact: true }).click();
  await page.getByLabel('Why you are busy').waitFor();
  await check(page, 'conversation');
  await page.getByRole('button', { name: 'Settings' }).click();
  await check(page, 'settings');
  await page.keyboard.press('Escape');
  await page.getByLabel('Find someone').fill('zzzzzz');
  await page.getByText('Nobody by that name').waitFor();
  await check(page, 'empty search');
  await cut(page);
  await page.getByText('No connection').waitFor();
  await check(page, 'no connection');
});

test('axe-core finds nothing on a phone; every target is 44 pixels high and wide', async () => {
  const { page, ann, bob, cy } = await busyPage({ isPhone: true });
  await check(page, 'list');
  assert.deepEqual(await small(page), []);
  await row(page, bob).tap();
  await bubble(page, 'See').waitFor();
  await page.route('**/api/messages/send/**', (route) => route.fulfill({ status: 503, json: {} }));
  await type(page, 'fails');
  await bubble(page, 'fails').getByRole('button', { name: 'Retry' }).waitFor();
  // The line goes by itself after 8 s, unless it has the focus.
  const line = conversation(page).getByRole('button', { name: /Over here/ });
  await waitUntil('the line', async () => {
    await say(cy, ann, 'Over here');
    return line.focus({ timeout: patient(3000) }).then(() => true, () => false);
  }, { within: 30000 });
  await check(page, 'conversation');
  assert.deepEqual(await small(page), []);
  await page.goBack();
  await page.getByRole('button', { name: 'Settings' }).tap();
  await check(page, 'settings');
  assert.deepEqual(await small(page), []);
});

test('at 2,560 pixels it is a column; from right to left it is mirrored; nothing scrolls sideways', async () => {
  const { page, bob } = await busyPage({ viewport: { width: 2560, height: 1300 } });
  await row(page, bob).click();
  await bubble(page, 'Thanks').waitFor();
  const width = async (locator) => (await locator.boundingBox()).width;
  assert.ok(await width(log(page).locator('.column')) <= 800);
  assert.ok(await width(page.locator('.chat')) <= 1500);
  const mine = async () => { const [a, b] = [await bubble(page, 'Thanks').boundingBox(), await bubble(page, 'See').boundingBox()]; return a.x + a.width > b.x + b.width; };
  assert.equal(await mine(), true);
  await page.evaluate(() => { document.documentElement.dir = 'rtl'; });
  assert.equal(await mine(), false);
  const [list, main] = [await page.getByRole('navigation').boundingBox(), await conversation(page).boundingBox()];
  assert.ok(list.x > main.x);
  for (const size of [{ width: 320, height: 600 }, { width: 800, height: 600 }]) {
    await page.setViewportSize(size);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), JSON.stringify(size));
  }
});

test('names of any script stand beside their faces; an empty list says so below the search; what is copied is words', async () => {
  const [ann, zoe] = [await newPerson('Ann'), await newPerson('Zoe')];
  await api('PATCH', '/api/auth/me', zoe, { fullName: 'محمد علي' });
  await say(zoe, ann, 'مرحبا');
  await say(ann, zoe, 'Hello');
  await say(zoe, ann, '😀😀');
  const page = await openAs(ann, { path: `/#/${zoe.id}` });
  await bubble(page, 'Hello').waitFor();
  // Who is read out is named first, however many words follow.
  await page.getByRole('navigation').getByRole('button', { name: /^محمد علي Offline .+ 😀😀$/ }).waitFor();
  const gap = (scope) => scope.evaluate((element) => {
    const range = document.createRange();
    range.selectNodeContents(element.querySelector('h2, strong'));
    const [face, name] = [element.querySelector('.avatar').getBoundingClientRect(), range.getBoundingClientRect()];
    return document.documentElement.dir === 'rtl' ? face.left - name.right : name.left - face.right;
  });
  for (const dir of ['ltr', 'rtl']) {
    await page.evaluate((value) => { document.documentElement.dir = value; }, dir);
    for (const scope of [conversation(page).locator('header'), page.getByRole('navigation').locator('.row').filter({ hasText: '😀' })]) {
      const pixels = await gap(scope);
      assert.ok(pixels > 0 && pixels < 30, `${dir}: ${pixels}`);
    }
  }
  await page.evaluate(() => { document.documentElement.dir = 'ltr'; });
  const [text, time] = [await bubble(page, 'Hello').locator('.text').boundingBox(), await bubble(page, 'Hello').locator('time').boundingBox()];
  assert.ok(time.y < text.y + text.height && time.x > text.x, 'the time of a short message stands beside it');
  const size = (words) => bubble(page, words).locator('.text').evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
  assert.ok(await size('😀😀') > 2 * await size('Hello'));
  const copied = await log(page).evaluate((element) => { getSelection().selectAllChildren(element); return String(getSelection()); });
  assert.match(copied, /Hello/);
  assert.doesNotMatch(copied, /[⋯✓]|Sent/);
  const search = page.getByLabel('Find someone');
  await search.fill('nobody has this name');
  const none = page.getByText('Nobody by that name.');
  await none.waitFor();
  const [above, below] = [await search.boundingBox(), await none.boundingBox()];
  assert.ok(below.y - above.y - above.height < 60);
});

test('at 400 % zoom, or beside an open keyboard, the list and the messages can be reached', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'Hello');
  const note = 'in a meeting that goes on and on, '.repeat(8).slice(0, 270);
  for (const who of [ann, bob]) await api('POST', `/api/users/status/${who.id}`, who, { status: 'BUSY', note });
  const page = await openAs(ann, { viewport: { width: 320, height: 256 } });
  await page.getByLabel('Why you are busy').waitFor();
  await row(page, bob).scrollIntoViewIfNeeded();
  const isOnScreen = (locator) => locator.evaluate((element) => {
    const { top, bottom, left, right } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2)) && top > -1 && bottom < innerHeight + 1;
  });
  await waitUntil('all of a row to be seen', () => isOnScreen(row(page, bob)));
  await page.getByLabel('Find someone').scrollIntoViewIfNeeded();
  await waitUntil('the search to be seen', () => isOnScreen(page.getByLabel('Find someone')));
  await page.getByLabel('Why you are busy').scrollIntoViewIfNeeded();
  await page.getByLabel('Find someone').focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.person), bob.id);
  await waitUntil('the row that the keyboard is at to be seen', () => isOnScreen(row(page, bob)));
  await row(page, bob).click();
  await bubble(page, 'Hello').waitFor();
  await waitUntil('the message to be seen', () => isOnScreen(bubble(page, 'Hello')));
  await waitUntil('the field to be seen', () => isOnScreen(field(page)));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
});

test('borders of fields, and states, stand out 3:1', async () => {
  const { page, bob } = await busyPage();
  await open(page, bob);
  await field(page).waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const ratios = await page.evaluate(() => {
      const probe = document.createElement('span');
      document.body.append(probe);
      const luminance = (name) => {
        probe.style.color = `var(--${name})`;
        const parts = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map((n) => n / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
      const pairs = [['edge', 'paper'], ['edge', 'back'], ['accent', 'paper'], ['accent', 'back'], ['online', 'paper'], ['online', 'select'], ['busy', 'paper'], ['busy', 'select'], ['offline', 'paper'], ['offline', 'select'], ['danger', 'mine']];
      const found = pairs.map(([a, b]) => [`${a} on ${b}`, ratio(a, b)]);
      probe.remove();
      return found;
    });
    assert.deepEqual(ratios.filter(([, ratio]) => ratio < 3), [], colorScheme);
  }
});
