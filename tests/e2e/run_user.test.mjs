// `make run` by root: the stack is another user's, and loses nothing that it had as root's.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { Stack, root } from '../support/stack.mjs';
import { patient, waitUntil, withDeadline } from '../support/wait.mjs';

const isRoot = process.getuid() === 0;
const skip = !isRoot && 'only root can become another user';

/** A folder that anybody may pass, as /srv is. */
async function folder(t) {
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-user-'));
  await chmod(dir, 0o755);
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** The pids of run.sh and all below it. */
async function family(stack) {
  const parents = new Map();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    parents.set(pid, Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const found = [stack.process.pid];
  for (const pid of found) found.push(...[...parents].filter(([, parent]) => parent === pid).map(([child]) => child));
  return found;
}

const status = async (pid) => readFile(`/proc/${pid}/status`, 'utf8');
const field = (text, name) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)[1].split(/\s+/);
const ownerOf = async (...names) => (await stat(path.join(...names))).uid;

/** No process is root's, has a right of root's (but for `low`, of ports), or a group of root's. */
async function assertNobodyIsRoot(stack, { low = false } = {}) {
  const pids = await family(stack);
  assert.ok(pids.length >= 10, `${pids.length} processes`);
  for (const pid of pids) {
    const text = await status(pid).catch(() => null);
    if (text === null) continue;
    const name = field(text, 'Name').join(' ');
    for (const id of [...field(text, 'Uid'), ...field(text, 'Gid')]) assert.notEqual(id, '0', `${name} is root's`);
    assert.ok(!field(text, 'Groups').includes('0'), name);
    const effective = BigInt(`0x${field(text, 'CapEff')[0]}`);
    assert.ok(effective === 0n || (low && /nginx|bash|run\.sh/.test(name) && effective === 1n << 10n), `${name}: ${effective.toString(16)}`);
  }
}

/** Starts, gives what `use` gives, and ends. */
async function onStack(settings, options, use) {
  const stack = await Stack.start({ RUN_USER: '', ...settings }, options);
  try {
    return await use(stack);
  } catch (error) {
    await stack.printLogs();
    throw error;
  } finally {
    await stack.stop({ keep: true });
  }
}

describe('a run that root starts', { skip }, () => {
  test('has no process of root, and all that it does goes on: more processes, new ones, a death', async (t) => {
    const dir = await folder(t);
    // A locale that is not there, as ssh may bring it: bash warns of it.
    await onStack({ LC_ALL: 'xx_XX.UTF-8' }, { dir }, async (stack) => {
      assert.match(stack.output, /^parley: goes on as the user /m);
      await assertNobodyIsRoot(stack);
      const second = await Stack.spawn({ RUN_USER: '' }, { dir });
      assert.equal((await withDeadline('its end', second.ended, 20000)).code, 1);
      assert.match(second.output, /^parley: DATA_DIR .* is in use by another run$/m);
      const order = (script, ...args) => spawnSync('sh', ['-c', `umask 077; exec "${path.join(root, 'deploy/local', script)}" ${args.join(' ')}`],
        { env: { ...process.env, DATA_DIR: path.join(dir, 'data') }, encoding: 'utf8', timeout: patient(60000) });
      assert.equal(order('scale.sh', 'presence', '2').status, 0);
      await waitUntil('a second process', async () => /presence p2 .* up/.test(await readFile(path.join(dir, 'data/run/gateway/run/members'), 'utf8')), { within: 15000 });
      const upgrade = order('upgrade.sh');
      assert.equal(upgrade.status, 0, upgrade.stderr);
      process.kill(await stack.pidOf('gateway'), 'SIGKILL');
      await waitUntil('another nginx', async () => (await call(stack.url, 'GET', '/api/users').catch(() => ({}))).status === 401, { within: 15000 });
      await assertNobodyIsRoot(stack);
    });
    for (const name of ['data', 'data/parley.db', 'data/jwt.secret', 'data/redis', 'data/run/logs']) assert.notEqual(await ownerOf(dir, name), 0, name);
    assert.equal((await stat(path.join(dir, 'data'))).mode & 0o077, 0);
  });

  test('takes over the folder of a run as root, and loses nothing', async (t) => {
    const dir = await folder(t);
    const others = path.join(dir, "another's");
    await writeFile(others, 'not for the user', { mode: 0o600 });
    const before = await onStack({ RUN_USER: 'root' }, { dir }, async (stack) => {
      const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
      assert.equal((await ann.send(bob, 'from before')).status, 201);
      return { port: stack.port, cookie: ann.cookie, bob: bob.id };
    });
    assert.equal(await ownerOf(dir, 'data/parley.db'), 0);
    await symlink(others, path.join(dir, 'data/redis/a-link'));
    await onStack({}, { dir, port: before.port }, async (stack) => {
      await assertNobodyIsRoot(stack);
      const history = await call(stack.url, 'GET', `/api/messages/${before.bob}`, undefined, { cookie: before.cookie });
      assert.deepEqual(history.json.map(({ message }) => message), ['from before']);
      const sent = await call(stack.url, 'POST', `/api/messages/send/${before.bob}`, { message: 'and after' }, { cookie: before.cookie });
      assert.equal(sent.status, 201, sent.text);
    });
    assert.equal(await ownerOf(others), 0, 'no link is followed');
    // And back.
    await onStack({ RUN_USER: 'root' }, { dir, port: before.port }, async (stack) => {
      const history = await call(stack.url, 'GET', `/api/messages/${before.bob}`, undefined, { cookie: before.cookie });
      assert.equal(history.json.length, 2);
    });
    await onStack({}, { dir, port: before.port }, assertNobodyIsRoot);
  });

  test('listens on a port below 1024, and nginx alone has the right to', async (t) => {
    const dir = await folder(t);
    await onStack({}, { dir, port: 700 + Math.floor(Math.random() * 200) }, (stack) => assertNobodyIsRoot(stack, { low: true }));
  });

  test('stays root, and says why, if the user could not do its work', async (t) => {
    const dir = await folder(t);
    const closed = path.join(dir, 'home');
    await mkdir(closed, { mode: 0o700 });
    await onStack({}, { dir: closed }, async (stack) => {
      assert.match(stack.output, /^parley: runs as root, for the user \S+ cannot enter .*\/home; RUN_USER=root says that this is meant$/m);
      assert.equal(field(await status(stack.process.pid), 'Uid')[0], '0');
    });
    const secret = path.join(dir, 'jwt');
    await writeFile(secret, 'a secret that root alone may read, 32 bytes', { mode: 0o600 });
    await onStack({ JWT_SECRET_FILE: secret }, { dir }, (stack) => {
      assert.match(stack.output, /^parley: runs as root, for the user \S+ cannot read .*\/jwt;/m);
    });
    await mkdir(path.join(closed, 'dist'));
    await writeFile(path.join(closed, 'dist', 'index.html'), '<!doctype html>');
    await onStack({ WWW_DIR: path.join(closed, 'dist') }, { dir }, (stack) => {
      assert.match(stack.output, /^parley: runs as root, for the user \S+ cannot enter .*\/home;/m);
    });
    const astray = await Stack.spawn({ RUN_USER: '', WWW_DIR: path.join(dir, 'no-such') }, { dir });
    assert.equal((await withDeadline('the end', astray.ended, 20000)).code, 78, astray.output);
    assert.match(astray.output, /^parley: gateway: WWW_DIR: there is no index.html in .*\/no-such$/m);
    assert.doesNotMatch(astray.output, /runs as root/, 'what is not there keeps nobody out');
    for (const [settings, why] of [[{ RUN_USER: 'nobody', JWT_SECRET_FILE: secret }, /^parley: RUN_USER: nobody cannot read .*\/jwt$/m],
      [{ RUN_USER: 'no-such-user' }, /^parley: RUN_USER: there is no user no-such-user$/m]]) {
      const stack = await Stack.spawn(settings, { dir: await folder(t) });
      assert.equal((await withDeadline('the end', stack.ended, 20000)).code, 78, stack.output);
      assert.match(stack.output, why);
      assert.equal(await ownerOf(stack.dir, 'data').catch(() => 0), 0, 'nothing is handed over in vain');
    }
  });

  test('changes the owner of its own files alone, and of no folder that holds others', async (t) => {
    const dir = await folder(t);
    const data = path.join(dir, 'data');
    await mkdir(data, { mode: 0o755 });
    await writeFile(path.join(data, 'thesis.txt'), 'mine');
    await writeFile(path.join(data, 'jwt.secret'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    await onStack({}, { dir }, (stack) => assert.match(stack.output, /runs as root, for the user \S+ cannot write to the folder/));
    assert.equal(await ownerOf(data), 0);
    assert.equal(await ownerOf(data, 'thesis.txt'), 0);
    assert.equal(await ownerOf(data, 'jwt.secret'), 0);
    assert.equal(await ownerOf(data, 'parley.db'), 0);
  });

  test('of another user by RUN_USER is theirs', async (t) => {
    const dir = await folder(t);
    await onStack({ RUN_USER: 'nobody' }, { dir }, assertNobodyIsRoot);
    assert.equal(await ownerOf(dir, 'data/parley.db'), Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' })));
  });
});

test('a run of another user is theirs, whatever RUN_USER says', { skip: skip && 'the whole suite is' }, async (t) => {
  const dir = await folder(t);
  await chown(dir, 65534, 65534);
  const stack = await Stack.spawn({ RUN_USER: 'root' }, { dir, by: ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--pdeathsig', 'TERM'] });
  try {
    await stack.ready();
    await assertNobodyIsRoot(stack);
    assert.doesNotMatch(stack.output, /goes on as/);
  } finally {
    await stack.stop({ keep: true });
  }
});
