// One's own words can be mended and taken back, on every device that shows them.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { check, small } from '../support/axe.mjs';
import {
  articles, bubble, choose, cut, edit, field, log, longPress, mend, menuOf, remove, row, texts, type, useBrowser,
} from '../support/browser.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { PRESENCE_GRACE_MS: '500' });
const { newPerson, openAs, say, api } = useBrowser({ before, after, afterEach }, hold);
const expect = /401|403|410|503|ERR_/;

const history = async (who, other) => (await api('GET', `/api/messages/${other.id}`, who)).json.map((one) => one.message);
const focused = (page) => page.evaluate(() => document.activeElement.tagName);
const menuItems = (page) => page.getByRole('menu').getByRole('menuitem').allTextContents();
const editing = (page) => page.getByText('Editing a message');

async function twoPages(options) {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const page = await openAs(ann, { path: `/#/${bob.id}`, expect, ...options });
  const other = await openAs(bob, { path: `/#/${ann.id}`, expect });
  for (const one of [page, other]) await field(one).waitFor();
  return { ann, bob, page, other };
}

/** A message that has been sent, as the first page shows it and the other one, too. */
async function sent({ page, other }, ...lines) {
  await type(page, ...lines);
  for (const line of lines) {
    await bubble(page, line).getByText(/^(Sent|Delivered|Read)$/).waitFor();
    if (other) await bubble(other, line).waitFor();
  }
}

test('an edit and a delete are seen by both: live, in the list, and after a reload', async () => {
  const pages = await twoPages();
  const { ann, bob, page, other } = pages;
  await sent(pages, 'Hello Bbo', 'wrong window');
  await edit(page, 'Hello Bbo', 'Hello Bob');
  await remove(page, 'wrong window');
  for (const one of [page, other]) {
    await bubble(one, 'Hello Bob').getByText('edited').waitFor();
    await bubble(one, 'Message deleted').waitFor();
    assert.deepEqual(await texts(one), ['Hello Bob', 'Message deleted']);
  }
  await row(page, bob).getByText('Message deleted').waitFor();
  await row(other, ann).getByText('Message deleted').waitFor();
  await other.reload();
  await bubble(other, 'Hello Bob').getByText('edited').waitFor();
  assert.deepEqual(await texts(other), ['Hello Bob', 'Message deleted']);
  await row(other, ann).getByText('Message deleted').waitFor();
  assert.deepEqual(await history(bob, ann), ['Hello Bob', '']);
  assert.deepEqual([...page.problems, ...other.problems], []);
});

test('by keys alone: arrows lead to a message, Enter, the menu key and Shift+F10 open its menu, Escape goes back', async () => {
  const { ann, bob, page } = await twoPages();
  await say(bob, ann, 'from Bob');
  await say(ann, bob, 'one');
  await say(ann, bob, 'two');
  await bubble(page, 'two').waitFor();
  await log(page).focus();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /one/);
  for (const key of ['Enter', 'ContextMenu', 'Shift+F10']) {
    await page.keyboard.press(key);
    await page.getByRole('menu').waitFor();
    assert.deepEqual(await menuItems(page), ['Edit', 'Copy', 'Delete']);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Edit');
    await page.keyboard.press('ArrowUp');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Delete');
    await page.keyboard.press('Escape');
    await page.getByRole('menu').waitFor({ state: 'detached' });
    assert.equal(await focused(page), 'ARTICLE', 'the focus is where it was, and the conversation is open');
  }
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter'); // Edit
  await editing(page).waitFor();
  assert.equal(await focused(page), 'TEXTAREA');
  await page.keyboard.insertText(', better');
  await page.keyboard.press('Enter');
  await bubble(page, 'one, better').getByText('edited').waitFor();
  await bubble(page, 'one, better').focus();
  for (const key of ['Enter', 'End', 'Enter']) await page.keyboard.press(key);
  await page.getByRole('alertdialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('alertdialog').waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'ARTICLE');
  await page.keyboard.press('Escape');
  assert.equal(await focused(page), 'TEXTAREA');
  await menuOf(page, 'from Bob');
  assert.deepEqual(await menuItems(page), ['Copy'], 'of the other\'s words');
  assert.deepEqual(page.problems, []);
});

