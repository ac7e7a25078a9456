// SECURITY.md: every row of its table says whether it is met, and what is said to be met has a test that is there.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { root } from '../support/stack.mjs';

describe('the ASVS table', () => {
  let rows, text;

  before(async () => {
    text = await readFile(path.join(root, 'SECURITY.md'), 'utf8');
    rows = text.split('\n').map((line) => /^\| (\d[\d., to]*) \| (.*) \| (.*) \| (.*?) ?\|$/.exec(line)?.slice(1)).filter(Boolean);
    assert.ok(rows.length > 80, `${rows.length} rows`);
  });

  test('says of each whether it is met, by a test or a sentence', () => {
    for (const [numbers, , verdict, by] of rows) {
      assert.match(verdict, /^(met|in part|not met|the operator's)\b/, numbers);
      if (verdict === 'met') assert.notEqual(by, '', `${numbers} is met by nothing`);
      assert.notEqual(verdict, 'in part', `${numbers} does not say what is missing`);
    }
  });

  test('names tests that are there', () => {
    for (const [numbers, , , by] of rows) {
      for (const [, name] of by.matchAll(/`([\w/.-]+)`/g)) {
        assert.ok(existsSync(path.join(root, 'tests', name)) || existsSync(path.join(root, name)), `${numbers}: ${name}`);
      }
      for (const [, target] of by.matchAll(/`make ([a-z-]+)`/g)) assert.ok(['asan', 'fuzz', 'valgrind'].includes(target), target);
    }
  });

  test('has each requirement once', () => {
    const all = rows.flatMap(([numbers]) => numbers.split(', ').flatMap((part) => {
      const [from, to = from] = part.split(' to ').map((n) => n.split('.').map(Number));
      return Array.from({ length: to[2] - from[2] + 1 }, (_, i) => [from[0], from[1], from[2] + i].join('.'));
    }));
    assert.deepEqual(all.filter((n, i) => all.indexOf(n) !== i), []);
  });

  test('is linked from README and CONTRIBUTING', async () => {
    for (const name of ['README.md', 'CONTRIBUTING.md']) {
      assert.ok((await readFile(path.join(root, name), 'utf8')).includes('](SECURITY.md)'), name);
    }
  });
});
