// The page keeps its place: addresses, history, focus, clicks, scrolling, days.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { bubble, conversation, field, isAtRest, log, look, open, quiet, row, texts, type, useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500' });
const { newPerson, openAs, say, api } = useBrowser({ before, after, afterEach }, hold);

const people = (...names) => Promise.all(names.map(newPerson));
const hash = (page) => page.evaluate(() => location.hash);
const end = (page) => log(page).evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);

test('the address names the conversation; Back and Forward go where one was, and a reload stays', async () => {
  const [ann, bob, cy] = await people('Ann', 'Bob', 'Cy');
  await say(bob, ann, 'from Bob');
  await say(cy, ann, 'from Cy');
  const page = await openAs(ann);
  await row(page, bob).click();
  await bubble(page, 'from Bob').waitFor();
  assert.equal(await hash(page), `#/${bob.id}`);
  await row(page, cy).click();
  await bubble(page, 'from Cy').waitFor();
  await page.goBack();
  await bubble(page, 'from Bob').waitFor();
  await page.goForward();
  await bubble(page, 'from Cy').waitFor();
  await page.reload();
  await bubble(page, 'from Cy').waitFor();
  assert.equal(await hash(page), `#/${cy.id}`);
  assert.deepEqual(page.problems, []);
});

test('on a phone Back goes to the list, also after a reload and from an address that was followed', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  await say(bob, ann, 'Hello');
  const page = await openAs(ann, { isPhone: true });
  await row(page, bob).tap();
  await bubble(page, 'Hello').waitFor();
  assert.equal(await row(page, bob).isVisible(), false);
  await page.reload();
  await bubble(page, 'Hello').waitFor();
  await page.goBack();
  await row(page, bob).waitFor();
  await row(page, bob).tap();
  await page.getByRole('button', { name: 'Back to everybody' }).tap();
  await row(page, bob).waitFor();

  const other = await openAs(ann, { isPhone: true, path: `/#/${bob.id}` });
  await bubble(other, 'Hello').waitFor();
  await other.goBack();
  await row(other, bob).waitFor();
  assert.deepEqual([...page.problems, ...other.problems], []);
});

test('a click is for what was pressed, whatever comes between press and release', async () => {
  const [ann, bob, cy] = await people('Ann', 'Bob', 'Cy');
  await say(bob, ann, 'first');
  await say(cy, ann, 'second');
  const page = await openAs(ann);
  await row(page, bob).getByText('1 unread').waitFor();
  const { x, y, width, height } = await row(page, bob).boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await say(bob, ann, 'third'); // Bob's row would go up
  await row(page, bob).getByText('2 unread').waitFor();
  await page.mouse.up();
  await bubble(page, 'third').waitFor();
  assert.equal(await hash(page), `#/${bob.id}`);
  await waitUntil('the row to go up', async () => (await row(page, bob).boundingBox()).y < y);
});

test('rows change in place: focus and scrolling stay', async () => {
  const [ann, bob, cy] = await people('Ann', 'Bob', 'Cy');
  await say(bob, ann, 'first');
  await say(cy, ann, 'second');
  const page = await openAs(ann);
  await row(page, bob).focus();
  const element = await row(page, bob).elementHandle();
  await say(bob, ann, 'third');
  await row(page, bob).getByText('2 unread').waitFor();
  assert.ok(await element.evaluate((one) => one.isConnected && one === document.activeElement));

  for (let i = 0; i < 70; i++) await say(bob, ann, `line ${i}.`);
  await row(page, bob).click();
  await page.getByRole('button', { name: /new ↓/ }).click();
  await waitUntil('the end', async () => await end(page) < 2);
  await log(page).hover();
  await page.mouse.wheel(0, -900);
  await waitUntil('some way up', async () => await end(page) > 500);
  await isAtRest(page);
  const seen = bubble(page, 'line 50.');
  const before = (await seen.boundingBox()).y;
  await say(bob, ann, 'below');
  await bubble(page, 'below').waitFor({ state: 'attached' });
  assert.ok(Math.abs((await seen.boundingBox()).y - before) < 3, 'nothing jumps');
  await waitUntil('all of it', async () => {
    await page.mouse.wheel(0, -20000); // older ones load above
    return (await texts(page)).length === 73;
  });
  assert.deepEqual((await texts(page)).slice(0, 3), ['first', 'third', 'line 0.']);
  assert.deepEqual(page.problems, []);
});

test('a search that goes on keeps who still matches', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  const page = await openAs(ann);
  const search = page.getByLabel('Find someone');
  await search.fill(bob.fullName.slice(0, 3));
  await row(page, bob).waitFor();
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  const asked = page.waitForRequest((request) => request.url().includes(`q=${bob.fullName}`));
  await page.route('**/api/users?*q=*', async (route) => { await held; await route.continue(); });
  await search.fill(bob.fullName);
  await asked;
  assert.equal(await row(page, bob).count(), 1, 'while it is asked for');
  release();
  await row(page, bob).click();
  await conversation(page).getByRole('heading', { name: bob.fullName }).waitFor();
});

