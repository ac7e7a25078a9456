// C4: our Socket.IO decoder and connection make of random packets what socket.io-parser makes
// of them: the same verdict and the same value, but for the exceptions listed here.
// PARSER_SEED repeats a run; PARSER_PACKETS and PARSER_SEQUENCES make it longer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { Decoder } from 'socket.io-parser';
import { Random, seedOf } from '../support/random.mjs';
import { anySequence, anyText } from '../support/sio_draw.mjs';
import { root } from '../support/stack.mjs';

const seed = seedOf('PARSER_SEED');
const packets = Number(process.env.PARSER_PACKETS ?? 100000);
const sequences = Number(process.env.PARSER_SEQUENCES ?? 10000);
const build = process.env.BUILD_DIR ?? path.join(root, 'build');

const message = (kind, data = '') => {
  const body = Buffer.from(data);
  const head = Buffer.alloc(5);
  head.write(kind);
  head.writeUInt32LE(body.length, 1);
  return Buffer.concat([head, body]);
};

/** The reader's line for each message. */
async function* readings(messages) {
  const reader = spawn(path.join(build, 'sio-reader'), { stdio: ['pipe', 'pipe', 'inherit'] });
  reader.stdin.end(Buffer.concat(messages));
  let rest = '';
  // Not by readline, whose pause and resume may leave the other end waiting for ever.
  for await (const text of reader.stdout.setEncoding('utf8')) {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
  assert.equal(reader.exitCode ?? (await new Promise((resolve) => reader.once('exit', resolve))), 0, `seed ${seed}`);
}

// ---- what we refuse and socket.io-parser takes ---------------------------------------------

/** Values that JSON.parse makes and base/json refuses, by the text they come from. */
const lone = /\p{Surrogate}/u;
const keysOf = (v) => (v && typeof v === 'object' ? [...(Array.isArray(v) ? [] : Object.keys(v)), ...Object.values(v).flatMap(keysOf)] : []);

const jsonExceptions = [
  ['NUL character in a key', (json) => /\\u0000(\\.|[^"\\])*"\s*:/.test(json)],
  ['lone surrogate in a key', (json) => keysOf(JSON.parse(json)).some((key) => lone.test(key))],
  ['duplicate key', (json) => { try { parseOnce(json); return false; } catch { return true; } }],
  ['nested too deeply', (json) => depthOf(JSON.parse(json)) > 512],
  ['number out of range', (json) => hasHugeNumber(json)],
];

const depthOf = (v) => (v && typeof v === 'object' ? 1 + Math.max(0, ...Object.values(v).map(depthOf)) : 0);

/** Beyond a double. */
const hasHugeNumber = (json) => (json.replace(/"(\\.|[^"\\])*"/g, '""').match(/-?\d+(\.\d+)?([eE][+-]?\d+)?/g) ?? []).some((n) =>
  !Number.isFinite(Number(n)));

/** Throws if an object of this JSON names a key twice. */
function parseOnce(json) {
  let at = 0;
  const string = () => { const m = /"(\\.|[^"\\])*"/y; m.lastIndex = at; const [s] = m.exec(json); at += s.length; return JSON.parse(s); };
  const blank = () => { while (/\s/.test(json[at] ?? '')) at++; };
  const item = (end, each) => {
    at++;
    for (blank(); json[at] !== end; blank()) { if (json[at] === ',') { at++; blank(); } each(); }
    at++;
  };
  const any = () => {
    blank();
    const seen = new Set();
    if (json[at] === '"') string();
    else if (json[at] === '[') item(']', any);
    else if (json[at] === '{') item('}', () => { const key = string(); assert.ok(!seen.has(key)); seen.add(key); blank(); at++; any(); });
    else while (/[^,\]}\s]/.test(json[at] ?? ',')) at++;
  };
  any();
}

const isIndex = (num, count) => Number.isInteger(num) && num >= 0 && num < count;

const placeholdersAreGood = (v, count) => !v || typeof v !== 'object'
  || (v._placeholder === true ? isIndex(v.num, count) : Object.values(v).every((member) => placeholdersAreGood(member, count)));

/** Why we may refuse `text`, of which the reference made `packet`; undefined: we may not. */
function exceptionFor(text, packet) {
  if (text === '' || /^\s/.test(text)) return 'no type, or white space for it';
  const count = /^[56]([^-]*)-/.exec(text)?.[1];
  if (count !== undefined && !/^\d+$/.test(count)) return 'a count of attachments not in plain digits';
  if (Buffer.byteLength(packet.nsp) > 128) return 'a long namespace';
  let rest = text.slice(1 + (count === undefined ? 0 : count.length + 1));
  if (rest.startsWith('/')) rest = rest.slice(packet.nsp.length + 1);
  const [, id, json] = /^([\d\s]*)([^]*)$/.exec(rest);
  if (/\s/.test(id)) return 'white space in an id or before the JSON';
  if (Number(id) > Number.MAX_SAFE_INTEGER) return 'an id that is no safe integer';
  if (packet.attachments && packet.data && !placeholdersAreGood(packet.data, packet.attachments)) return 'a placeholder that is no index';
  return json && jsonExceptions.find(([, applies]) => applies(json))?.[0];
}

// ---- one packet -----------------------------------------------------------------------------