test('the button beside a message opens its menu; Copy copies', async () => {
  const { ann, bob, page } = await twoPages({ permissions: ['clipboard-read', 'clipboard-write'] });
  await say(bob, ann, 'take `this`');
  await bubble(page, 'take').hover();
  await bubble(page, 'take').getByRole('button', { name: 'What to do with this message' }).click();
  await page.getByRole('menuitem', { name: 'Copy' }).click();
  await waitUntil('the text', async () => await page.evaluate(() => navigator.clipboard.readText()) === 'take `this`');
  await bubble(page, 'take').click({ button: 'right' });
  await page.getByRole('menu').waitFor();
  await field(page).click();
  await page.getByRole('menu').waitFor({ state: 'detached' });
});

test('ArrowUp in the empty field edits the last message; Escape brings the draft back', async () => {
  const pages = await twoPages();
  const { page, other } = pages;
  await sent(pages, 'first', 'lsat');
  await field(page).fill('a draft');
  await page.keyboard.press('ArrowUp');
  assert.equal(await editing(page).isVisible(), false, 'not while something is written');
  await choose(page, 'first', 'Edit');
  await editing(page).waitFor();
  assert.equal(await field(page).inputValue(), 'first');
  await page.keyboard.press('Escape');
  await editing(page).waitFor({ state: 'hidden' });
  assert.equal(await field(page).inputValue(), 'a draft');
  await choose(page, 'first', 'Edit');
  await page.getByRole('button', { name: 'Cancel' }).focus();
  await page.keyboard.press('Escape'); // ends the edit alone
  await editing(page).waitFor({ state: 'hidden' });
  assert.equal(await focused(page), 'TEXTAREA');
  await field(page).fill('');
  await page.keyboard.press('ArrowUp');
  await waitUntil('the last one', async () => await field(page).inputValue() === 'lsat');
  await field(page).fill('  ');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('cannot be empty').waitFor();
  await field(page).fill('last');
  await page.keyboard.press('Enter');
  await bubble(other, 'last').getByText('edited').waitFor();
  assert.deepEqual(await texts(other), ['first', 'last']);
});

test('on a phone a long press opens the menu, at the bottom, and what is touched is large enough', async () => {
  const pages = await twoPages({ isPhone: true });
  const { page, other } = pages;
  await sent(pages, 'from the train');
  await longPress(page, bubble(page, 'from the train'), () => page.getByRole('menu').waitFor());
  assert.deepEqual(await menuItems(page), ['Edit', 'Copy', 'Delete'], 'lifting the finger chooses nothing');
  assert.deepEqual(await small(page), []);
  await check(page, 'menu on a phone');
  await page.getByRole('menuitem', { name: 'Edit' }).tap();
  await editing(page).waitFor();
  assert.deepEqual(await small(page), []);
  await field(page).fill('from the tram');
  await page.getByRole('button', { name: 'Save' }).tap();
  await bubble(other, 'from the tram').getByText('edited').waitFor();
});

for (const isPhone of [false, true]) {
  test(`a menu that is asked for before it is loaded comes when it is, ${isPhone ? 'on a phone' : 'by the right button'}`, async () => {
    const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
    await say(ann, bob, 'hello');
    const page = await openAs(ann, { isPhone, expect });
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    await page.route('**/views/menu.js', async (route) => { await held; await route.continue(); });
    await page.evaluate((id) => { location.hash = `#/${id}`; }, bob.id);
    await bubble(page, 'hello').waitFor();
    const comes = () => { release(); return page.getByRole('menu').waitFor(); };
    if (isPhone) await longPress(page, bubble(page, 'hello'), comes);
    else await bubble(page, 'hello').click({ button: 'right' });
    await comes();
    await page.getByRole('menuitem', { name: 'Edit' }).click();
    await editing(page).waitFor();
  });
}

test('on two devices at once the later edit wins, and all agree', async () => {
  const pages = await twoPages();
  const { ann, bob, page, other } = pages;
  const phone = await openAs(ann, { path: `/#/${bob.id}`, isPhone: true, expect });
  await sent(pages, 'zero');
  await bubble(phone, 'zero').waitFor();
  await Promise.all([edit(page, 'zero', 'from the laptop'), (async () => {
    await longPress(phone, articles(phone).first(), () => phone.getByRole('menu').waitFor());
    await phone.getByRole('menuitem', { name: 'Edit' }).tap();
    await field(phone).fill('from the phone');
    await phone.getByRole('button', { name: 'Save' }).tap();
  })()]);
  await waitUntil('both edits to be stored', async () => {
    const [text] = await history(bob, ann);
    const shown = await Promise.all([page, phone, other].map(texts));
    return text !== 'zero' && shown.every((list) => list[0] === text) && await log(page).getByText('Saving').count() === 0 && await log(phone).getByText('Saving').count() === 0;
  }, { within: 15000 });
  await longPress(phone, articles(phone).first(), () => phone.getByRole('menu').waitFor());
  await phone.getByRole('menuitem', { name: 'Delete' }).tap();
  await phone.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).tap();
  for (const one of [page, phone, other]) await bubble(one, 'Message deleted').waitFor();
  assert.deepEqual([...page.problems, ...phone.problems, ...other.problems], []);
});

