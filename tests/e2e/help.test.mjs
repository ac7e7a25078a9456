// Every target of `make help` works as the only command typed in a fresh clone: it brings what it needs.
//
// `make -n` tells what a target would do in a clone in which nothing was done yet. Some are then started
// for real there, on what is built here already, with an npm that copies what is installed here.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../support/stack.mjs';
import { patient } from '../support/wait.mjs';

const run = promisify(execFile);
// What each asks of install.sh, or the script that asks for it itself; and whether it runs JavaScript.
const stack = { kinds: ['build', 'stack'], node: true };
const targets = {
  all: { kinds: ['build'] },
  'conformance-server': { kinds: ['build'] },
  units: { kinds: ['build', 'units', 'mongo'] },
  coverage: { kinds: ['coverage', ...stack.kinds, 'mongo'], node: true },
  asan: { kinds: [...stack.kinds, 'units', 'mongo'], node: true },
  tsan: { kinds: ['build', 'units'] },
  valgrind: { kinds: ['build', 'units', 'valgrind'] },
  run: { kinds: ['run'] },
  test: { script: 'tests/run.sh' },
  chaos: { kinds: [...stack.kinds, 'mongo'], node: true },
  'chaos-mutants': stack,
  'compose-test': { kinds: ['node'], node: true },
  deb: { kinds: ['deb'] },
  sbom: { kinds: ['build', 'run'] },
  migrate: { kinds: ['run'] },
  backup: { kinds: ['run'] },
  restore: { kinds: ['run'] },
  adopt: { kinds: ['run'] },
  admin: { kinds: ['run'] },
  audit: { kinds: [] },
  lint: { kinds: ['lint'] },
  check: { kinds: ['lint', 'units'] },
  'bench-sockets': { kinds: ['build', 'run'] },
  'bench-store': { kinds: ['build', 'mongo'] },
  'bench-routes': stack,
  profile: stack,
  'bench-login': stack,
  'bench-people': { kinds: ['build'] },
  bench: { kinds: [...stack.kinds, 'mongo', 'bench'], node: true },
  attacks: stack,
  soak: stack,
  pictures: { kinds: ['build', 'browser'], node: true },
  help: { kinds: [] },
  clean: { kinds: [] },
  fuzz: { kinds: ['fuzz'] },
  'fuzz-mutants': { kinds: ['fuzz'] },
  'fuzz-live': stack,
};
// Nothing of the make that may have started this test.
const env = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => !/^(MAKE|MFLAGS|GIT_|NODE_TEST|TEST_STORE|STORE$|SAN$|BUILD_DIR)/.test(name)));
let dir, clone;

/** What git would clone if all that is changed here were committed. */
async function cloneTree(to) {
  await run('git', ['clone', '-q', '--no-hardlinks', root, to], { env });
  const { stdout } = await run('git', ['-C', root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { env, maxBuffer: 1 << 26 });
  for (const file of stdout.split('\0').filter(Boolean)) {
    await rm(path.join(to, file), { force: true });
    await cp(path.join(root, file), path.join(to, file)).catch((error) => { if (error.code !== 'ENOENT') throw error; });
  }
}

before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'parley-help-'));
  clone = path.join(dir, 'clone');
  await cloneTree(clone);
});
after(() => rm(dir, { recursive: true, force: true }));

const make = (args, more = {}) => spawnSync('make', args,
  { cwd: clone, env: { ...env, ...more }, encoding: 'utf8', timeout: patient(180000), maxBuffer: 1 << 26 });

/** The lines that make would run for a target, in their order. */
function dryRun(target) {
  const { status, stdout, stderr } = make(['-n', target]);
  assert.equal(status, 0, stderr);
  return stdout.split('\n');
}

describe('in a fresh clone', () => {
  test('make help lists the targets that are known here, and no others', () => {
    const { stdout } = make(['help']);
    const listed = [...stdout.matchAll(/^ {2}make ([a-z-]+) +\S/gm)].map(([, name]) => name);
    assert.deepEqual(listed.sort(), Object.keys(targets).sort());
  });

  for (const [target, { kinds, script, node }] of Object.entries(targets)) {
    test(`make ${target} asks for what it needs before it is needed`, async () => {
      const lines = dryRun(target);
      const asked = lines.flatMap((line) => /deploy\/local\/install\.sh (\S+)/.exec(line)?.[1] ?? []);
      const first = (pattern) => lines.findIndex((line) => pattern.test(line));
      if (script) {
        assert.ok(lines.includes(script), lines.join('\n'));
        const text = await readFile(path.join(clone, script), 'utf8');
        assert.match(text, /install\.sh test\n(.*\n)*.*node_modules(.*\n)*.*build\/mongo\/ready(.*\n)*run_outside_in/);
        return;
      }
      for (const kind of kinds) assert.ok(asked.includes(kind), `asked for ${asked}, not for ${kind}`);
      if (kinds.length === 0) assert.deepEqual(asked, []);
      const compiles = first(/ -c \S+\.c /);
      if (kinds.includes('build')) assert.ok(compiles >= 0, lines.join('\n'));
      if (compiles >= 0) assert.ok(first(/install\.sh (build|fuzz|units)/) < compiles);
      const runsNode = first(/(^|\s)node\s|compose_test\.sh/);
      assert.equal(runsNode >= 0, node === true);
      if (node) assert.ok(first(/npm ci/) >= 0 && first(/npm ci/) < runsNode, lines.join('\n'));
    });
  }
});

