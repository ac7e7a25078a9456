// The page shows what waits: who wrote, how much, and how far one's own words have come.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { articles, bubble, conversation, cut, field, log, look, mend, open, quiet, row, type, useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500' });
const { newPerson, openIn, openAs, say, api } = useBrowser({ before, after, afterEach }, hold);

const people = (...names) => Promise.all(names.map(newPerson));
const rows = (page) => page.getByRole('navigation').locator('.row strong').allTextContents();
const unreadOf = async (who, other) => (await api('GET', `/api/conversations/${other.id}`, who)).json.unread;

test('who comes back sees who wrote and how much, the latest first; read on the phone, the badge on the laptop goes', async () => {
  const [ann, bob, cy] = await people('Ann', 'Bob', 'Cy');
  for (const text of ['Morning!', 'Are you there?', 'The plan has changed']) await say(bob, ann, text);
  await say(cy, ann, 'Lunch?');
  const laptop = await openAs(ann);
  await row(laptop, bob).getByText('3 unread').waitFor();
  await row(laptop, bob).getByText('The plan has changed').waitFor();
  await row(laptop, cy).getByText('1 unread').waitFor();
  assert.deepEqual((await rows(laptop)).slice(0, 2), [cy.fullName, bob.fullName]);
  await waitUntil('the title', async () => await laptop.title() === '(4) Parley');
  assert.match(await laptop.locator('link[rel=icon]').getAttribute('href'), /^data:image\/svg/);

  const phone = await openAs(ann, { isPhone: true });
  await row(phone, bob).tap();
  await bubble(phone, 'The plan has changed').waitFor();
  await row(laptop, bob).getByText('unread').waitFor({ state: 'hidden' });
  await waitUntil('the title', async () => await laptop.title() === '(1) Parley');
  await log(phone).getByText('New', { exact: true }).waitFor();
  assert.equal(await unreadOf(ann, bob), 0);
  assert.deepEqual([...laptop.problems, ...phone.problems], []);
});

test('ticks say sent, delivered and read', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  const page = await openAs(ann, { path: `/#/${bob.id}` });
  await field(page).waitFor();
  await type(page, 'Hello');
  const state = (text) => bubble(page, 'Hello').getByText(text, { exact: true }).waitFor();
  await state('Sent');
  const other = await openAs(bob);
  await state('Delivered');
  await row(other, ann).click();
  await state('Read');
  await page.reload();
  await state('Read');
});

test('read is told when it is seen: visible, focused and at the end', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  for (let i = 0; i < 30; i++) await say(ann, bob, `before ${i}`);
  const page = await openAs(ann, { path: `/#/${bob.id}` });
  await bubble(page, 'before 29').waitFor();

  await look(page, false);
  await say(bob, ann, 'while hidden');
  await bubble(page, 'while hidden').waitFor({ state: 'attached' });
  await waitUntil('the title', async () => await page.title() === '(1) Parley');
  assert.equal(await unreadOf(ann, bob), 1);
  await look(page, true);
  await waitUntil('it to be read', async () => await unreadOf(ann, bob) === 0);
  await waitUntil('the title', async () => await page.title() === 'Parley');
  await log(page).getByText('New', { exact: true }).waitFor();

  await log(page).hover();
  await page.mouse.wheel(0, -600);
  await page.getByRole('button', { name: 'To the latest message' }).waitFor();
  for (const text of ['one', 'two', 'three']) await say(bob, ann, text);
  await page.getByRole('button', { name: '3 new ↓' }).waitFor();
  assert.equal(await unreadOf(ann, bob), 3);
  assert.ok(await log(page).evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight > 100), 'it has not jumped');
  await page.getByRole('button', { name: '3 new ↓' }).click();
  await waitUntil('it to be read', async () => await unreadOf(ann, bob) === 0);
  assert.deepEqual(page.problems, []);
});

test('more unread than fit: the first of them is shown, under a "new" line', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  for (let i = 0; i < 40; i++) await say(bob, ann, `m${i}.`);
  const page = await openAs(ann);
  await row(page, bob).getByText('40 unread').waitFor();
  await row(page, bob).click();
  await log(page).getByText('New', { exact: true }).waitFor();
  await waitUntil('the line to be near the top', async () => {
    const line = await log(page).getByText('New', { exact: true }).boundingBox();
    return line.y > 60 && line.y < 300;
  });
  await page.getByRole('button', { name: '40 new ↓' }).click();
  await waitUntil('it to be read', async () => await unreadOf(ann, bob) === 0);
});

