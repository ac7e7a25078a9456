// One's own account: whom one blocks, who one is, one's data, and the way out.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { call, password } from '../support/api.mjs';
import { check, small } from '../support/axe.mjs';
import { bubble, choose, conversation, field, row, texts, type, useBrowser } from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500' });
const { newPerson, openAs, say, api } = useBrowser({ before, after, afterEach }, hold);
const expect = /40[0134]|410|503|ERR_/;

const dialog = (page) => page.getByRole('dialog');
const profile = async (page) => {
  await page.getByRole('button', { name: 'Your profile' }).click();
  await dialog(page).waitFor();
  return dialog(page);
};
const label = (page) => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
const picture = (page) => page.locator('.head .avatar img');

async function twoPages(options) {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'Hello');
  const page = await openAs(ann, { path: `/#/${bob.id}`, expect, ...options });
  const other = await openAs(bob, { path: `/#/${ann.id}`, expect });
  for (const one of [page, other]) await bubble(one, 'Hello').waitFor();
  return { ann, bob, page, other };
}

/** The same person, in a session of its own. */
async function logIn(person) {
  const { cookies } = await call(hold.stack.url, 'POST', '/api/auth/login', { username: person.username, password });
  return { ...person, cookie: cookies[0].split(';')[0] };
}

async function block(page) {
  await conversation(page).getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Block' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Block', exact: true }).click();
  await conversation(page).getByText('You have blocked').waitFor();
}

test('who is blocked cannot write, and is told so; a notice stands in place of the field, also after a reload', async () => {
  const { page, other } = await twoPages();
  await conversation(page).getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Block' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await waitUntil('the focus', async () => await label(page) === 'More');
  assert.equal(await field(page).isVisible(), true, 'nothing has happened');
  await block(page);
  assert.equal(await field(page).isVisible(), false);
  await type(other, 'Are you there?');
  await bubble(other, 'Are you there?').getByText('You cannot write to this person.').waitFor();
  await page.reload();
  await conversation(page).getByText('You have blocked').waitFor();
  assert.deepEqual(await texts(page), ['Hello']);
  await conversation(page).getByRole('button', { name: 'Unblock' }).click();
  await field(page).waitFor();
  await bubble(other, 'Are you there?').getByRole('button', { name: 'Retry' }).click();
  await bubble(page, 'Are you there?').waitFor();
  assert.deepEqual([...page.problems, ...other.problems], []);
});

test('the settings list who is blocked, and let them go; what another device blocked is noticed by the next send', async () => {
  const { ann, bob, page } = await twoPages();
  assert.equal((await api('POST', `/api/users/block/${bob.id}`, ann)).status, 200);
  await type(page, 'not sent');
  await conversation(page).getByText('You have blocked').waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await dialog(page).getByRole('button', { name: `Unblock ${bob.fullName}` }).click();
  await dialog(page).getByText('Nobody.').waitFor();
  await page.keyboard.press('Escape');
  await field(page).waitFor();
  assert.deepEqual((await api('GET', '/api/users/blocked', ann)).json, []);
  await bubble(page, 'not sent').getByRole('button', { name: 'Retry' }).click();
  await bubble(page, 'not sent').getByText(/^(Sent|Delivered|Read)$/).waitFor();
});

/** Requests of this method to `url` wait until release(); begun: their bodies. */
async function holdRequests(page, method, url) {
  const begun = [];
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route(url, async (route) => {
    if (route.request().method() !== method) { await route.continue(); return; }
    begun.push(route.request().postDataJSON());
    await released;
    await route.continue();
  });
  return { begun, release };
}

