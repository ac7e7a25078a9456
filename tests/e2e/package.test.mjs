// The Debian package, as `make deb` builds it: what is in it, and what systemd makes of its units.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../support/stack.mjs';
import { patient } from '../support/wait.mjs';

const run = promisify(execFile);
let dir, deb, units;
/** lintian leaves files in TMPDIR. */
const out = async (program, ...args) =>
  (await run(program, args, { cwd: root, maxBuffer: 1 << 24, env: { ...process.env, ...(dir && { TMPDIR: dir }) } })).stdout;
const at = (...names) => path.join(dir, ...names);
const unitFile = (name) => readFile(at('lib/systemd/system', name), 'utf8');

before(async () => {
  deb = (await out('make', '-s', 'deb')).trim().split('\n').at(-1);
  dir = await mkdtemp(path.join(tmpdir(), 'parley-deb-'));
  await out('dpkg-deb', '-x', deb, dir);
  units = (await readdir(at('lib/systemd/system'))).filter((name) => name.endsWith('.service'));
}, { timeout: patient(300000) });
after(() => dir && rm(dir, { recursive: true }));

test('the package has the version of its changelog, and lintian finds nothing', async () => {
  const [, version] = /\((.*?)\)/.exec(await readFile(path.join(root, 'deploy/debian/changelog'), 'utf8'));
  assert.equal(path.basename(deb), `parley_${version}_amd64.deb`);
  await out('lintian', '--allow-root', '--fail-on', 'error,warning', deb);
});

test('settings are a conffile, and those of the settings table', async () => {
  assert.match(await out('dpkg-deb', '-I', deb, 'conffiles'), /^\/etc\/parley\/parley\.env$/m);
  const env = await readFile(at('etc/parley/parley.env'), 'utf8');
  assert.equal(env, await out('build/parley-settings', '--units'));
  const own = /^(LISTEN|PROCESS_NAME|DATA_DIR)$/;
  for (const [, name, values, readers] of (await out('build/parley-settings', '--markdown'))
    .matchAll(/^\| `(\w+)`.*?\| [^|]*\| ([^|]*) \| ([^|]*) \|/gm)) {
    const isOpen = readers !== 'make run' && !own.test(name);
    assert.equal(env.includes(values === 'secret' ? `/secrets/${name}\n` : `#${name}=`), isOpen, name);
  }
});

test('each service is handed the secrets that it reads, and no others', async () => {
  const secrets = [...(await out('build/parley-settings', '--markdown'))
    .matchAll(/^\| `(\w+)`.*?\| secret \| ([^|]*) \|/gm)].map(([, name, readers]) => ({ name, readers: readers.split(', ') }));
  assert.ok(secrets.length >= 5);
  for (const service of ['auth', 'message', 'presence', 'llm-responder']) {
    const given = [...(await unitFile(`parley-${service}@.service`)).matchAll(/^LoadCredential=(\w+):\/etc\/parley\/secrets\/\1$/gm)].map(([, name]) => name);
    assert.deepEqual(given.sort(), secrets.filter(({ readers }) => readers.includes(service)).map(({ name }) => name).sort(), service);
  }
  await out(at('usr/lib/parley/draw-secrets'), at('secrets'));
  assert.deepEqual((await readdir(at('secrets'))).sort(), secrets.map(({ name }) => name).sort());
});

test('a secret is drawn once, and only its owner may read it', async () => {
  await out(at('usr/lib/parley/draw-secrets'), at('drawn'));
  const first = await readFile(at('drawn/JWT_SECRET'), 'utf8');
  assert.match(first, /^[0-9a-f]{64}\n$/);
  await out(at('usr/lib/parley/draw-secrets'), at('drawn'));
  assert.equal(await readFile(at('drawn/JWT_SECRET'), 'utf8'), first);
  assert.equal((await out('stat', '-c', '%a', at('drawn'), at('drawn/JWT_SECRET'))).trim(), '700\n600');
});

test('what copies stores is in it, and runs', async () => {
  for (const name of ['backup', 'migrate', 'adopt']) {
    await assert.rejects(out(at('usr/lib/parley', name)), ({ code, stderr }) => code === 78 && /set (FROM and TO|MONGO_DB_URI)/.test(stderr), name);
  }
});