test('an address that is followed shows the first unread one, too, with more of them than a page', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  for (let i = 0; i < 90; i++) await say(bob, ann, `m${i}.`);
  const page = await openAs(ann, { path: `/#/${bob.id}` });
  const line = log(page).getByText('New', { exact: true });
  await waitUntil('the line above the first one', async () => {
    const [a, b] = [await line.boundingBox(), await bubble(page, 'm0.').boundingBox()];
    return a && b && a.y > 60 && a.y < b.y && b.y < 300;
  }, { within: 15000 });
  assert.equal(await unreadOf(ann, bob), 90);
  await page.getByRole('button', { name: '90 new ↓' }).click();
  await waitUntil('it to be read', async () => await unreadOf(ann, bob) === 0);
});

for (const [what, isToForget] of [['with a recovery', false], ['without one', true]]) {
  test(`who left a conversation open and comes back finds what came meanwhile under a "new" line, ${what}`, async () => {
    const [ann, bob] = await people('Ann', 'Bob');
    await say(bob, ann, 'before');
    const page = await openAs(ann, { path: `/#/${bob.id}`, expect: /401|ERR_/ });
    await waitUntil('it to be read', async () => await unreadOf(ann, bob) === 0);
    await row(page, bob).getByText('Offline').waitFor({ state: 'attached' }); // it is connected
    const line = log(page).getByText('New', { exact: true });
    await cut(page);
    page.isToForget = isToForget;
    await page.getByText('No connection').waitFor();
    for (let i = 0; i < 40; i++) await say(bob, ann, `m${i}.`);
    await mend(page);
    await page.getByRole('button', { name: '40 new ↓' }).waitFor();
    await waitUntil('the line above the first one', async () => {
      const [a, b] = [await line.boundingBox(), await bubble(page, 'm0.').boundingBox()];
      return a && b && a.y > 60 && a.y < b.y && b.y < 300;
    });
    await waitUntil('the title', async () => await page.title() === '(40) Parley');
    assert.equal(await unreadOf(ann, bob), 40);
    await page.getByRole('button', { name: '40 new ↓' }).click();
    await waitUntil('it to be read', async () => await unreadOf(ann, bob) === 0);

    await cut(page);
    page.isToForget = isToForget;
    await say(bob, ann, 'a single one');
    await mend(page);
    await bubble(page, 'a single one').waitFor();
    await waitUntil('what fits to be read', async () => await unreadOf(ann, bob) === 0);
    assert.deepEqual(page.problems, []);
  });
}

test('an answer of before one read it does not make it unread again', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  for (const text of ['one', 'two']) await say(bob, ann, text);
  const page = await openAs(ann, { expect: /401|ERR_/ });
  await row(page, bob).getByText('2 unread').waitFor();
  await row(page, bob).getByText('Offline').waitFor({ state: 'attached' }); // it is connected
  await page.route('**/api/conversations?*', async (route) => {
    const answer = await route.fetch();
    await row(page, bob).click();
    await waitUntil('it to be read', async () => await unreadOf(ann, bob) === 0);
    await row(page, bob).getByText('unread').waitFor({ state: 'hidden' });
    await new Promise((resolve) => { setTimeout(resolve, 1000); }); // its event has come, too, which would mend it
    await route.fulfill({ response: answer });
  }, { times: 1 });
  const read = page.waitForResponse('**/api/conversations?*'); // once the connection is back
  await cut(page);
  await mend(page);
  await read;
  await quiet(page);
  assert.equal(await row(page, bob).getByText('unread').isVisible(), false);
  assert.equal(await page.title(), 'Parley');
  assert.deepEqual(page.problems, []);
});

test('people of the same name are told apart, and the head says who somebody is', async () => {
  const [ann, one, other] = await people('Ann', 'One', 'Other');
  const fullName = `Emi ${one.username}`;
  for (const [who, name] of [[one, fullName], [other, fullName.toUpperCase()]]) await api('PATCH', '/api/auth/me', who, { fullName: name });
  await say(one, ann, 'from one');
  const page = await openAs(ann);
  const first = page.getByRole('navigation').getByRole('button').filter({ hasText: 'from one' });
  await first.waitFor();
  await page.getByLabel('Find someone').fill(fullName);
  await page.getByRole('navigation').getByRole('button').filter({ hasText: ` ${other.username}` }).waitFor();
  await waitUntil('both usernames', async () => await page.getByRole('navigation').locator('.row bdi').filter({ hasText: 'O' }).count() === 2);
  await first.click();
  await conversation(page).locator('header').getByText(`· ${one.username}`).waitFor();
});