test('an answer takes the focus from nobody who went on meanwhile', async () => {
  const { ann, bob, page } = await twoPages();
  const cy = await newPerson('Cy');
  for (const person of [bob, cy]) assert.equal((await api('POST', `/api/users/block/${person.id}`, ann)).status, 200);
  await page.reload();
  await conversation(page).getByText('You have blocked').waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  const held = await holdRequests(page, 'DELETE', '**/api/users/block/**');
  const of = (person) => dialog(page).getByRole('button', { name: `Unblock ${person.fullName}` });
  await of(bob).click();
  await waitUntil('the request', () => held.begun.length === 1);
  await dialog(page).getByRole('switch').first().focus();
  held.release();
  await of(bob).waitFor({ state: 'detached' });
  assert.equal(await dialog(page).getByRole('switch').first().evaluate((element) => element === document.activeElement), true);
  await of(cy).click();
  await waitUntil('the focus on what is left', async () => await label(page) === 'People you have blocked');
  assert.deepEqual((await api('GET', '/api/users/blocked', ann)).json, []);

  await page.keyboard.press('Escape');
  await block(page);
  const again = await holdRequests(page, 'DELETE', '**/api/users/block/**');
  await conversation(page).getByRole('button', { name: 'Unblock' }).click();
  await waitUntil('the request', () => again.begun.length === 1);
  await page.getByLabel('Find someone').fill('So');
  again.release();
  await field(page).waitFor();
  await page.keyboard.type('me');
  assert.equal(await page.getByLabel('Find someone').inputValue(), 'Some');
  await page.getByLabel('Find someone').fill('');

  await block(page);
  await conversation(page).getByRole('button', { name: 'Unblock' }).click();
  await waitUntil('the focus', async () => await label(page) === 'Message');
  assert.deepEqual(page.problems, []);
});

test('of the status what one means last holds; a note that could not be saved is still there', async () => {
  const { ann, bob, page } = await twoPages();
  const status = (name) => page.getByRole('button', { name, exact: true });
  const note = page.getByLabel('Why you are busy');
  const own = async () => { const { json } = await api('GET', '/api/auth/me', ann); return [json.status, json.statusNote ?? '']; };
  const held = await holdRequests(page, 'POST', '**/api/users/status/**');
  await status('Busy').click();
  await waitUntil('the request', () => held.begun.length === 1);
  await status('Available').click();
  held.release();
  await waitUntil('the other one', () => held.begun.length === 2);
  assert.deepEqual(held.begun.map((body) => body.status), ['BUSY', 'AVAILABLE']);
  await waitUntil('what was meant', async () => (await own())[0] === 'AVAILABLE');
  await waitUntil('the page to know it', async () => await status('Available').getAttribute('aria-pressed') === 'true');
  await page.unroute('**/api/users/status/**');

  await status('Busy').click();
  await note.fill('at lunch');
  await note.press('Enter');
  await page.getByText('Saved', { exact: true }).waitFor();
  await page.route('**/api/users/status/**', (route) => route.fulfill({ status: 503, json: {} }));
  await note.fill('at lunch until two');
  await note.press('Tab');
  await page.getByText('Your status was not changed.').waitFor();
  await say(bob, ann, 'Are you there?');
  await bubble(page, 'Are you there?').waitFor(); // it was drawn once more
  assert.equal(await note.inputValue(), 'at lunch until two');
  await page.unroute('**/api/users/status/**');
  await note.press('Enter');
  await waitUntil('the note', async () => (await own())[1] === 'at lunch until two');
  await page.getByText('Saved', { exact: true }).waitFor();
  assert.deepEqual(page.problems, []);
});

test('one\'s own words can be deleted, not edited, where one has blocked', async () => {
  const { page, other } = await twoPages();
  await type(page, 'mine');
  await bubble(other, 'mine').waitFor();
  await block(page);
  await bubble(page, 'mine').click({ button: 'right' });
  assert.deepEqual(await page.getByRole('menuitem').allTextContents(), ['Copy', 'Delete']);
  await page.keyboard.press('Escape');
  await choose(page, 'mine', 'Delete');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await bubble(other, 'Message deleted').waitFor();
});

test('another name is shown to others at once', async () => {
  const { ann, page, other } = await twoPages();
  await page.getByRole('button', { name: 'Your profile' }).waitFor();
  await profile(page);
  const name = `Annabel ${ann.fullName}`;
  await dialog(page).getByLabel('Full name').fill('x'.repeat(101));
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).getByRole('alert').getByText('1 to 100 characters').waitFor();
  await dialog(page).getByLabel('Full name').fill(name);
  assert.equal(await dialog(page).getByLabel('Female', { exact: true }).isChecked(), true);
  await dialog(page).getByLabel('Male', { exact: true }).check();
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).getByText('Saved').waitFor();
  await page.getByRole('navigation').getByText(name).waitFor();
  await row(other, { fullName: name }).waitFor();
  await conversation(other).getByRole('heading', { name }).waitFor();
  await page.keyboard.press('Escape');
  await waitUntil('the focus', async () => /Your profile/.test(await label(page)));
  await page.reload();
  await page.getByRole('navigation').getByText(name).waitFor();
  await profile(page);
  assert.equal(await dialog(page).getByLabel('Male', { exact: true }).isChecked(), true);
  assert.deepEqual([...page.problems, ...other.problems], []);
});

