// Two people in two browsers: sign up, talk, be busy, come back.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { password, uniqueName } from '../support/api.mjs';
import { bubble, field, log, open, row, useBrowser } from '../support/browser.mjs';
import { LlmServer, say } from '../support/llm_server.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const llm = await LlmServer.start();
after(() => llm.stop());
const hold = useStack({ before, after, afterEach }, { LLM_API_URL: `${llm.url}/v1`, PRESENCE_GRACE_MS: '500' });

const { newContext, openIn } = useBrowser({ before, after, afterEach }, hold);

async function signUp(name, gender = 'Female') {
  const page = await openIn(await newContext());
  page.fullName = uniqueName(name);
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('Full name').fill(page.fullName);
  await page.getByLabel('Username').fill(page.fullName);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Password, once more').fill(password);
  await page.getByLabel(gender, { exact: true }).check();
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('navigation', { name: 'People' }).waitFor();
  return page;
}

/** So many, once what is live and what is loaded are both there: each message once. */
const hasArticles = (page, count) => waitUntil(`${count} messages`, async () => await log(page).getByRole('article').count() === count);

async function write(page, text) {
  await field(page).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

test('two people sign up, see each other come, and talk live', async () => {
  const ann = await signUp('Ann');
  const bob = await signUp('Bob', 'Male');
  await row(bob, ann).getByText('Online').waitFor();
  await open(ann, bob); // who came later is found by looking
  await row(ann, bob).getByText('Online').waitFor();

  await write(ann, 'Hello <b>Bob</b> 👋');
  await bubble(ann, 'Hello <b>Bob</b> 👋').waitFor();
  await row(bob, ann).getByText('1 unread').waitFor();
  await row(bob, ann).click();
  await bubble(bob, 'Hello <b>Bob</b> 👋').waitFor();
  await write(bob, 'Hi Ann');
  await bubble(ann, 'Hi Ann').waitFor();
  for (const page of [ann, bob]) await hasArticles(page, 2);

  await bob.context().close();
  await row(ann, bob).getByText('Offline').waitFor();
  assert.deepEqual([...ann.problems, ...bob.problems], []);
});

test('who is busy is answered for, and sees it', async () => {
  const [ann, bob] = [await signUp('Ann'), await signUp('Bob')];
  llm.script(say('Bob is in a meeting and will write back.'));
  await bob.getByRole('button', { name: 'Busy', exact: true }).click();
  await open(ann, bob);
  await row(ann, bob).getByText('Busy').waitFor();
  await row(bob, ann).click();
  await write(ann, 'Are you there?');
  for (const page of [ann, bob]) {
    await bubble(page, 'Bob is in a meeting and will write back.').getByText('Automatic reply').waitFor();
  }
  await hasArticles(ann, 2);
  assert.deepEqual([...ann.problems, ...bob.problems], []);
});

test('a page that is loaded again has its session and its conversation', async () => {
  const [ann, bob] = [await signUp('Ann'), await signUp('Bob')];
  await open(ann, bob);
  await write(ann, 'Remember this');
  await bubble(ann, 'Remember this').waitFor();
  await ann.reload();
  await bubble(ann, 'Remember this').waitFor();
  await write(ann, 'And this');
  await row(bob, ann).click();
  for (const text of ['Remember this', 'And this']) await bubble(bob, text).waitFor();
  await hasArticles(bob, 2);
  assert.deepEqual([...ann.problems, ...bob.problems], []);
});

test('a log-out, also of another tab, leads back to the form; a wrong password says so', async () => {
  const ann = await signUp('Ann');
  const tab = await ann.context().newPage();
  await tab.goto(hold.stack.url);
  await tab.getByRole('navigation', { name: 'People' }).waitFor();
  await ann.getByRole('button', { name: 'Log out' }).click();
  for (const page of [ann, tab]) await page.getByRole('button', { name: 'Log in' }).waitFor();

  await tab.getByLabel('Username').fill(ann.fullName);
  await tab.getByLabel('Password').fill('not the password');
  await tab.getByRole('button', { name: 'Log in' }).click();
  await tab.getByRole('alert').getByText('Invalid username or password').waitFor();
  await tab.getByLabel('Password').fill(password);
  await tab.getByRole('button', { name: 'Log in' }).click();
  await tab.getByRole('navigation', { name: 'People' }).waitFor();
  await waitUntil('the focus where one goes on', () => tab.evaluate(() => document.activeElement.type === 'search'));
});
