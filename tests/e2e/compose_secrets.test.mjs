// docker-compose.yml gives each container the secrets that it reads, and no others; and MongoDB's root is nobody but
// who makes the services' user. Whether it runs, compose.test.mjs tells where a Docker engine answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import vm from 'node:vm';
import { root } from '../support/stack.mjs';

const read = (name) => readFile(path.join(root, name), 'utf8');
const readers = {
  services: ['jwt.secret', 'mongo.uri', 'redis.url'], responder: ['mongo.uri', 'redis.url'], gateway: ['redis.url'],
  redis: ['redis.password'], mongo: ['mongo.password'], 'mongo-user': ['mongo-user.js', 'mongo.password', 'mongo.service.password'],
};

/** A folder as make-secrets.sh sees it; drawn() is what each reader has. */
async function volumes(t) {
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-secrets-'));
  t.after(() => rm(dir, { recursive: true }));
  for (const name of ['secrets', ...Object.keys(readers).map((reader) => `for/${reader}`)]) await mkdir(path.join(dir, name), { recursive: true });
  const drawn = async () => {
    const { status, stderr } = spawnSync(path.join(root, 'deploy/docker/make-secrets.sh'), [dir], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const all = {};
    for (const reader of Object.keys(readers)) {
      all[reader] = {};
      for (const file of (await readdir(path.join(dir, 'for', reader))).sort()) {
        const at = path.join(dir, 'for', reader, file);
        assert.equal((await stat(at)).mode & 0o077, 0, `${at} is its owner's alone`);
        all[reader][file] = (await readFile(at, 'utf8')).trim();
      }
    }
    return all;
  };
  return { dir, drawn };
}

test('each reader gets its own, the same ones at every start', async (t) => {
  const { drawn } = await volumes(t);
  const first = await drawn();
  assert.deepEqual(Object.fromEntries(Object.entries(first).map(([reader, files]) => [reader, Object.keys(files)])), readers);
  const { 'mongo.password': rootPassword, 'mongo.service.password': password } = first['mongo-user'];
  assert.match(rootPassword, /^[0-9a-f]{64}$/);
  assert.notEqual(rootPassword, password);
  assert.equal(first.services['mongo.uri'], `mongodb://service:${password}@mongo:27017/parley?authSource=parley`);
  assert.equal(first.gateway['redis.url'], `redis://:${first.redis['redis.password']}@redis:6379`);
  assert.deepEqual(await drawn(), first);
});

test('a site of an older version keeps its secrets, and its services are root no more', async (t) => {
  const { dir, drawn } = await volumes(t);
  const at = (name) => path.join(dir, 'secrets', name);
  await writeFile(at('jwt.secret'), 'the secret of a site that moved here\n');
  await writeFile(at('mongo.password'), 'oldroot\n');
  await writeFile(at('mongo.uri'), 'mongodb://parley:oldroot@mongo:27017/parley?authSource=admin\n');
  const all = await drawn();
  assert.equal(all.services['jwt.secret'], 'the secret of a site that moved here');
  assert.equal(all.mongo['mongo.password'], 'oldroot');
  assert.match(all.services['mongo.uri'], /^mongodb:\/\/service:/);
  // A MongoDB of their own stays theirs; what is changed is handed on.
  await writeFile(at('mongo.uri'), 'mongodb://chat@db.example.org/chat\n');
  assert.equal((await drawn()).responder['mongo.uri'], 'mongodb://chat@db.example.org/chat');
});

test('docker-compose.yml mounts them so, and says no other path', async () => {
  const text = await read('docker-compose.yml');
  const mounts = {};
  for (const block of /^services:\n([^]*?)^networks:/m.exec(text)[1].split(/^ {2}(?=\S)/m).filter((one) => one.trim())) {
    const name = /^[\w-]+/.exec(block)[0];
    const own = [...block.matchAll(/"(secrets[\w-]*):(\/[\w/-]+)(:ro)?"/g)].map(([, volume, to, ro]) => `${volume} ${to}${ro ?? ''}`);
    mounts[name] = own.length > 0 ? own : [/volumes: \["(secrets[\w-]*):(\/secrets:ro)"/.exec(/^x-service: [^]*?^\S/m.exec(text)[0]).slice(1).join(' ')];
  }
  const { secrets, ...others } = mounts;
  assert.deepEqual(secrets, ['secrets /secrets', ...Object.keys(readers).map((reader) => `secrets-${reader} /for/${reader}`)]);
  const of = (reader) => [`secrets-${reader} /secrets:ro`];
  assert.deepEqual(others, {
    redis: of('redis'), mongo: of('mongo'), 'mongo-user': of('mongo-user'), auth: of('services'), message: of('services'), presence: of('services'),
    'llm-responder': of('responder'), gateway: of('gateway'),
  });
  for (const reader of Object.keys(readers)) assert.match(await read('deploy/docker/Dockerfile'), new RegExp(`install -d -o 999 .* /for/${reader}\\b`));
});

/** mongo-user.js as mongosh runs it; the server has `users` and answers at the try number `up`. */
async function runAtMongo(users, up = 1) {
  const secrets = { '/secrets/mongo.password': 'rootpw\n', '/secrets/mongo.service.password': 'servicepw\n' };
  let tries = 0;
  const database = {
    getUser: (name) => users[name] ?? null,
    createUser: ({ user, ...rest }) => { assert.ok(!users[user]); users[user] = rest; },
    updateUser: (user, rest) => { users[user] = rest; },
  };
  const connect = (uri) => {
    tries += 1;
    if (tries < up) throw new Error('connect ECONNREFUSED');
    assert.match(uri, /^mongodb:\/\/parley:rootpw@mongo:27017\/parley\?authSource=admin&/);
    return database;
  };
  vm.runInNewContext(await read('deploy/docker/mongo-user.js'), {
    require: (name) => { assert.equal(name, 'fs'); return { readFileSync: (file) => secrets[file] }; }, connect, sleep: () => {}, print: () => {},
  });
  return JSON.parse(JSON.stringify(users));
}

test("MongoDB's user may read and write one database, new or not", async () => {
  const wanted = { service: { pwd: 'servicepw', roles: [{ role: 'readWrite', db: 'parley' }] } };
  assert.deepEqual(await runAtMongo({}, 20), wanted);
  assert.deepEqual(await runAtMongo({ service: { pwd: 'another', roles: [{ role: 'root', db: 'admin' }] } }), wanted);
  await assert.rejects(runAtMongo({}, 1000), /ECONNREFUSED/);
});

test('pin.sh writes the digests of what was pulled into .env, and keeps what else is there', async (t) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-pin-'));
  t.after(() => rm(dir, { recursive: true }));
  const docker = path.join(dir, 'docker'), env = path.join(dir, '.env');
  await writeFile(docker, '#!/bin/sh\nfor last; do :; done\n[ "$1" = pull ] || echo "${last%%:*}@sha256:$(cat "$0.digest")"\n');
  await chmod(docker, 0o755);
  await writeFile(env, 'PORT=5001\nPARLEY_MONGO=mongo@sha256:old\nNODE_ENV=production\n');
  const pin = async (digest) => {
    await writeFile(`${docker}.digest`, digest);
    const { status, stderr } = spawnSync(path.join(root, 'deploy/docker/pin.sh'), [env], { env: { ...process.env, DOCKER: docker }, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return readFile(env, 'utf8');
  };
  assert.equal(await pin('aa'), 'PORT=5001\nNODE_ENV=production\nPARLEY_BASE=debian@sha256:aa\nPARLEY_MONGO=mongo@sha256:aa\n');
  assert.equal(await pin('bb'), 'PORT=5001\nNODE_ENV=production\nPARLEY_BASE=debian@sha256:bb\nPARLEY_MONGO=mongo@sha256:bb\n');
  const text = await read('docker-compose.yml');
  assert.match(text, /\$\{PARLEY_MONGO:-mongo:7\}/);
  assert.match(text, /\$\{PARLEY_BASE:-debian:bookworm-slim\}/);
});