test('an edit of a message that is on its way waits for it; what has not left takes its new text along', async () => {
  const pages = await twoPages();
  const { ann, bob, page, other } = pages;
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await page.route('**/api/messages/send/**', async (route) => { await held; await route.continue(); }, { times: 1 });
  await type(page, 'one', 'tow');
  await page.keyboard.press('ArrowUp'); // "tow" has not left
  await waitUntil('the text', async () => await field(page).inputValue() === 'tow');
  await field(page).fill('two');
  await page.keyboard.press('Enter');
  await edit(page, 'one', 'One'); // has
  assert.deepEqual(await texts(page), ['One', 'two']);
  release();
  await bubble(other, 'One').getByText('edited').waitFor();
  await bubble(other, 'two').waitFor();
  assert.equal(await bubble(other, 'two').getByText('edited').count(), 0);
  await waitUntil('it to be stored', async () => (await history(bob, ann)).join() === 'One,two');
  for (const one of [page, other]) assert.deepEqual(await texts(one), ['One', 'two']);
  assert.deepEqual([...page.problems, ...other.problems], []);
});

test('a change that failed stays at its message, over a reload, until it is tried again or discarded', async () => {
  const pages = await twoPages();
  const { ann, bob, page } = pages;
  await sent(pages, 'first', 'second');
  await page.route('**/api/messages/message/*', (route) => route.fulfill({ status: 503, json: { error: 'x', code: 'UNAVAILABLE' } }));
  await edit(page, 'first', 'FIRST');
  await remove(page, 'second');
  await bubble(page, 'first').getByText('Your change is not saved').waitFor();
  await bubble(page, 'second').getByText('Not deleted').waitFor();
  assert.deepEqual(await texts(page), ['first', 'second'], 'what the other sees');
  await check(page, 'changes that failed');
  await page.reload();
  await bubble(page, 'first').getByText('FIRST', { exact: true }).waitFor();
  await bubble(page, 'second').getByRole('button', { name: 'Keep it' }).click();
  await bubble(page, 'second').getByText('Not deleted').waitFor({ state: 'hidden' });
  await page.unroute('**/api/messages/message/*');
  await bubble(page, 'first').getByRole('button', { name: 'Retry' }).click();
  await articles(page).first().getByText('edited').waitFor();
  assert.deepEqual(await texts(page), ['FIRST', 'second']);
  assert.deepEqual(await history(bob, ann), ['FIRST', 'second']);
  assert.deepEqual(page.problems, []);
});

test('an edit of what was deleted elsewhere says so, and so does the field that it was written in', async () => {
  const pages = await twoPages();
  const { ann, bob, page } = pages;
  await sent(pages, 'one', 'two');
  const [one, two] = (await api('GET', `/api/messages/${bob.id}`, ann)).json;
  await choose(page, 'one', 'Edit');
  await editing(page).waitFor();
  await api('DELETE', `/api/messages/message/${one._id}`, ann);
  await page.getByRole('alert').getByText('has been deleted').waitFor();
  assert.equal(await editing(page).isVisible(), false);
  await page.route('**/api/messages/message/*', async (route) => { // the delete comes first
    await api('DELETE', `/api/messages/message/${two._id}`, ann);
    await route.continue();
  }, { times: 1 });
  await edit(page, 'two', 'too late');
  await articles(page).nth(1).getByText('This message has been deleted.').waitFor();
  await articles(page).nth(1).getByRole('button', { name: 'Discard' }).click();
  await page.getByText('too late').waitFor({ state: 'detached' });
  assert.deepEqual(await texts(page), ['Message deleted', 'Message deleted']);
});

