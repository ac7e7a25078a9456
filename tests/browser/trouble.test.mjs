// The page tells the truth when things fail.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { password, uniqueName } from '../support/api.mjs';
import { articles, bubble, conversation, cut, failUntilPressed, field, log, look, mend, open, row, texts, type, useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500' });
const { newContext, newPerson, openAs, openIn, say, api } = useBrowser({ before, after, afterEach }, hold);

const expect = /401|503|ERR_/;
const fails = (route) => route.fulfill({ status: 503, json: { error: 'Service unavailable, try again', code: 'UNAVAILABLE' } });

test('a history that does not load says so, with Retry; it loads by it, and by itself', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'Hello');
  const page = await openAs(ann, { expect });
  await page.route('**/api/messages/*?*', fails);
  await row(page, bob).click();
  const alert = log(page).getByRole('alert');
  await alert.getByText('could not be loaded').waitFor();
  assert.equal(await page.getByText('No messages yet').count(), 0);
  await failUntilPressed(page, '**/api/messages/*?*', fails);
  await page.unroute('**/api/messages/*?*', fails);
  await alert.getByRole('button', { name: 'Retry' }).click();
  await bubble(page, 'Hello').waitFor();
  await alert.waitFor({ state: 'detached' });

  await page.unroute('**/api/messages/*?*');
  await page.route('**/api/messages/*?*', fails);
  await page.reload();
  await alert.getByText('could not be loaded').waitFor();
  await page.unroute('**/api/messages/*?*');
  await bubble(page, 'Hello').waitFor(); // nobody clicked
  assert.deepEqual(page.problems, []);
});

test('conversations that do not load say so, and load by themselves', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'Hello');
  const page = await openAs(ann, { expect });
  await row(page, bob).getByText('1 unread').waitFor();
  await page.route('**/api/conversations?*', fails);
  await page.reload();
  await page.getByRole('navigation').getByRole('alert').getByText('could not be loaded').waitFor();
  await page.getByRole('navigation').getByRole('button', { name: 'Retry' }).waitFor();
  await page.unroute('**/api/conversations?*');
  await row(page, bob).getByText('1 unread').waitFor();
  await page.getByRole('navigation').getByRole('alert').waitFor({ state: 'hidden' });
});

test('a 503 of /me shows no log-in form, and the page opens once it works', async () => {
  const ann = await newPerson('Ann');
  const page = await openAs(ann, { expect });
  await page.route('**/api/auth/me', fails);
  await page.reload();
  await page.getByRole('heading', { name: /cannot be reached/ }).waitFor();
  await page.getByRole('button', { name: 'Retry' }).waitFor();
  assert.equal(await page.getByLabel('Password').count(), 0);
  await page.unroute('**/api/auth/me');
  await page.getByRole('navigation', { name: 'People' }).waitFor();
});

test('a log-out that failed says so, and one stays; one that worked leads to the form, ready to write', async () => {
  const ann = await newPerson('Ann');
  const page = await openAs(ann, { expect });
  await page.route('**/api/auth/logout', fails);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('alert').getByText(/still logged in/).waitFor();
  await page.getByRole('navigation', { name: 'People' }).waitFor();
  await page.unroute('**/api/auth/logout');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  await waitUntil('the field to be ready', () => page.evaluate(() => document.activeElement.name === 'username'));
});

test('"Log out everywhere" ends every session', async () => {
  const ann = await newPerson('Ann');
  const page = await openAs(ann, { expect });
  const phone = await openAs(ann, { isPhone: true, expect });
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Log out everywhere' }).click();
  for (const one of [page, phone]) await one.getByRole('button', { name: 'Log in' }).waitFor();
  assert.equal((await api('GET', '/api/auth/me', ann)).status, 401);
});

/** What a log-in in another tab does to the cookie. */
async function logInElsewhere(page, person) {
  const answer = await page.context().request.post(`${hold.stack.url}/api/auth/login`, { data: { username: person.username, password } });
  assert.equal(answer.status(), 200);
}

test('a second account in another tab is noticed before anything is sent', async () => {
  const [ann, bob, cy] = [await newPerson('Ann'), await newPerson('Bob'), await newPerson('Cy')];
  const page = await openAs(ann, { path: `/#/${cy.id}`, expect });
  await field(page).waitFor();
  await field(page).fill('as Ann');
  await logInElsewhere(page, bob);
  await look(page, true);
  await page.keyboard.press('Enter'); // wherever one is by now: the page may have noticed already
  await page.getByText(`now logged in as ${bob.fullName}`).waitFor();
  await page.getByRole('navigation').getByText(bob.fullName).first().waitFor();
  for (const one of [ann, bob]) assert.deepEqual((await api('GET', `/api/messages/${one.id}`, cy)).json, [], 'nothing was sent');
  assert.deepEqual(page.problems, []);
});