test('a second tab follows: what is sent and read here is there, too', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  const page = await openAs(ann);
  const tab = await openAs(ann);
  await open(page, bob);
  await field(page).waitFor();
  await tab.getByText('Loading…').waitFor({ state: 'hidden' });
  await type(page, 'from the first tab');
  await row(tab, bob).getByText('You: from the first tab').waitFor();
  await row(tab, bob).click();
  await bubble(tab, 'from the first tab').waitFor();
  await type(page, 'and another');
  await bubble(tab, 'and another').waitFor();
  for (const one of [page, tab]) await waitUntil('each once', async () => await articles(one).count() === 2);
});

/** A browser that shows notifications: window.shown has them. */
const showing = (page) => page.evaluate(() => {
  window.asked = 0;
  window.shown = [];
  window.Notification = class {
    static permission = 'default';
    static async requestPermission() { window.asked++; this.permission = 'granted'; return 'granted'; }
    constructor(title, { body }) { window.shown.push([title, body]); }
    close() {}
  };
});
const shown = (page) => page.evaluate(() => window.shown);

test('a notification is asked for by a click alone; then who does not look gets one', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  const page = await openAs(ann, { permissions: [] });
  await showing(page);
  await say(bob, ann, 'zero');
  await row(page, bob).getByText('1 unread').waitFor();
  assert.equal(await page.evaluate(() => window.asked), 0);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('switch', { name: 'Notifications' }).click();
  await waitUntil('it to be asked for', () => page.evaluate(() => window.asked === 1));
  assert.equal(await page.getByRole('switch', { name: 'Sound' }).isChecked(), true);
  await page.keyboard.press('Escape');
  await say(bob, ann, 'looked at');
  await row(page, bob).getByText('2 unread').waitFor();
  await look(page, false);
  await say(bob, ann, 'Wake up');
  await waitUntil('a notification', async () => (await shown(page)).length > 0);
  assert.deepEqual(await shown(page), [[bob.fullName, 'Wake up']]);
  await page.evaluate(() => { window.Notification.permission = 'denied'; });
  await page.getByRole('button', { name: 'Settings' }).click();
  assert.equal(await page.getByRole('switch', { name: 'Notifications' }).isChecked(), false, 'as the browser has it by now');
});

test('of several tabs one alone calls, and none while another is looked at', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  const page = await openAs(ann);
  const tab = await openIn(page.context());
  const both = [page, tab];
  for (const one of both) await showing(one);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('switch', { name: 'Notifications' }).click();
  await page.keyboard.press('Escape');
  await tab.evaluate(() => { window.Notification.permission = 'granted'; });
  await say(bob, ann, 'zero');
  for (const one of both) await row(one, bob).getByText('1 unread').waitFor();
  await look(tab, false);
  let release;
  tab.held = new Promise((resolve) => { release = resolve; }); // its messages come once the other one has them
  for (let i = 2; i <= 9; i++) await say(bob, ann, `line ${i}`);
  await row(page, bob).getByText('9 unread').waitFor();
  release();
  await row(tab, bob).getByText('9 unread').waitFor();
  const calls = async () => (await Promise.all(both.map(shown))).flat().map(([, body]) => body);
  await look(page, false);
  for (const text of ['wake up', 'please']) {
    await say(bob, ann, text);
    await waitUntil('the call', async () => (await calls()).includes(text));
  }
  const isCalling = () => tab.evaluate(async () => (await navigator.locks.query()).held.some(({ name }) => name.startsWith('parley-call')));
  await waitUntil('no call to be under way', async () => !await isCalling(), { within: 10000 });
  assert.deepEqual((await calls()).sort(), ['please', 'wake up'], 'also by what was switched on in another tab');
});


test('on a phone a line at the top says that somebody else writes, and leads there', async () => {
  const [ann, bob, cy] = await people('Ann', 'Bob', 'Cy');
  const page = await openAs(ann, { isPhone: true });
  await open(page, bob);
  await field(page).waitFor();
  const line = page.getByRole('button', { name: /Over here!/ }).and(conversation(page).getByRole('button'));
  // It goes by itself after 8 s, unless it has the focus: then Cy says it again.
  await waitUntil('the line', async () => {
    await say(cy, ann, 'Over here!');
    return line.focus({ timeout: patient(3000) }).then(() => true, () => false);
  }, { within: 30000 });
  assert.ok((await line.boundingBox()).y < 200);
  await line.tap();
  await bubble(page, 'Over here!').first().waitFor();
  await waitUntil('it to be read', async () => await unreadOf(ann, cy) === 0);
  await page.goBack();
  await row(page, cy).waitFor();
  assert.deepEqual(page.problems, []);
});
