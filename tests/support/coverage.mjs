// How many lines ran, by room, and whether each room has as many as it must:
//
//   node tests/support/coverage.mjs BUILD [--missing PATH]
//
// BUILD was built with --coverage, and what ran left its .gcda files there. A line that ends in
// "/* unreached: why */" can never run, and does not count; if it did run, that is an error.
// --missing: the lines under PATH that did not.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

// Per cent of lines; the longest path that begins a file's is its room.
const bars = {
  'shared/proto': 100,
  'shared/auth': 100,
  'shared/session': 100,
  'shared/base': 100,
  'services/auth': 85,
  'services/message': 85,
  'services/presence': 85,
  'services/llm-responder': 85,
};
const barOfAllShared = 90;
const unreached = /\/\* unreached: .+\*\//;

const root = resolve(import.meta.dirname, '../..');
const build = resolve(process.argv[2] ?? join(root, 'build/cov'));
const missing = process.argv[3] === '--missing' ? process.argv[4] ?? '' : undefined;

const filesUnder = (dir) => readdirSync(dir, { recursive: true }).map((name) => join(dir, name));
const counted = filesUnder(build).filter((name) => name.endsWith('.gcda') && !name.includes('/tests/'));
if (counted.length === 0)
  throw new Error(`nothing ran that was built in ${build}`);

const lines = new Map(); // file -> Map of line -> how often it ran
const gcov = (names) => execFileSync('gcov', ['--json-format', '--stdout', ...names],
  { cwd: build, maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
const add = (report) => {
  for (const { file, lines: those } of JSON.parse(report).files) {
    const name = relative(root, resolve(root, file));
    if (!/^(shared|services)\//.test(name))
      continue;
    const all = lines.get(name) ?? lines.set(name, new Map()).get(name);
    for (const { line_number: at, count } of those)
      all.set(at, (all.get(at) ?? 0) + count);
  }
};
for (let i = 0; i < counted.length; i += 50)
  gcov(counted.slice(i, i + 50)).split('\n').filter(Boolean).forEach(add);

const roomOf = (name) => {
  const parts = name.split('/');
  return parts.slice(0, parts[1] === 'store' && parts.length > 3 ? 3 : 2).join('/');
};
const rooms = new Map();
let failed = 0;
const complain = (what) => {
  console.log(`FAIL  ${what}`);
  failed++;
};
for (const [name, counts] of [...lines].sort()) {
  const source = readFileSync(join(root, name), 'utf8').split('\n');
  const room = rooms.get(roomOf(name)) ?? rooms.set(roomOf(name), { ran: 0, all: 0 }).get(roomOf(name));
  for (const [at, count] of [...counts].sort(([a], [b]) => a - b)) {
    if (unreached.test(source[at - 1])) {
      if (count > 0)
        complain(`${name}:${at} is called unreached, and ran ${count} times`);
      continue;
    }
    room.all++;
    room.ran += count > 0;
    if (count === 0 && missing !== undefined && name.startsWith(missing))
      console.log(`${name}:${at}: ${source[at - 1].trim()}`);
  }
}

const percent = ({ ran, all }) => (100 * ran) / all;
const print = (name, sum, bar) => {
  const text = `${name.padEnd(24)} ${String(sum.ran).padStart(6)} of ${String(sum.all).padStart(6)} lines  ${percent(sum).toFixed(1).padStart(5)} %`;
  if (bar !== undefined && percent(sum) < bar)
    complain(`${text}, and has to be ${bar} %`);
  else
    console.log(`ok    ${text}${bar !== undefined ? `  (${bar} %)` : ''}`);
};
const shared = { ran: 0, all: 0 };
for (const [name, sum] of rooms) {
  print(name, sum, bars[name]);
  if (name.startsWith('shared/')) {
    shared.ran += sum.ran;
    shared.all += sum.all;
  }
}
for (const name of Object.keys(bars))
  if (!rooms.has(name))
    complain(`${name}: nothing of it ran`);
print('shared', shared, barOfAllShared);
process.exit(failed > 0 ? 1 : 0);