test('a log-in in another tab is noticed at once, also without focus', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const page = await openAs(ann, { expect });
  const tab = await openIn(page.context(), '/', { expect });
  await tab.getByRole('navigation', { name: 'People' }).waitFor();
  await logInElsewhere(page, bob);
  await tab.evaluate(() => localStorage.setItem('parley.session', 'as the form does it'));
  await page.getByText(`now logged in as ${bob.fullName}`).waitFor();
});

test('a connection that is away is said, what is written waits, and goes in order when it is back', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const page = await openAs(ann, { path: `/#/${bob.id}`, expect });
  await field(page).waitFor();
  await type(page, 'before');
  await bubble(page, 'before').getByText('Sent', { exact: true }).waitFor();
  await cut(page);
  await type(page, 'one', 'two', 'three');
  await page.getByRole('status').getByText('No connection').waitFor();
  await bubble(page, 'three').getByText('Waiting to be sent').waitFor({ state: 'attached' });
  assert.equal(await log(page).getByText('Not sent').count(), 0);
  await mend(page);
  await page.getByText('No connection').waitFor({ state: 'hidden' });
  await waitUntil('all to be sent', async () => await log(page).getByText('Sent', { exact: true }).count() === 4);
  assert.deepEqual(await texts(page), ['before', 'one', 'two', 'three']);
  assert.deepEqual((await api('GET', `/api/messages/${ann.id}`, bob)).json.map((one) => one.message), ['before', 'one', 'two', 'three']);
});

test('who comes back to a connection that died unnoticed has what was missed at once', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'before');
  const page = await openAs(ann, { path: `/#/${bob.id}`, expect });
  await row(page, bob).getByText('Offline').waitFor({ state: 'attached' }); // it is connected
  await look(page, false);
  page.deaf = new Set(page.sockets);
  await say(bob, ann, 'while the machine slept');
  await waitUntil('the other one to have it', async () => (await api('GET', `/api/messages/${ann.id}`, bob)).json.length === 2);
  await page.clock.setFixedTime(Date.now() + 8 * 3600000); // timers stand still in a machine that sleeps
  const known = page.sockets.size;
  await look(page, true);
  await bubble(page, 'while the machine slept').waitFor();
  assert.ok(page.sockets.size > known, 'by another connection');
  assert.deepEqual(page.problems, []);
});

test('a session that has ended leads to the form; what was not sent is there after the next log-in', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const page = await openAs(ann, { path: `/#/${bob.id}`, expect });
  await field(page).waitFor();
  await cut(page);
  await type(page, 'kept');
  await api('POST', '/api/auth/logout', ann);
  await mend(page);
  await page.getByRole('status').getByText(/log in again/).waitFor();
  await page.getByLabel('Username').fill(ann.username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await bubble(page, 'kept').getByText('Sent', { exact: true }).waitFor();
  await waitUntil('it to stand there once', async () => await articles(page).count() === 1);
});

test('without a connection nobody is said to be online, and what waits comes last, by a late clock, too', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'Hello');
  await openAs(bob);
  const page = await openAs(ann, { path: `/#/${bob.id}`, expect });
  const head = conversation(page).locator('header');
  await head.getByText('Online').waitFor();
  await cut(page);
  await page.getByText('No connection').waitFor();
  await head.getByText('Online').waitFor({ state: 'detached' });
  await page.clock.setFixedTime(Date.now() - 2 * 86400000);
  await type(page, 'two days ago');
  await bubble(page, 'two days ago').waitFor();
  assert.deepEqual(await texts(page), ['Hello', 'two days ago']);
  assert.equal(await log(page).getByRole('heading').count(), 1);
  await mend(page);
  await head.getByText('Online').waitFor();
});

