// What is in a text: links, `code`, fenced blocks; no other markup, and never HTML.

const opens = /^```[^`]*$/;
const closes = /^```[ \t]*$/;
// Nor does an address go on at Chinese or Japanese punctuation, after which no space follows.
const inline = /`([^`\n]+)`|\b(?:https?:\/\/[^\s<>"'`]|mailto:[^\s<>"'`@]{1,128}@)[^\s<>"'`\u3001\u3002\u3008-\u3011\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]*/giu;
const opening = { ')': '(', ']': '[', '}': '{' };

/** What follows an address in a sentence is not part of it. */
function trimmed(link) {
  const counts = new Map();
  for (const c of link) counts.set(c, (counts.get(c) ?? 0) + 1);
  let end = link.length;
  for (;; end--) {
    const last = link[end - 1];
    const isStray = opening[last] ? counts.get(last) > (counts.get(opening[last]) ?? 0) : /[.,;:!?*_~…»”’]/.test(last);
    if (!isStray) return link.slice(0, end);
    counts.set(last, counts.get(last) - 1);
  }
}

function isLink(text) {
  try {
    return ['http:', 'https:', 'mailto:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}

function inlineParts(text) {
  const parts = [];
  let at = 0;
  const plain = (end) => { if (end > at) parts.push({ kind: 'text', text: text.slice(at, end) }); };
  for (const match of text.matchAll(inline)) {
    const link = match[1] === undefined ? trimmed(match[0]) : null;
    if (link !== null && !isLink(link)) continue;
    plain(match.index);
    parts.push(link === null ? { kind: 'code', text: match[1] } : { kind: 'link', text: link });
    at = match.index + (link ?? match[0]).length;
  }
  plain(text.length);
  return parts;
}

/** [{kind: 'text' | 'link' | 'code' | 'block', text}], in order; without the fences it is all there. */
export function partsOf(text) {
  const parts = [];
  const lines = text.split('\n');
  const ends = lines.flatMap((line, at) => (closes.test(line) ? [at] : []));
  let from = 0; // of the lines that are in no block yet
  const plain = (to) => { if (to > from) parts.push(...inlineParts(lines.slice(from, to).join('\n'))); };
  for (let at = 0; at < lines.length && ends.length > 0; at++) {
    if (!opens.test(lines[at])) continue;
    while (ends.length > 0 && ends[0] <= at) ends.shift();
    if (ends.length === 0) break;
    plain(at);
    parts.push({ kind: 'block', text: lines.slice(at + 1, ends[0]).join('\n') });
    at = ends[0];
    from = at + 1;
  }
  plain(lines.length);
  return parts;
}

const letters = { ß: 'ss', ø: 'o', đ: 'd', ł: 'l', æ: 'ae', œ: 'oe', ı: 'i', þ: 'th', ð: 'd' };

/** For searching: without case and accents, so that "garcia" is "García". */
export const fold = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/[ßøđłæœıþð]/gu, (c) => letters[c]);

/** Does a person match what is searched for: each word begins a word of theirs? */
export function matches(person, query) {
  const words = fold(`${person.fullName} ${person.username}`).split(/[^\p{L}\p{N}]+/u);
  return fold(query).split(/\s+/).filter(Boolean).every((part) => words.some((word) => word.startsWith(part)) || fold(person.username).startsWith(part));
}

const picture = '\\p{ExtPict}[\\ufe0f\\u{1f3fb}-\\u{1f3ff}]*';
const emoji = new RegExp(`^(?:\\p{RI}{2}|${picture}(?:\\u200d${picture})*){1,3}$`, 'u');

/** Is it an emoji, or two or three of them, and nothing else? */
export const isEmoji = (text) => text.length < 40 && emoji.test(text.trim());

const encoder = new TextEncoder();
export const bytesOf = (text) => encoder.encode(text).length;