test('Enter in the search opens who is found first, ready to write', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  const page = await openAs(ann);
  await page.getByLabel('Find someone').fill(bob.fullName);
  await row(page, bob).waitFor();
  await page.getByLabel('Find someone').press('Enter');
  await conversation(page).getByRole('heading', { name: bob.fullName }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  assert.equal(await field(page).inputValue(), '', 'the key is not a line of the message');
  assert.equal(await page.getByLabel('Find someone').inputValue(), '');
});

test('who is at the end stays there when the room changes', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  for (let i = 0; i < 30; i++) await say(ann, bob, `line ${i}.`);
  const page = await openAs(ann, { isPhone: true, path: `/#/${bob.id}` });
  await bubble(page, 'line 29.').waitFor();
  await waitUntil('the end', async () => await end(page) < 2);
  await page.setViewportSize({ width: 390, height: 420 }); // a keyboard comes
  await waitUntil('the end', async () => await end(page) < 2);
  await field(page).fill('one\ntwo\nthree\nfour');
  await waitUntil('the end', async () => await end(page) < 2);
  assert.match(await page.locator('meta[name=viewport]').getAttribute('content'), /interactive-widget=resizes-content/);
});

test('headings change at midnight; the full date is there on hover', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  const { createdAt } = await say(bob, ann, 'Good night');
  const page = await openAs(ann);
  // Minutes before that day's midnight, however long the page takes to come.
  await page.clock.install({ time: new Date(createdAt).setHours(23, 50, 0, 0) });
  await page.goto(`${hold.stack.url}/#/${bob.id}`);
  await page.reload();
  await log(page).getByRole('heading', { name: 'Today' }).waitFor();
  assert.match(await bubble(page, 'Good night').locator('time').getAttribute('title'), /\d{4}.*\d\d:\d\d/);
  await page.clock.fastForward(10 * 60000);
  await log(page).getByRole('heading', { name: 'Yesterday' }).waitFor();
  await row(page, bob).getByText('Yesterday').waitFor();
});

test('nothing is asked while idle; what is on the screen stays true all the same', async () => {
  const [ann, bob] = await people('Ann', 'Bob');
  await say(bob, ann, 'Hello');
  const page = await openAs(ann, { near: true });
  await row(page, bob).click();
  await bubble(page, 'Hello').waitFor();
  await waitUntil('it to be read', async () => (await api('GET', `/api/conversations/${bob.id}`, ann)).json.unread === 0);
  await quiet(page);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const newcomers = [];
  for (const one of ['Aaron', 'Abe']) newcomers.push(await newPerson(one)); // at the top of the list
  const other = await openAs(bob);
  await row(page, bob).getByText('Online').waitFor({ state: 'attached' });
  await quiet(other);
  assert.deepEqual(asked, []);
  assert.equal(await page.getByRole('navigation').getByText(newcomers[0].fullName).count(), 0);
  await waitUntil('who looks to see who is new', async () => { // once a second
    for (const one of [page.getByLabel('Find someone'), row(page, bob)]) await one.hover();
    return row(page, newcomers[0]).isVisible();
  });
});

test('who comes back is looked up once, though the tab and its window both tell of it', async () => {
  const [ann] = await people('Ann');
  const page = await openAs(ann, { near: true });
  await page.getByLabel('Find someone').waitFor();
  await quiet(page);
  const asked = [];
  page.on('request', (request) => { if (request.url().endsWith('/api/auth/me')) asked.push(request.url()); });
  for (const times of [1, 2]) {
    await look(page, false);
    await look(page, true);
    await quiet(page);
    assert.equal(asked.length, times);
  }
});

test('arrows move in the list, Escape leaves the conversation, and focus is where one goes on', async () => {
  const [ann, bob, cy] = await people('Ann', 'Bob', 'Cy');
  await say(bob, ann, 'first');
  await say(cy, ann, 'second');
  const page = await openAs(ann);
  await row(page, cy).waitFor();
  await page.getByLabel('Find someone').focus();
  await page.keyboard.press('ArrowDown');
  const focused = () => page.evaluate(() => document.activeElement.dataset.person ?? document.activeElement.getAttribute('aria-label'));
  assert.equal(await focused(), cy.id);
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), bob.id);
  await page.keyboard.press('Enter');
  await bubble(page, 'first').waitFor();
  assert.equal(await focused(), 'Message');
  await type(page, 'answer');
  await bubble(page, 'answer').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('Pick someone').waitFor();
  await waitUntil('the focus', async () => await focused() === bob.id);
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'Find someone');
  await open(page, cy);
  await page.getByLabel('Find someone').focus();
  await page.keyboard.press('Escape');
  assert.equal(await page.getByLabel('Find someone').inputValue(), '');
  await bubble(page, 'second').waitFor();
});
