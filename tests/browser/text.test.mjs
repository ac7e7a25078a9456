// The page never lies about text: what is written arrives once and in order, or says that it did not.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { articles, bubble, cut, field, log, mend, open, row, texts, type, useBrowser } from '../support/browser.mjs';
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

const history = async (who, other) => (await api('GET', `/api/messages/${other.id}`, who)).json.map((one) => one.message);

test('ten lines typed as fast as one can arrive as ten lines, in order, each once', async () => {
  const { ann, bob, page } = await twoPeople();
  const lines = Array.from({ length: 10 }, (_, i) => `line ${i}`);
  await type(page, ...lines);
  assert.equal(await field(page).inputValue(), '', 'the text left the field');
  assert.deepEqual(await texts(page), lines, 'and is in the conversation at once');
  await waitUntil('all to arrive', async () => (await history(bob, ann)).length >= 10, { within: 15000 });
  assert.deepEqual(await history(bob, ann), lines);
  await waitUntil('all to be sent', async () => await log(page).getByText('Sent', { exact: true }).count() === 10);
  assert.deepEqual(await texts(page), lines);
  assert.deepEqual(page.problems, []);
});

test('what is written while another is on its way stays in the field', async () => {
  const { ann, bob, page } = await twoPeople();
  await field(page).pressSequentially('hi', { delay: 20 });
  await page.keyboard.press('Enter');
  await field(page).pressSequentially('how are you', { delay: 60 });
  await page.keyboard.press('Enter');
  await waitUntil('both to arrive', async () => (await history(bob, ann)).length >= 2);
  assert.deepEqual(await history(bob, ann), ['hi', 'how are you']);
});

test('what fails says "Not sent" in its own conversation, over a reload, and is sent by Retry or gone by Delete', async () => {
  const { ann, bob, page } = await twoPeople({ expect: /401|503/ });
  const cy = await newPerson('Cy');
  let fails = true;
  const keys = [];
  await page.route('**/api/messages/send/**', (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    if (fails) route.fulfill({ status: 503, json: { error: 'x', code: 'UNAVAILABLE' } });
    else route.continue();
  });
  await type(page, 'first', 'second');
  await open(page, cy);
  await page.getByText('No messages yet').waitFor();
  assert.equal(await articles(page).count(), 0, 'not in another conversation');
  await page.getByLabel('Find someone').fill('');
  await row(page, bob).getByText('Not sent').waitFor();
  await row(page, bob).click();
  await bubble(page, 'second').getByText('Not sent').waitFor();
  await bubble(page, 'first').getByText(/busy or being restarted/).waitFor();
  await page.reload();
  await bubble(page, 'second').getByText('Not sent').waitFor();
  assert.deepEqual(await texts(page), ['first', 'second']);
  fails = false;
  await bubble(page, 'first').getByRole('button', { name: 'Retry' }).click();
  await bubble(page, 'first').getByText('Sent', { exact: true }).waitFor();
  await bubble(page, 'second').getByRole('button', { name: 'Delete' }).click();
  await bubble(page, 'second').waitFor({ state: 'detached' });
  assert.deepEqual(await history(bob, ann), ['first']);
  assert.equal(keys.at(-1), keys[0], 'Retry goes under the same key');
  await page.reload();
  await bubble(page, 'first').waitFor();
  await waitUntil('one message', async () => await articles(page).count() === 1);
  assert.deepEqual(page.problems, []);
});

test('a first message that failed is in the list after a reload, however many people are before it', async () => {
  const { bob, page } = await twoPeople({ expect: /401|503/ });
  await page.route('**/api/messages/send/**', (route) => route.fulfill({ status: 503, json: { error: 'x', code: 'UNAVAILABLE' } }));
  await type(page, 'hello');
  await bubble(page, 'hello').getByText('Not sent').waitFor();
  await page.route('**/api/users?*', (route) => route.fulfill({ json: [] }));
  await page.evaluate(() => { location.hash = '#/'; });
  await page.reload();
  await row(page, bob).getByText('Not sent: hello').waitFor();
  await page.unroute('**/api/messages/send/**');
  await row(page, bob).click();
  await bubble(page, 'hello').getByRole('button', { name: 'Retry' }).click();
  await bubble(page, 'hello').getByText('Sent', { exact: true }).waitFor();
});