/** A PNG of so many pixels, as noisy as a photograph. */
const photograph = async (page, width, height) => Buffer.from(await page.evaluate(([w, h]) => {
  const canvas = document.createElement('canvas');
  canvas.width = w;
  canvas.height = h;
  const context = canvas.getContext('2d');
  for (let i = 0; i < 4000; i++) {
    context.fillStyle = `hsl(${i * 37 % 360} 80% ${30 + i % 50}%)`;
    context.fillRect(i * 7919 % w, i * 104729 % h, 90, 70);
  }
  return canvas.toDataURL('image/png').split(',')[1];
}, [width, height]), 'base64');

test('a picture is made small enough, shown to others at once, and removed', async () => {
  const { page, other } = await twoPages();
  await profile(page);
  const sizes = [];
  await page.route('**/api/auth/avatar', (route) => {
    if (route.request().method() === 'PUT') sizes.push(route.request().postDataBuffer().length);
    return route.continue();
  });
  const give = (file) => dialog(page).locator('input[type=file]').setInputFiles(file);
  await give({ name: 'x.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
  await dialog(page).getByRole('alert').getByText('not a picture').waitFor();
  await give({ name: 'x.png', mimeType: 'image/png', buffer: await photograph(page, 4000, 3000) });
  await dialog(page).getByText('Saved').waitFor();
  assert.equal(sizes.length, 1);
  assert.ok(sizes[0] <= 256 * 1024, `${sizes[0]} bytes`);
  for (const one of [dialog(page).locator('.avatar img'), page.locator('.me .avatar img'), picture(other)]) {
    await waitUntil('the picture', () => one.evaluate((image) => image.complete && image.naturalWidth > 0 && image.naturalWidth <= 1024 && image.naturalWidth === image.naturalHeight));
  }
  assert.match(await picture(other).getAttribute('src'), /^\/api\/users\/avatar\/[0-9a-f]{24}\?v=/);
  await dialog(page).getByRole('button', { name: 'Remove picture' }).click();
  await picture(other).waitFor({ state: 'detached' });
  await waitUntil('the focus', async () => await label(page) === 'Choose a picture');
  assert.deepEqual([...page.problems, ...other.problems], []);
});

test('a new password needs the one of now, and ends the other sessions', async () => {
  const { ann, page } = await twoPages();
  const phone = await openAs(await logIn(ann), { isPhone: true, expect });
  await profile(page);
  await dialog(page).getByText('Change your password').first().click();
  const fill = async (now, next, again = next) => {
    await dialog(page).getByLabel('Your password now').fill(now);
    await dialog(page).getByLabel('New password').fill(next);
    await dialog(page).getByLabel('Password, once more').fill(again);
    await dialog(page).getByRole('button', { name: 'Change your password' }).click();
  };
  const alert = (text) => dialog(page).getByRole('alert').getByText(text).waitFor();
  await fill('not the password', 'another horse battery');
  await alert('This is not your password.');
  await fill(password, 'another horse battery', 'another horse');
  await alert('are not the same');
  await fill(password, 'short');
  await alert('at least 8 characters');
  await fill(password, 'another horse battery');
  await dialog(page).getByText('Your password is changed').waitFor();
  assert.equal(await dialog(page).getByLabel('New password').inputValue(), '', 'and stays nowhere');
  await phone.getByRole('button', { name: 'Log in' }).waitFor();
  await phone.getByLabel('Username').fill(ann.username);
  await phone.getByLabel('Password').fill('another horse battery');
  await phone.getByRole('button', { name: 'Log in' }).tap();
  await phone.getByRole('navigation', { name: 'People' }).waitFor();
  await page.keyboard.press('Escape');
  await type(page, 'still here');
  await bubble(page, 'still here').getByText(/^(Sent|Delivered|Read)$/).waitFor();
});

test('sessions are listed, and another one can be ended', async () => {
  const { ann, page } = await twoPages();
  const elsewhere = await logIn(ann);
  assert.equal((await api('GET', '/api/auth/me', elsewhere)).status, 200);
  await profile(page);
  await dialog(page).getByText('Where you are logged in').click();
  await dialog(page).getByText('This device').waitFor();
  await dialog(page).getByRole('button', { name: /^End the session/ }).click();
  await dialog(page).getByRole('button', { name: /^End the session/ }).waitFor({ state: 'detached' });
  await waitUntil('the end', async () => (await api('GET', '/api/auth/me', elsewhere)).status === 401);
  await dialog(page).getByText('This device').waitFor();
});

test('all of one\'s data comes as a file', async () => {
  const { ann, page } = await twoPages();
  await profile(page);
  const waiting = page.waitForEvent('download');
  await dialog(page).getByRole('link', { name: 'Download all of it' }).click();
  const download = await waiting;
  const text = await readFile(await download.path(), 'utf8');
  assert.match(download.suggestedFilename(), /\.json$/);
  assert.ok(JSON.parse(text));
  for (const part of [ann.username, 'Hello']) assert.ok(text.includes(part), part);
  assert.equal(text.includes('$argon2'), false);
});

test('who deletes their account is asked for the password, and is gone: here, there, and from the browser', async () => {
  const { ann, bob, page, other } = await twoPages();
  await type(page, 'my words');
  await bubble(other, 'my words').waitFor();
  await field(page).fill('a draft');
  await profile(page);
  await dialog(page).getByText('Delete my account', { exact: true }).click();
  await dialog(page).getByText('This cannot be undone').waitFor();
  const password_ = dialog(page).getByLabel('Password', { exact: true });
  await password_.fill('not the password');
  await dialog(page).getByRole('button', { name: 'for good' }).click();
  await dialog(page).getByRole('alert').getByText('This is not your password.').waitFor();
  await password_.fill(password);
  await dialog(page).getByRole('button', { name: 'for good' }).click();
  await page.getByText('Your account is deleted.').waitFor();
  assert.deepEqual(await page.evaluate((id) => Object.entries(localStorage).filter(([name, value]) => (name + value).includes(id)), ann.id), []);
  await waitUntil('the words to be gone', async () => (await api('GET', `/api/messages/${ann.id}`, bob)).json.every((one) => one.senderId !== ann.id || one.message === ''), { within: 15000 });
  // Also for who has them on the screen.
  await bubble(other, 'Message deleted').waitFor();
  assert.deepEqual(await texts(other), ['Hello', 'Message deleted']);
  await row(other, ann).waitFor({ state: 'detached' });
  await other.reload();
  await bubble(other, 'Message deleted').waitFor();
  assert.deepEqual(await texts(other), ['Hello', 'Message deleted']);
  await page.getByLabel('Username').fill(ann.username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('Invalid username or password').waitFor();
  assert.equal((await api('GET', `/api/users/profile/${ann.id}`, bob)).status, 404);
});

test('axe-core finds nothing in the profile, the settings, a question, a conversation that is blocked', async () => {
  const { page, bob } = await twoPages({ near: true });
  await conversation(page).getByRole('button', { name: 'More' }).click();
  await check(page, 'menu of a person');
  await page.getByRole('menuitem', { name: 'Block' }).click();
  await page.getByRole('alertdialog').waitFor();
  await check(page, 'question');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Block', exact: true }).click();
  await conversation(page).getByText('You have blocked').waitFor();
  await check(page, 'blocked');
  await page.getByRole('button', { name: 'Settings' }).click();
  await dialog(page).getByText(bob.fullName).waitFor();
  await check(page, 'settings');
  await page.keyboard.press('Escape');
  await profile(page);
  for (const summary of await dialog(page).locator('summary').all()) await summary.click();
  await dialog(page).getByText('This device').waitFor();
  await check(page, 'profile');
  await dialog(page).getByLabel('Password', { exact: true }).fill('not the password');
  await dialog(page).getByRole('button', { name: 'for good' }).click();
  await dialog(page).getByRole('alert').waitFor();
  await check(page, 'profile with an error');
});

test('on a phone the profile fits, and what is touched is large enough', async () => {
  const ann = await newPerson('Ann');
  const page = await openAs(ann, { isPhone: true, near: true, expect });
  await profile(page);
  for (const summary of await dialog(page).locator('summary').all()) await summary.tap();
  await dialog(page).getByText('This device').waitFor();
  assert.deepEqual(await small(page), []);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.querySelector('dialog').scrollWidth <= document.querySelector('dialog').clientWidth));
  await check(page, 'profile on a phone');
});