for (const [what, isToForget] of [['a recovery', false], ['an absence too long for one', true]]) {
  test(`after ${what} edits and deletes that were missed are shown`, async () => {
    const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
    const [one, two] = [await say(bob, ann, 'one'), await say(bob, ann, 'two')];
    const page = await openAs(ann, { path: `/#/${bob.id}`, expect });
    await bubble(page, 'two').waitFor();
    await waitUntil('the connection', () => page.sockets.size > 0);
    await row(page, bob).getByText('Offline').waitFor({ state: 'attached' });
    await cut(page);
    page.isToForget = isToForget;
    await page.getByText('No connection').waitFor();
    await api('PATCH', `/api/messages/message/${one._id}`, bob, { message: 'ONE' });
    await api('DELETE', `/api/messages/message/${two._id}`, bob);
    await say(bob, ann, 'three');
    await mend(page);
    await bubble(page, 'three').waitFor();
    await waitUntil('all of it', async () => (await texts(page)).join() === 'ONE,Message deleted,three');
    await bubble(page, 'ONE').getByText('edited').waitFor();
    assert.deepEqual(page.problems, []);
  });
}

test('an edit that comes while the history loads is not undone by it', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const { _id } = await say(bob, ann, 'before');
  const page = await openAs(ann, { expect });
  await row(page, bob).getByText('1 unread').waitFor();
  await say(bob, ann, 'live');
  await row(page, bob).getByText('2 unread').waitFor(); // it is connected
  await page.route('**/api/messages/*?*', async (route) => {
    const answer = await route.fetch();
    await api('PATCH', `/api/messages/message/${_id}`, bob, { message: 'after' });
    const { _id: last } = await say(bob, ann, 'last');
    await api('PATCH', `/api/messages/message/${last}`, bob, { message: 'LAST' });
    await row(page, bob).getByText('LAST').waitFor();
    await route.fulfill({ response: answer });
  }, { times: 1 });
  await row(page, bob).click();
  await waitUntil('all of it', async () => (await texts(page)).join() === 'after,live,LAST');
});

test('a message that is deleted before it was read is not unread', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  const first = await say(bob, ann, 'first');
  const page = await openAs(ann, { expect });
  await row(page, bob).getByText('1 unread').waitFor();
  const second = await say(bob, ann, 'second');
  await row(page, bob).getByText('2 unread').waitFor();
  await api('DELETE', `/api/messages/message/${second._id}`, bob);
  await row(page, bob).getByText('1 unread').waitFor();
  await row(page, bob).getByText('Message deleted').waitFor();
  await api('DELETE', `/api/messages/message/${first._id}`, bob);
  await row(page, bob).getByText('unread').waitFor({ state: 'hidden' });
  await waitUntil('the title', async () => await page.title() === 'Parley');
});

test('an answer of before a delete does not bring its number back', async () => {
  const [ann, bob] = [await newPerson('Ann'), await newPerson('Bob')];
  await say(bob, ann, 'first');
  const page = await openAs(ann, { expect });
  await row(page, bob).getByText('1 unread').waitFor();
  const { _id } = await say(bob, ann, 'second');
  await row(page, bob).getByText('2 unread').waitFor();
  await page.route('**/api/conversations?*', async (route) => {
    const answer = await route.fetch();
    await api('DELETE', `/api/messages/message/${_id}`, bob);
    await row(page, bob).getByText('Message deleted').waitFor();
    await route.fulfill({ response: answer });
  }, { times: 1 });
  await cut(page);
  await mend(page);
  await row(page, bob).getByText('Message deleted').waitFor();
  await row(page, bob).getByText('1 unread').waitFor();
  assert.deepEqual(page.problems, []);
});

test('axe-core finds nothing in a menu, an edit, a question, and what was edited and deleted', async () => {
  const pages = await twoPages({ near: true });
  const { page } = pages;
  await sent(pages, 'one', 'two');
  await menuOf(page, 'one');
  await check(page, 'menu');
  await page.keyboard.press('Escape');
  await edit(page, 'one', 'ONE');
  await bubble(page, 'ONE').getByText('edited').waitFor();
  await choose(page, 'two', 'Edit');
  await check(page, 'edit');
  await page.keyboard.press('Escape');
  await choose(page, 'two', 'Delete');
  await page.getByRole('alertdialog').waitFor();
  await check(page, 'question');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await bubble(page, 'Message deleted').waitFor();
  await bubble(page, 'ONE').focus();
  await check(page, 'edited and deleted');
  assert.deepEqual(page.problems, []);
});