test('ten lines typed faster than the server takes them wait as long as it says, and arrive in order', async () => {
  const { ann, bob, page } = await twoPeople({ expect: /401|429/ });
  const lines = Array.from({ length: 10 }, (_, i) => `line ${i}`);
  let taken = 0;
  await page.route('**/api/messages/send/**', (route) => {
    if (taken++ % 4 === 3) route.fulfill({ status: 429, headers: { 'Retry-After': '1' }, json: { error: 'x', code: 'TOO_MANY_REQUESTS' } });
    else route.continue();
  });
  await page.route('**/api/messages/message/*', (route) => route.fulfill({ status: 429, json: { error: 'x', code: 'TOO_MANY_REQUESTS' } }), { times: 1 });
  await type(page, ...lines);
  await waitUntil('all to arrive', async () => (await history(bob, ann)).length >= 10, { within: 20000 });
  assert.deepEqual(await history(bob, ann), lines);
  await waitUntil('all to be sent', async () => await log(page).getByText('Sent', { exact: true }).count() === 10);
  await page.keyboard.press('ArrowUp');
  await waitUntil('the text', async () => await field(page).inputValue() === 'line 9');
  await field(page).fill('the last');
  await page.keyboard.press('Enter');
  await bubble(page, 'the last').getByText('edited').waitFor();
  assert.equal(await log(page).getByText(/Not sent|not saved/).count(), 0);
  await page.unroute('**/api/messages/send/**');
  await page.route('**/api/messages/send/**', (route) => route.fulfill({ status: 429, headers: { 'Retry-After': '20000' }, json: { error: 'x', code: 'QUOTA' } }));
  await type(page, 'more than a day takes');
  await bubble(page, 'more than').getByText('in a day').waitFor();
  await bubble(page, 'more than').getByRole('button', { name: 'Retry' }).waitFor();
  assert.deepEqual(page.problems, []);
});

test('what was under way when the page was reloaded arrives, and once', async () => {
  const { ann, bob, page } = await twoPeople();
  await page.route('**/api/messages/send/**', (route) => setTimeout(() => route.continue().catch(() => {}), 1000), { times: 1 });
  await type(page, 'one', 'two', 'three');
  await page.reload();
  await waitUntil('all to arrive', async () => (await history(bob, ann)).length >= 3, { within: 15000 });
  await waitUntil('all to be sent', async () => await log(page).getByText('Sent', { exact: true }).count() === 3);
  assert.deepEqual(await history(bob, ann), ['one', 'two', 'three']);
  assert.deepEqual(await texts(page), ['one', 'two', 'three']);
});

test('a draft stays with its conversation, over switching and reload', async () => {
  const { bob, page } = await twoPeople();
  const cy = await newPerson('Cy');
  await field(page).fill('to Bob');
  await open(page, cy);
  assert.equal(await field(page).inputValue(), '');
  await field(page).fill('to Cy');
  await open(page, bob);
  assert.equal(await field(page).inputValue(), 'to Bob');
  await page.reload();
  await waitUntil('the draft', async () => await field(page).inputValue() === 'to Bob');
  await open(page, cy);
  assert.equal(await field(page).inputValue(), 'to Cy');
});

for (const [what, isToForget] of [['a recovery', false], ['an absence too long for one', true]]) {
  test(`after ${what} live, loaded and missed messages stand in order, also with more than a page missed`, async () => {
    const { ann, bob, page } = await twoPeople({ expect: /401|ERR_/ });
    await say(bob, ann, 'm0');
    await bubble(page, 'm0').waitFor();
    await cut(page);
    page.isToForget = isToForget;
    await page.getByText('No connection').waitFor();
    for (let i = 1; i <= 130; i++) await say(i % 3 ? bob : ann, i % 3 ? ann : bob, `m${i}`);
    await page.route('**/api/messages/*?*', (route) => setTimeout(() => route.continue(), 700));
    await mend(page);
    await page.getByText('No connection').waitFor({ state: 'hidden' });
    await say(bob, ann, 'm131'); // live, while the history loads
    await bubble(page, 'm131').waitFor();
    const wanted = Array.from({ length: 132 }, (_, i) => `m${i}`);
    await waitUntil('all of it', async () => (await texts(page)).length >= 132, { within: 15000 });
    assert.deepEqual(await texts(page), wanted);
    assert.deepEqual(page.problems, []);
  });
}

test('a message that comes while the history loads stands after it, once', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'm0');
  const page = await openAs(ann);
  await row(page, bob).getByText('1 unread').waitFor();
  await say(bob, ann, 'm1');
  await row(page, bob).getByText('2 unread').waitFor(); // it is connected
  await page.route('**/api/messages/*?*', async (route) => {
    const answer = await route.fetch();
    await say(bob, ann, 'm2');
    await bubble(page, 'm2').waitFor();
    await route.fulfill({ response: answer });
  }, { times: 1 });
  await row(page, bob).click();
  await bubble(page, 'm0').waitFor();
  assert.deepEqual(await texts(page), ['m0', 'm1', 'm2']);
});
