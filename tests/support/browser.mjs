// People in browsers: pages of the real stack in Chromium, 150 ms away from it.
import { chromium } from 'playwright-core';
import { call, password, uniqueName } from './api.mjs';
import { delayRequests, laneOf } from './jitter.mjs';
import { awakeNow, patient, waitUntil } from './wait.mjs';

export const latency = 150; // ms

/** What routeSockets() has Chromium say: a frame came to it after the connection to the server had ended. (The page looks before it sends.) */
const ofRoutes = /WebSocket is already in CLOSING or CLOSED state/;

const phone = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };

/** For a test file: one browser, whose pages end with each test. */
export function useBrowser({ before, after, afterEach }, hold) {
  let browser;
  const contexts = [];
  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', timeout: patient(30000),
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
  }, { timeout: patient(60000) });
  afterEach(async () => { for (const context of contexts.splice(0)) await context.close(); });
  after(() => browser?.close());

  /** A context of its own: another device. expect: errors that the browser may report. */
  async function newContext({ isPhone = false, ...options } = {}) {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 800 }, ...(isPhone && phone), ...options });
    context.setDefaultTimeout(patient(15000));
    contexts.push(context);
    return context;
  }

  /** A page; what goes wrong within it is in page.problems. */
  async function openIn(context, path = '/', { near = false, expect = /401/ } = {}) {
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error)));
    page.on('console', (message) => { if (message.type() === 'error' && !expect.test(message.text()) && !ofRoutes.test(message.text())) page.problems.push(message.text()); });
    await delayRequests(page);
    await routeSockets(page);
    const cdp = await context.newCDPSession(page);
    await cdp.send('Network.enable');
    page.setNetwork = (isAway) => cdp.send('Network.emulateNetworkConditions', { offline: isAway, latency: near ? 0 : latency, downloadThroughput: -1, uploadThroughput: -1 });
    await page.setNetwork(false);
    await page.goto(hold.stack.url + path);
    return page;
  }

  /** Someone new, known by the API. */
  async function newPerson(name) {
    const username = uniqueName(name);
    const { json, cookies } = await call(hold.stack.url, 'POST', '/api/auth/signup', {
      fullName: username, username, password, confirmPassword: password, gender: 'female',
    });
    return { ...json, id: json._id, cookie: cookies[0].split(';')[0] };
  }

  /** Somebody's page on a device of their own, logged in. */
  async function openAs(person, { path, near, expect, ...options } = {}) {
    const context = await newContext(options);
    const [name, value] = person.cookie.split('=');
    await context.addCookies([{ name, value, url: hold.stack.url, httpOnly: true, sameSite: 'Strict' }]);
    const page = await openIn(context, path, { near, expect });
    page.fullName = person.fullName;
    page.person = person;
    await page.getByRole('navigation', { name: 'People' }).or(page.getByRole('main')).first().waitFor();
    return page;
  }

  /** Send by the API, as from another device. */
  async function say(from, to, text) {
    const { status, json } = await call(hold.stack.url, 'POST', `/api/messages/send/${to.id}`, { message: text }, { cookie: from.cookie });
    if (status !== 201) throw new Error(`send: ${status} ${JSON.stringify(json)}`);
    return json;
  }

  return { newContext, openIn, newPerson, openAs, say, api: (method, path, who, body) => call(hold.stack.url, method, path, body, { cookie: who.cookie }) };
}

export const row = (page, other) => page.getByRole('navigation').getByRole('button', { name: other.fullName });
export const conversation = (page) => page.getByRole('region', { name: 'Conversation' });
export const log = (page) => page.getByRole('log');
export const articles = (page) => log(page).getByRole('article');
/** The message with this in its text: names and times around it may look alike. */
export const bubble = (page, text) => articles(page).filter({ has: page.locator('.text').filter({ hasText: text }) });
export const field = (page) => page.getByLabel('Message', { exact: true });

/** Write as fast as a keyboard can. */
export async function type(page, ...lines) {
  await field(page).focus();
  for (const line of lines) {
    await page.keyboard.insertText(line);
    await page.keyboard.press('Enter');
  }
}

export async function open(page, other) {
  await page.getByLabel('Find someone').fill(other.fullName);
  await row(page, other).click();
}

