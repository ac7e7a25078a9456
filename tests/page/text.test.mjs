// What a text holds, how it is searched, where the page is, and which day it is.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Again } from '../../gateway/web/core/again.js';
import { nextOf } from '../../gateway/web/core/api.js';
import { dayOf, shortTimeOf, untilMidnight } from '../../gateway/web/core/days.js';
import { Pages } from '../../gateway/web/core/pages.js';
import { hashOf, idOf } from '../../gateway/web/core/route.js';
import { fold, isEmoji, matches, partsOf } from '../../gateway/web/core/text.js';
import { rowsWithin } from '../../gateway/web/core/window.js';
import { patient } from '../support/wait.mjs';
import { settle } from './helpers.mjs';

const web = new URL('../../gateway/web/', import.meta.url);
const kinds = (text) => partsOf(text).map(({ kind, text: part }) => (kind === 'text' ? part : { [kind]: part }));

test('links are http, https and mailto, without what follows them in a sentence', () => {
  assert.deepEqual(kinds('See https://a.example/b_(c)?d=1#e, or http://x.y.'), ['See ', { link: 'https://a.example/b_(c)?d=1#e' }, ', or ', { link: 'http://x.y' }, '.']);
  assert.deepEqual(kinds('(https://a.example/)'), ['(', { link: 'https://a.example/' }, ')']);
  assert.deepEqual(kinds('看https://a.example/x。謝謝（http://x.y/佐々木）、好'), ['看', { link: 'https://a.example/x' }, '。謝謝（', { link: 'http://x.y/佐々木' }, '）、好']);
  assert.deepEqual(kinds('mailto:ann@example.org!'), [{ link: 'mailto:ann@example.org' }, '!']);
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'ftp://x.y', 'www.example.org', 'http://', 'https:// x', 'a@b.c', '<b>bold</b> *x* _y_ [a](b)']) {
    assert.deepEqual(kinds(text), [text]);
  }
});

test('code is between backticks or fences, and nothing in it is a link', () => {
  assert.deepEqual(kinds('run `make run` now'), ['run ', { code: 'make run' }, ' now']);
  assert.deepEqual(kinds('`https://a.example`'), [{ code: 'https://a.example' }]);
  assert.deepEqual(kinds('a `b'), ['a `b']);
  assert.deepEqual(kinds('Yes:\n```js\nlet a;\n\nhttps://x.y\n```\nno'), ['Yes:', { block: 'let a;\n\nhttps://x.y' }, 'no']);
  assert.deepEqual(kinds('```\nopen'), ['```\nopen']);
  assert.deepEqual(kinds('```\n```'), [{ block: '' }]);
  assert.deepEqual(kinds(''), []);
});

test('a text of 65,536 characters that means harm takes no time', () => {
  for (const text of ['`'.repeat(65536), '```\n'.repeat(16384), '```x\n'.repeat(13000), 'mailto:'.repeat(9000), 'http://'.repeat(9000), `https://a.b/${'('.repeat(65000)}`, `https://a.b/${')'.repeat(65000)}`, `mailto:${'a'.repeat(65000)}`]) {
    const begin = process.cpuUsage();
    partsOf(text);
    const took = process.cpuUsage(begin).user / 1000;
    assert.ok(took < patient(1000), `${text.slice(0, 12)}: ${took} ms`);
  }
});

test('a search knows neither case nor accents, and begins words', () => {
  assert.equal(fold('GARCÍA Ångström Straße Łódź'), 'garcia angstrom strasse lodz');
  const aisha = { fullName: 'Aisha García', username: 'ai-99' };
  for (const query of ['garcia', 'Aï', 'gar ais', 'ai-9', '99', '']) assert.ok(matches(aisha, query), query);
  for (const query of ['arcia', 'garcia x']) assert.ok(!matches(aisha, query), query);
});

test('the address names a conversation, or the list', () => {
  const id = '0123456789abcdef01234567';
  assert.equal(idOf(hashOf(id)), id);
  for (const hash of ['', '#', '#/', '#/xyz', `#/${id}0`, `#${id}`, undefined]) assert.equal(idOf(hash), null);
  assert.equal(hashOf(null), '#/');
});

test('days are called by the calendar, and change at midnight', () => {
  const words = { today: 'Today', yesterday: 'Yesterday' };
  const now = new Date(2026, 0, 31, 0, 0, 30).getTime();
  assert.equal(dayOf(new Date(2026, 0, 31, 0, 0, 1).toISOString(), words, now), 'Today');
  assert.equal(dayOf(new Date(2026, 0, 30, 23, 59, 59).toISOString(), words, now), 'Yesterday');
  assert.match(dayOf(new Date(2026, 0, 29).toISOString(), words, now), /29/);
  assert.equal(shortTimeOf(new Date(2026, 0, 30, 23, 0).toISOString(), words, now), 'Yesterday');
  assert.equal(untilMidnight(new Date(2026, 0, 31, 23, 59, 59, 0).getTime()), 1000);
});

