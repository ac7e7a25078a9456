// The README's walk-through, run as it stands there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { root, useStack } from '../support/stack.mjs';
import { patient } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach });
const run = promisify(execFile);

test('the walk through the API works as pasted, twice', async (t) => {
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  const script = /<!-- walk-through: begin -->\s*```bash\n([\s\S]*?)```\s*<!-- walk-through: end -->/.exec(readme)[1];
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-readme-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  for (let i = 0; i < 2; i++) {
    const { stdout, stderr } = await run('bash', ['--norc', '-eu', '-c', script],
      { env: { PATH: process.env.PATH, TMPDIR: dir, URL: hold.stack.url }, timeout: patient(20000) });
    assert.equal(stderr, '');
    const lines = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const [ann, sent, lunch, status, seen, asked, replied, once, again, out, refused] = lines;
    assert.equal(lines.length, 11, stdout);
    assert.equal(ann.fullName, 'ann');
    assert.equal(sent.message, 'Lunch?');
    assert.deepEqual(lunch, [sent]);
    assert.equal(status.success, true);
    assert.deepEqual(seen, { status: 'BUSY' });
    assert.deepEqual(replied.map((m) => m.message).slice(0, 2), ['Lunch?', 'Are you there?']);
    assert.equal(replied[2].autoReply.inReplyTo, asked._id);
    assert.deepEqual(again, once);
    assert.equal(out.message, 'Logged out successfully');
    assert.equal(refused.error, 'Unauthorized - Invalid Token');
  }
});