test('parley-admin is in it, with the settings and secrets of the services, and its manual', async () => {
  assert.match(await out('sh', at('usr/sbin/parley-admin'), '--help').catch(({ stderr }) => stderr), /usr\/lib\/parley\/admin|usage: parley-admin/);
  assert.match(await out(at('usr/lib/parley/admin'), '--version'), /^parley-admin 1\.\d+\.\d+\n$/);
  assert.match(await out('zcat', at('usr/share/man/man8/parley-admin.8.gz')), /^\.TH PARLEY-ADMIN 8$/m);
  // The script, with its folders below ours.
  const text = (await readFile(at('usr/sbin/parley-admin'), 'utf8')).replaceAll(/=\/(etc|usr\/lib|var\/lib)\/parley/g, `=${dir}/$1/parley`);
  await writeFile(at('admin.sh'), text);
  await out(at('usr/lib/parley/draw-secrets'), at('etc/parley/secrets'));
  await rm(at('usr/lib/parley/admin.real'), { force: true });
  await rename(at('usr/lib/parley/admin'), at('usr/lib/parley/admin.real'));
  await writeFile(at('usr/lib/parley/admin'), '#!/bin/sh\nenv; echo "args: $*"\n', { mode: 0o755 });
  await appendFile(at('etc/parley/parley.env'), 'PASSWORD_MIN_LENGTH=12\nSIGNUP="invite"\nbad line\n');
  const seen = await out('env', '-i', `PATH=${process.env.PATH}`, 'sh', at('admin.sh'), 'disable', '--', '-a b');
  assert.match(seen, /^args: disable -- -a b$/m);
  assert.match(seen, /^PASSWORD_MIN_LENGTH=12$/m);
  assert.match(seen, /^SIGNUP=invite$/m);
  assert.match(seen, new RegExp(`^DATA_DIR=${dir}/var/lib/parley$`, 'm'));
  assert.match(seen, new RegExp(`^REDIS_URL_FILE=${dir}/etc/parley/secrets/REDIS_URL$`, 'm'));
  assert.doesNotMatch(seen, /MONGO_DB_URI|JWT_SECRET/); // an empty secret is none; and one that it does not need
  await rename(at('usr/lib/parley/admin.real'), at('usr/lib/parley/admin'));
});

test('the gateway of the package judges its settings by what is in it', async () => {
  const render = (settings) => run(at('usr/lib/parley/gateway/render.sh'), [at('gateway')], { env: { PATH: process.env.PATH, ...settings } });
  await assert.rejects(render({ GATEWAY_WORKERS: '0' }), ({ code, stderr }) => code === 78 && /^gateway: GATEWAY_WORKERS must be .*\n$/.test(stderr));
  await render({ GATEWAY_WORKERS: '3' });
  assert.match(await readFile(at('gateway/conf/nginx.conf'), 'utf8'), /^worker_processes 3;$/m);
});

test('no unit exposes more than 1.5 by systemd-analyze security', async () => {
  assert.equal(units.length, 7);
  for (const unit of units) {
    const text = await out('systemd-analyze', 'security', '--offline=true', '--threshold=15', '--no-pager', at('lib/systemd/system', unit));
    assert.match(text, /Overall exposure level for .*: 1\.\d OK/);
  }
});

/** All system calls of a list that may name groups. */
async function callsOf(names) {
  const lists = await Promise.all(names.map(async (name) => {
    if (!name.startsWith('@')) return [name];
    const lines = (await out('systemd-analyze', 'syscall-filter', '--no-pager', name)).split('\n').slice(1).map((line) => line.trim());
    return callsOf(lines.filter((line) => /^@?\w/.test(line)));
  }));
  return lists.flat();
}

// Without them all works, and nobody hears why it is slow.
test('the filter of system calls lets through what makes reads cheap and hashes give way', async () => {
  const common = await unitFile('parley-.service.d/10-common.conf');
  const passed = new Set();
  for (const [, isDenied, names] of common.matchAll(/^SystemCallFilter=(~?)(.*)$/gm)) {
    for (const call of await callsOf(names.split(' '))) passed[isDenied ? 'delete' : 'add'](call);
  }
  for (const call of ['mincore', 'preadv2', 'sched_setattr', 'timer_create', 'timer_delete', 'timer_settime']) assert.ok(passed.has(call), call);
});

test('a stop waits longer than a drain takes', async () => {
  const common = await unitFile('parley-.service.d/10-common.conf');
  const [, drain] = /^#DRAIN_SECONDS=(\d+)$/m.exec(await readFile(at('etc/parley/parley.env'), 'utf8'));
  const [, limit] = /^TimeoutStopSec=(\d+)$/m.exec(common);
  assert.ok(Number(limit) >= Number(drain) + 5 + 5);
  assert.match(common, /^KillMode=mixed$/m);
});