test('of a long list the rows on the screen are drawn', () => {
  assert.deepEqual(rowsWithin({ top: 0, height: 680, rowHeight: 68, count: 20000 }), { first: 0, end: 16 });
  assert.deepEqual(rowsWithin({ top: 68 * 10000, height: 680, rowHeight: 68, count: 20000 }), { first: 9994, end: 10016 });
  assert.deepEqual(rowsWithin({ top: 68 * 500, height: 680, rowHeight: 68, count: 3 }), { first: 3, end: 3 });
});

test('pages follow each other; one that failed is asked for again; a new beginning forgets the old', async () => {
  const asked = [];
  let fails = false;
  const taken = [];
  const pages = new Pages(async (next) => {
    asked.push(next);
    if (fails) throw new Error('503');
    return { items: [next ?? 'first'], next: next ? undefined : '/second' };
  }, (items) => taken.push(...items));
  await pages.more();
  fails = true;
  await pages.more();
  assert.equal(pages.state, 'failed');
  fails = false;
  await pages.more();
  await pages.more();
  assert.deepEqual(asked, [undefined, '/second', '/second']);
  assert.deepEqual([taken, pages.isDone], [['first', '/second'], true]);
  const late = pages.restart();
  await pages.restart();
  await late;
  assert.deepEqual(taken, ['first', '/second', 'first'], 'the first of two beginnings does not count');
});

test('a page that follows somebody who is gone is refused: the list begins anew, once, and goes on', async () => {
  const asked = [];
  const refused = new Set(['/second']);
  const pages = new Pages(async (next) => {
    asked.push(next);
    if (refused.has(next)) throw Object.assign(new Error('after must be the _id of a user'), { status: 400 });
    return { items: [], next: { undefined: asked.length < 3 ? '/second' : '/other', '/other': '/third' }[next] };
  }, () => {});
  await pages.more();
  await pages.more();
  assert.deepEqual([asked, pages.state, pages.problem], [[undefined, '/second', undefined], 'more', null]);
  refused.add('/other');
  await pages.more();
  assert.deepEqual([asked.length, pages.state, pages.problem.status], [4, 'failed', 400], 'not again and again without a pause');
  refused.delete('/other');
  refused.add('/third');
  await pages.more();
  await pages.more();
  assert.deepEqual(asked.slice(4), ['/other', '/third', undefined], 'once more, after a page that was good');
});

test('up to three emoji, and nothing else, are shown large', () => {
  for (const text of ['🎉', '😀😀😀', '👩‍👩‍👧‍👦', '👍🏽', '❤️', '🇩🇪', ' 🎉\n']) assert.equal(isEmoji(text), true, text);
  for (const text of ['', ' ', '1', 'a', '🎉!', '😀😀😀😀', ':)', '#', '\u200d']) assert.equal(isEmoji(text), false, text);
});

test('the next page is where Link says', () => {
  assert.equal(nextOf('</api/users?limit=50&after=1>; rel="next"'), '/api/users?limit=50&after=1');
  assert.equal(nextOf('</a>; rel="prev", </b>; rel="next"'), '/b');
  assert.equal(nextOf('</a>; rel="prev"'), undefined);
  assert.equal(nextOf(null), undefined);
});

test('what failed is tried again later, or at once when the connection is back, one at a time', async () => {
  const timers = [];
  const again = new Again({ after: (ms, run) => timers.push({ ms, run }), cancel: () => {} });
  let works = false;
  let runs = 0;
  const run = async () => { runs++; if (!works) throw new Error('no'); };
  await again.try('x', run);
  timers.at(-1).run();
  await settle();
  assert.deepEqual(timers.map(({ ms }) => ms), [2000, 4000]);
  works = true;
  again.now();
  await settle();
  assert.equal(runs, 3);
  again.now();
  await settle();
  assert.equal(runs, 3, 'it worked');
  again.try('x', run);
  again.try('x', run);
  again.try('x', run);
  await settle();
  assert.equal(runs, 5, 'once more after the one under way');
});

/** The modules that a page needs at once: those that are imported by name, from one to the next. */
async function neededBy(name, found = new Set()) {
  found.add(name);
  for (const [, path] of (await readFile(new URL(name, web), 'utf8')).matchAll(/^(?:import|export) [^;]*?from '([^']+)'/gm)) {
    const next = new URL(path, new URL(name, web)).href.slice(web.href.length);
    if (!found.has(next)) await neededBy(next, found);
  }
  return found;
}

test('index.html names each module that is needed at once, so that none is found late; strings are nowhere else', async () => {
  const html = await readFile(new URL('index.html', web), 'utf8');
  const modules = (await readdir(web, { recursive: true })).filter((name) => name.endsWith('.js'));
  const named = [...html.matchAll(/(?:href|src)="([^"]+\.js)"/g)].map(([, name]) => name);
  assert.deepEqual(named.sort(), [...await neededBy('main.js')].sort());
  for (const [, name] of html.matchAll(/(?:href|src)="([^"]+)"/g)) await readFile(new URL(name, web));
  for (const name of modules.filter((one) => one.startsWith('views/'))) {
    const source = await readFile(new URL(name, web), 'utf8');
    assert.doesNotMatch(source, /(?:placeholder|aria-label|title): '[A-Z]/, name);
    assert.doesNotMatch(source, /innerHTML|insertAdjacentHTML|outerHTML|document\.write/, name);
  }
});