/** What the reference makes of a text: a packet, or undefined. */
function refer(text) {
  try {
    return { ...new Decoder().decodeString(text) };
  } catch {
    return undefined;
  }
}

test(`${packets} packets: the same verdict and value as socket.io-parser`, async (t) => {
  t.diagnostic(`seed ${seed}`);
  const r = new Random(seed);
  const texts = Array.from({ length: packets }, () => anyText(r));
  const counts = { taken: 0, refused: 0 };
  let i = 0;
  for await (const ours of readings(texts.map((text) => message('p', text)))) {
    const text = texts[i++];
    const where = `packet ${i} of seed ${seed}: ${JSON.stringify(text)}`;
    const theirs = refer(text);
    if (!('refused' in ours)) {
      counts.taken++;
      assert.equal(JSON.stringify(sorted(ours)), JSON.stringify(sorted(theirs), asWeRead), where);
    } else if (theirs) {
      const why = exceptionFor(text, theirs);
      assert.ok(why, `${where}: refused as ${ours.refused}, the reference has ${JSON.stringify(theirs)}`);
      counts[why] = (counts[why] ?? 0) + 1;
    } else {
      counts.refused++;
    }
  }
  assert.equal(i, packets);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.taken > packets / 10 && counts.refused > packets / 10, 'both verdicts are common');
});

/** A lone surrogate in a string is NUL for us. */
const asWeRead = (key, v) => (typeof v === 'string' ? v.replace(/\p{Surrogate}/gu, '\0') : v);

const sorted = (packet) => packet && Object.fromEntries(Object.entries(packet).sort(([a], [b]) => (a < b ? -1 : 1)));

// ---- a connection -----------------------------------------------------------------------------

/** socket.io's own rules over socket.io-parser; if ours differ, it says why. */
class Reference {
  constructor() {
    this.decoder = new Decoder();
    this.decoder.on('decoded', (packet) => this.take(packet));
    this.in = new Set(['/', '/custom']);
    this.isOpen = true;
  }

  feed(data) {
    this.told = [];
    if (!this.isOpen) return this.told;
    try {
      if (typeof data === 'string') {
        const packet = refer(data);
        // Ours looks at once at what the reference finds out in the end.
        if (packet && exceptionFor(data, packet)) this.close();
        else this.decoder.add(data);
        if (this.isOpen && this.decoder.reconstructor) this.judge(this.decoder.reconstructor.reconPack);
      } else {
        this.decoder.add(data);
      }
    } catch {
      this.close();
    }
    return this.told;
  }

  /** A binary packet of which no attachment has come: ours refuses it now. */
  judge({ nsp, data }) {
    if (!this.in.has(nsp) || !data) this.close();
  }

  take({ type, nsp, id, data }) {
    if (type === 0 && !this.in.has(nsp)) {
      if (nsp === '/' || nsp === '/custom') this.in.add(nsp);
    } else if (!this.in.has(nsp) || type === 0 || type === 4) {
      this.close();
    } else if (type === 1) {
      this.in.delete(nsp);
      this.told.push({ type, nsp });
    } else if (!data) {
      this.close(); // socket.io emits an event without a name
    } else if (type !== 3 || (Number.isInteger(id) && id < 100)) {
      this.told.push({ type, nsp, ...(id !== undefined && { id }), data });
    }
  }

  close() {
    this.isOpen = false;
    this.told.push({ closed: true });
  }
}

const restore = (v, attachments) => {
  if (!v || typeof v !== 'object') return v;
  if (v._placeholder === true && attachments.length > 0) return Buffer.from(attachments[v.num], 'hex');
  if (Array.isArray(v)) return v.map((member) => restore(member, attachments));
  return Object.fromEntries(Object.entries(v).map(([key, member]) => [key, restore(member, attachments)]));
};

/** Our line as the reference would tell it: with its attachments in their places. */
const restored = (told) => told.map(({ attachments, ...packet }) =>
  ('data' in packet ? { ...packet, data: restore(packet.data, attachments) } : packet));

test(`${sequences} connections: the same events as with socket.io-parser`, async (t) => {
  t.diagnostic(`seed ${seed}`);
  const r = new Random(seed + 1);
  const drawn = Array.from({ length: sequences }, () => anySequence(r));
  const counts = { events: 0, binary: 0, closed: 0 };
  const input = drawn.flatMap((messages) => [null, ...messages]);
  let reference;
  let i = 0;
  for await (const ours of readings(input.map((data) =>
    (data === null ? message('n') : message(typeof data === 'string' ? 't' : 'b', data))))) {
    const data = input[i++];
    if (data === null) { reference = new Reference(); continue; }
    const theirs = reference.feed(data);
    assert.equal(JSON.stringify(restored(ours)), JSON.stringify(theirs), `message ${i} of seed ${seed}: ${JSON.stringify(data)}`);
    counts.events += theirs.filter(({ type }) => type === 2).length;
    counts.binary += ours.filter(({ attachments }) => attachments?.length > 0).length;
    counts.closed += theirs.filter(({ closed }) => closed).length;
  }
  assert.equal(i, input.length);
  t.diagnostic(JSON.stringify(counts));
  for (const [what, count] of Object.entries(counts)) assert.ok(count > sequences / 20, `${what}: ${count}`);
});
