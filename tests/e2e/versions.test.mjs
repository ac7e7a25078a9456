// What Parley stands on: make audit, over a dpkg-query of ours.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../support/stack.mjs';

const rows = readFileSync(path.join(root, 'deploy/audit/least.tsv'), 'utf8').split('\n')
  .filter((line) => line && !line.startsWith('#')).map((line) => line.split('\t'));
let dir;
before(() => { dir = mkdtempSync(path.join(tmpdir(), 'parley-versions-')); });
after(() => rmSync(dir, { recursive: true, force: true }));

/** audit.sh where these are installed: {package: version}. */
function audit(installed, ...options) {
  const lines = Object.entries(installed).map(([name, version]) => `${name}) printf '%s' '${version}' ;;`);
  writeFileSync(path.join(dir, 'dpkg-query'), `#!/bin/sh\ncase $3 in\n${lines.join('\n')}\n*) exit 1 ;;\nesac\n`);
  chmodSync(path.join(dir, 'dpkg-query'), 0o755);
  const { status, stdout, stderr } = spawnSync(path.join(root, 'deploy/audit/audit.sh'), options,
    { encoding: 'utf8', env: { PATH: `${dir}:${process.env.PATH}` } });
  return { status, stdout, stderr };
}

test('the table is whole: a package, a version that dpkg can read, and an advisory', () => {
  assert.ok(rows.length >= 15);
  for (const [name, least, advisory, ...more] of rows) {
    assert.equal(more.length, 0, name);
    if (least === '-') { assert.equal(advisory, '-', name); continue; }
    assert.match(advisory, /^(CVE-\d{4}-\d{4,}|DSA-\d+-\d+)$/, name);
    assert.equal(spawnSync('dpkg', ['--validate-version', least]).status, 0, `${name} ${least}`);
  }
});

test('what is new enough is ok, what is older names its advisory, what is not there is passed over', () => {
  const redis = rows.find(([name]) => name === 'redis-server');
  const fine = audit({ 'redis-server': redis[1], kore: '4.1.0-6' });
  assert.deepEqual([fine.status, fine.stdout.trim().split('\n').map((line) => line.split(/\s+/))],
    [0, [['kore', '4.1.0-6', 'ok'], ['redis-server', redis[1], 'ok']]]);
  const old = audit({ 'redis-server': '5:7.0.0-1' });
  assert.equal(old.status, 1);
  assert.equal(old.stdout.trim(), `redis-server           5:7.0.0-1                  too old: ${redis[2]}, closed in ${redis[1]}`);
  assert.equal(audit({ 'redis-server': '99:1' }).status, 0);
});

test('a start is only warned', () => {
  const old = audit({ libssl3: '3.0.0-1', kore: '4.1.0-6' }, '--warn');
  assert.deepEqual([old.status, old.stdout], [0, '']);
  assert.match(old.stderr, /^parley: libssl3 3\.0\.0-1 is too old: CVE-\S+ closed in \S+; apt-get upgrade mends it\n$/);
  assert.deepEqual(audit({ kore: '4.1.0-6' }, '--warn'), { status: 0, stdout: '', stderr: '' });
});