test('a file that is dropped beside everything does not take the page away', async () => {
  const page = await openAs(await newPerson('Ann'));
  const isTaken = (types) => page.evaluate((kinds) => {
    const data = new DataTransfer();
    if (kinds === 'file') data.items.add(new File(['x'], 'x.txt'));
    else data.setData('text/plain', 'x');
    const over = new DragEvent('dragover', { dataTransfer: data, bubbles: true, cancelable: true });
    const drop = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
    for (const event of [over, drop]) document.body.dispatchEvent(event);
    return [over.defaultPrevented, drop.defaultPrevented];
  }, types);
  assert.deepEqual(await isTaken('file'), [true, true]);
  assert.deepEqual(await isTaken('text'), [false, false], 'text goes where it is dropped');
});

test('an address of nobody says so', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const page = await openAs(ann, { path: '/#/0123456789abcdef01234567', expect: /401|404/ });
  await log(page).getByText('nobody at this address').waitFor();
  // By name, for others of this file are in the list, too.
  const open = async () => {
    await page.getByLabel('Find someone').fill(bob.fullName);
    await row(page, bob).click();
  };
  await open();
  await conversation(page).getByRole('heading', { name: bob.fullName }).waitFor();
  await page.getByText('Say hello').waitFor();
  await page.evaluate(() => { location.hash = '#/0123456789abcdef01234567'; });
  await log(page).getByText('nobody at this address').waitFor();
  assert.equal(await conversation(page).getByText(bob.fullName).count(), 0, 'no word of the one before');
  assert.equal(await page.getByText('Say hello').count(), 0);
  assert.equal(await field(page).isVisible(), false, 'there is nobody to write to');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'log');
  await open();
  await field(page).waitFor();
});

test('until it is known whose conversation it is nobody else is named', async () => {
  const [ann, bob, cy] = [await newPerson('Ann'), await newPerson('Bob'), await newPerson('Cy')];
  await say(bob, ann, 'Hello');
  const page = await openAs(ann, { expect });
  await page.route('**/api/users?*', (route) => route.fulfill({ json: [] }));
  await page.route(`**/api/conversations/${cy.id}`, fails);
  await page.goto(`${hold.stack.url}/#/${bob.id}`);
  await page.reload();
  await conversation(page).getByRole('heading', { name: bob.fullName }).waitFor();
  await page.evaluate((id) => { location.hash = `#/${id}`; }, cy.id);
  await log(page).getByText('could not be opened').waitFor();
  assert.equal(await conversation(page).getByText(bob.fullName).count(), 0);
  await page.unroute(`**/api/conversations/${cy.id}`);
  await conversation(page).getByRole('heading', { name: cy.fullName }).waitFor(); // nobody clicked
});

test('a wrong password says so, and the field is ready', async () => {
  const page = await openIn(await newContext(), '/', { expect: /40[01]/ });
  const ann = await newPerson('Ann');
  await page.getByLabel('Username').fill(ann.username);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('Invalid username or password').waitFor();
  await waitUntil('the field to be ready', () => page.evaluate(() => document.activeElement.name === 'password'));

  await page.route('**/api/auth/login', async (route) => {
    await page.getByLabel('Username').focus(); // by whom the answer finds writing there
    await route.continue();
  });
  const answered = page.waitForResponse('**/api/auth/login');
  await page.keyboard.press('Enter');
  await answered;
  await waitUntil('the answer to be shown', () => page.getByRole('button', { name: 'Log in' }).isEnabled());
  assert.equal(await page.evaluate(() => document.activeElement.name), 'username');
});

test('who went to the other form meanwhile is not told there what the first one was answered, and need not wait for it', async () => {
  const page = await openIn(await newContext(), '/', { expect: /40[01]/ });
  const answers = [];
  await page.route('**/api/auth/login', async (route) => {
    await new Promise((resolve) => { answers.push(resolve); });
    await route.continue();
  });
  await page.getByLabel('Username').fill('nobody');
  await page.getByLabel('Password').fill('not the password');
  await page.keyboard.press('Enter');
  await waitUntil('the log-in to be under way', () => answers.length === 1);
  await page.getByRole('button', { name: 'Create an account' }).click();
  assert.ok(await page.getByRole('button', { name: 'Sign up' }).isEnabled());
  const answered = page.waitForResponse('**/api/auth/login');
  answers[0]();
  await (await answered).finished();
  const name = uniqueName('Ann');
  await page.getByLabel('Full name').fill(name);
  await page.getByLabel('Username').fill(name);
  assert.ok(await page.getByRole('alert').isHidden());
  assert.equal(await page.locator('[aria-invalid]').count(), 0);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Password, once more').fill(password);
  await page.getByLabel('Female', { exact: true }).check();
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('navigation', { name: 'People' }).waitFor();
});