/** Its WebSockets pass through here, so that cut() can end them. */
async function routeSockets(page) {
  page.sockets = new Set();
  await page.routeWebSocket(/socket\.io/, (ws) => {
    if (page.isCut) { ws.close(); return; }
    page.sockets.add(ws);
    const server = ws.connectToServer();
    const [toPage, toServer] = ['to page', 'to server'].map((name) => laneOf(page, name));
    // A page that is to forget asks for no recovery, as after a long absence.
    // What is held comes later, in order; one that is deaf is dead, and nobody has noticed.
    server.onMessage((text) => toPage(async () => { await page.held; if (!page.deaf?.has(ws)) ws.send(text); }));
    ws.onMessage((text) => toServer(() => server.send(page.isToForget ? String(text).replace(/"pid":"[^"]*",?/, '') : text)));
  });
}

/**
 * Requests to `url` fail until somebody has pressed something on the page. (A page that tries again
 * by itself takes its "Retry" away when that works, perhaps before a test has pressed it.)
 */
export async function failUntilPressed(page, url, fail) {
  await page.evaluate(() => addEventListener('pointerdown', () => { document.documentElement.dataset.pressed = ''; }, { capture: true, once: true }));
  const isPressed = () => page.evaluate(() => 'pressed' in document.documentElement.dataset).catch(() => false);
  await page.route(url, async (route) => (await isPressed() ? route.continue() : fail(route)));
}

/** No request of the page is under way, and for a second none has begun. */
export async function quiet(page) {
  let [last, open] = [awakeNow(), 0];
  const begins = () => { last = awakeNow(); open++; };
  const ends = () => { open--; };
  page.on('request', begins);
  for (const name of ['requestfinished', 'requestfailed']) page.on(name, ends);
  await waitUntil('the page to ask for nothing', () => open <= 0 && awakeNow() - last > 1000, { within: 15000 });
  page.off('request', begins);
  for (const name of ['requestfinished', 'requestfailed']) page.off(name, ends);
}

/** The log scrolls no more: for ten frames it has stood where it is. */
export const isAtRest = (page) => log(page).evaluate((element) => new Promise((resolve) => {
  let [at, frames] = [element.scrollTop, 0];
  const look = () => {
    frames = element.scrollTop === at ? frames + 1 : 0;
    at = element.scrollTop;
    if (frames < 10) requestAnimationFrame(look); else resolve();
  };
  look();
}));

/** The network is away, until mend(). */
export async function cut(page) {
  page.isCut = true;
  await page.context().setOffline(true);
  await page.setNetwork(true); // a page whose latency was set goes by that, and would have its answers
  for (const ws of page.sockets) await ws.close();
  page.sockets.clear();
}

export async function mend(page) {
  page.isCut = false;
  await page.setNetwork(false);
  await page.context().setOffline(false);
}

/** What others see of a tab that nobody looks at. (Headless, every tab is looked at.) */
export async function look(page, isLooking) {
  await page.evaluate((looks) => {
    Object.defineProperty(document, 'hidden', { value: !looks, configurable: true });
    Object.defineProperty(document, 'visibilityState', { value: looks ? 'visible' : 'hidden', configurable: true });
    document.hasFocus = () => looks;
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event(looks ? 'focus' : 'blur'));
  }, isLooking);
}

/** The texts of the log, in order. */
export const texts = (page) => page.locator('[role=log] article .text').allTextContents();

/** The menu of a message, by the right button. */
export async function menuOf(page, text) {
  await bubble(page, text).click({ button: 'right' });
  return page.getByRole('menu');
}

/** Choose of the menu of a message. */
export async function choose(page, text, action) {
  await (await menuOf(page, text)).getByRole('menuitem', { name: action }).click();
}

/** Put another text in place of that of a message. */
export async function edit(page, text, other) {
  await choose(page, text, 'Edit');
  await page.getByText('Editing a message').waitFor();
  await field(page).fill(other);
  await page.keyboard.press('Enter');
}

/** Delete a message, and say yes. */
export async function remove(page, text) {
  await choose(page, text, 'Delete');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
}

/** Keep a finger on an element until something comes of it. */
export async function longPress(page, locator, waits) {
  const { x, y } = await locator.boundingBox();
  const cdp = await page.context().newCDPSession(page);
  const touch = (type, touchPoints) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints });
  await touch('touchStart', [{ x: x + 12, y: y + 12 }]);
  await waits();
  await touch('touchEnd', []);
  await cdp.detach();
}