describe('a bare machine', () => {
  const tools = ['bash', 'flock', 'sed', 'tr', 'sort', 'paste', 'cat', 'env'];
  let bin;

  /** What install.sh would install for a kind if nothing were there. */
  const wanted = (kind) => {
    const { status, stderr } = spawnSync(path.join(bin, 'bash'), ['-c',
      `sed 's|^PATH=.*|PATH=${bin}|' "$0" >"${bin}/install" && exec bash "${bin}/install" "$1"`,
      path.join(clone, 'deploy/local/install.sh'), kind], { env: { PATH: bin }, encoding: 'utf8' });
    assert.equal(status, 1);
    return /--no-install-recommends (.*)/.exec(stderr)?.[1].split(' ') ?? assert.fail(stderr);
  };

  before(async () => {
    bin = path.join(dir, 'bin');
    await mkdir(bin);
    for (const tool of tools) {
      await symlink((await run('bash', ['-c', `command -v ${tool}`])).stdout.trim(), path.join(bin, tool));
    }
    const stub = (name, text) => writeFile(path.join(bin, name), `#!${bin}/bash\n${text}\n`, { mode: 0o755 });
    await stub('dpkg-query', 'exit 0');
    await stub('apt-get', 'exit 99');
    await stub('id', 'echo 1000');
  });

  const packages = {
    build: ['gcc', 'kore', 'make', 'libmongoc-dev', 'libutf8proc-dev'],
    run: ['gcc', 'kore', 'nginx', 'redis-server', 'libnginx-mod-http-lua'],
    deb: ['gcc', 'debhelper', 'dpkg-dev'],
    lint: ['gcc', 'clang', 'clang-format', 'clang-tidy', 'cppcheck', 'git'],
    fuzz: ['gcc', 'clang', 'libclang-rt-dev'],
    units: ['gcc', 'libcmocka-dev', 'redis-server'],
    valgrind: ['gcc', 'libcmocka-dev', 'valgrind'],
    coverage: ['gcc', 'libcmocka-dev'],
    mongo: ['maven', 'default-jdk-headless'],
    k8s: ['python3-venv'],
    node: ['nodejs', 'npm'],
    stack: ['gcc', 'nginx', 'redis-server', 'nodejs', 'npm'],
    test: ['gcc', 'nginx', 'redis-server', 'nodejs', 'npm', 'libcmocka-dev', 'maven', 'chromium', 'lintian'],
  };
  for (const [kind, some] of Object.entries(packages)) {
    test(`gets for ${kind} ${some.join(', ')}, each once`, () => {
      const list = wanted(kind);
      assert.deepEqual(some.filter((name) => !list.includes(name)), []);
      assert.equal(new Set(list).size, list.length, list.join(' '));
    });
  }

  test('an unknown kind, or none, is refused with the list of kinds', () => {
    for (const args of [[], ['everything'], ['run', 'test']]) {
      const { status, stderr } = spawnSync(path.join(clone, 'deploy/local/install.sh'), args, { encoding: 'utf8' });
      assert.equal(status, 1);
      assert.match(stderr, /usage: install\.sh build \| run/);
    }
  });
});

describe('started as the only command', { concurrency: false }, () => {
  before(async () => {
    // Sources of long ago, and what was made of them: make builds nothing again.
    await run('bash', ['-c', `git ls-files -z -co --exclude-standard | xargs -0 touch -ch -d 2001-01-01`], { cwd: clone, env });
    await run('bash', ['-c', `mkdir build && cd "$0" && find . -maxdepth 1 -type f -exec cp -p -t "$1" {} + &&
      cp -rp shared services gateway deploy mongo "$1" && mkdir "$1/tests" && cp -rp tests/conformance tests/fault "$1/tests"`,
    path.join(root, 'build'), path.join(clone, 'build')], { cwd: clone });
    const npm = path.join(dir, 'npm');
    await mkdir(npm);
    await writeFile(path.join(npm, 'npm'), `#!/bin/bash
[ "$1" = ci ] && [ -e package-lock.json ] && cp -r '${root}/tests/node_modules' . && rm -f node_modules/.lock-of-this
`, { mode: 0o755 });
    env.PATH = `${npm}:${env.PATH}`;
  });

  const starts = [
    ['bench-routes', ['REQUESTS=32', 'AT_ONCE=4', 'SOCKETS=20'], /all users/],
    ['fuzz-live', ['FUZZ_PACKETS=200'], /^# pass [1-9]|ℹ pass [1-9]/m],
    ['chaos', ['SEEDS=1', 'SECONDS_EACH=1', 'RATE=5', 'FAULTS=flush'], /^chaos: 1 of 1 passed/m],
  ];
  for (const [target, args, tells] of starts) {
    test(`make ${target} runs to its end`, async () => {
      await rm(path.join(clone, 'tests/node_modules'), { recursive: true, force: true });
      const { status, stdout, stderr } = make([target, ...args]);
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, tells);
      assert.match(stdout, /^ {2}npm tests\/node_modules$/m);
    });
  }
});
