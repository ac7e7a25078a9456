// The pictures of README.md, of the real stack:  make pictures
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { call, password } from './support/api.mjs';
import { LlmServer, say as llmSays } from './support/llm_server.mjs';
import { root, Stack } from './support/stack.mjs';

const llm = await LlmServer.start();
const stack = await Stack.start({ LLM_API_URL: `${llm.url}/v1` });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu'] });

async function person(fullName) {
  const username = fullName.normalize('NFD').toLowerCase().replace(/[^a-z ]/g, '').replace(' ', '.');
  const { json, cookies } = await call(stack.url, 'POST', '/api/auth/signup', { fullName, username, password, confirmPassword: password, gender: 'female' });
  return { ...json, cookie: cookies[0].split(';')[0] };
}

const post = (who, route, body) => call(stack.url, 'POST', route, body, { cookie: who.cookie });
const say = (from, to, message) => post(from, `/api/messages/send/${to._id}`, { message });

async function open(who, options, hash = '') {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const [name, value] = who.cookie.split('=');
  await context.addCookies([{ name, value, url: stack.url }]);
  const page = await context.newPage();
  await page.goto(`${stack.url}/${hash}`);
  return page;
}

async function talk() {
  const [aisha, ben, chloe, dmitri, emi] = [await person('Aisha García'), await person('Ben Okafor'), await person('Chloé Durand'), await person('Dmitri Petrov'), await person('Emi Tanaka')];
  await say(emi, aisha, 'See you on Monday!');
  await say(dmitri, aisha, 'The slides are in the folder.');
  await say(dmitri, aisha, 'Could you look at page 4?');
  await say(ben, aisha, 'Morning! Did the release go out?');
  await say(aisha, ben, 'It did, at six. Notes: https://example.org/notes');
  const { json: asked } = await say(ben, aisha, 'Wonderful. How do I try it here?');
  await post(aisha, `/api/messages/read/${ben._id}`, { upTo: asked._id });
  await say(aisha, ben, 'Two commands:\n```\ngit pull\nmake run\n```\nand then open the `readme`.');
  return { aisha, ben, chloe, dmitri };
}

try {
  const { aisha, ben, chloe } = await talk();
  const other = await open(ben, {}, `#/${aisha._id}`);
  await other.getByRole('log').getByText('Two commands').waitFor();
  await post(ben, `/api/users/status/${ben._id}`, { status: 'BUSY', note: 'in a meeting until three' });
  llm.script(llmSays('Ben is in a meeting until three and will write back then.'));
  const desktop = await open(aisha, { viewport: { width: 1120, height: 700 } }, `#/${ben._id}`);
  await desktop.getByRole('log').getByText('Two commands').waitFor();
  await say(aisha, ben, 'Tell me how it goes!');
  await desktop.getByRole('log').getByText('Automatic reply').waitFor();
  await say(chloe, aisha, 'Lunch at one?');
  await desktop.getByRole('navigation').getByText('Lunch at one?').waitFor();
  await desktop.getByRole('main').getByText('in a meeting until three').first().waitFor();
  const to = (name) => path.join(root, 'docs', name);
  await mkdir(path.join(root, 'docs'), { recursive: true });
  await desktop.screenshot({ path: to('page.png') });
  const phone = await open(aisha, { viewport: { width: 360, height: 700 }, isMobile: true, hasTouch: true, colorScheme: 'dark' });
  await phone.getByRole('navigation').getByText('Lunch at one?').waitFor();
  await phone.getByRole('navigation').getByText('Could you look').waitFor();
  await phone.waitForLoadState('networkidle');
  await phone.screenshot({ path: to('page-phone.png') });
} finally {
  await browser.close();
  await stack.stop();
  await llm.stop();
}
