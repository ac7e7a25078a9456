// What `make sbom` writes has the shape of CycloneDX 1.5, and says what is there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../support/stack.mjs';

const run = promisify(execFile);
const build = path.resolve(root, process.env.BUILD_DIR ?? 'build');
const script = path.join(root, 'deploy/debian/sbom.sh');
const make = (dir) => run(script, [], { env: { ...process.env, BUILD_DIR: dir }, maxBuffer: 1 << 24 });

describe('the bill of materials', () => {
  let text, bom, byRef;

  before(async () => {
    text = (await make(build)).stdout;
    bom = JSON.parse(text);
    byRef = new Map(bom.components.map((component) => [component['bom-ref'], component]));
  });

  test('has the shape of CycloneDX 1.5', () => {
    assert.deepEqual(Object.keys(bom).sort(), ['bomFormat', 'components', 'dependencies', 'metadata', 'specVersion', 'version']);
    assert.equal(bom.bomFormat, 'CycloneDX');
    assert.equal(bom.specVersion, '1.5');
    assert.equal(bom.version, 1);
    assert.equal(bom.metadata.timestamp, new Date(bom.metadata.timestamp).toISOString().replace('.000', ''));
    const known = ['type', 'bom-ref', 'name', 'version', 'purl', 'hashes', 'licenses'];
    for (const component of [bom.metadata.component, ...bom.components]) {
      assert.ok(['application', 'library'].includes(component.type), component.type);
      for (const key of ['bom-ref', 'name', 'version']) assert.match(component[key], /^\S+$/);
      assert.deepEqual(Object.keys(component).filter((key) => !known.includes(key)), []);
    }
    assert.equal(byRef.size, bom.components.length, 'each bom-ref once');
  });

  test('depends on nothing that it does not list, and lists nothing that nobody needs', () => {
    const refs = bom.dependencies.map(({ ref }) => ref);
    assert.equal(new Set(refs).size, refs.length);
    for (const ref of refs) assert.ok(ref === bom.metadata.component['bom-ref'] || byRef.has(ref), ref);
    const needed = bom.dependencies.flatMap(({ dependsOn }) => dependsOn);
    for (const { dependsOn } of bom.dependencies) assert.equal(new Set(dependsOn).size, dependsOn.length);
    assert.deepEqual([...new Set(needed)].sort(), [...byRef.keys()].sort());
  });

  test('has each program with its bytes, and what it is linked with', async () => {
    const linked = (name) => bom.dependencies.find(({ ref }) => ref === `parley/${name}`).dependsOn.map((ref) => byRef.get(ref).name);
    for (const name of ['auth.so', 'message.so', 'presence.so', 'llm-responder', 'gateway-follow', 'parley-migrate', 'parley-backup', 'parley-adopt', 'parley-admin']) {
      const sum = createHash('sha256').update(await readFile(path.join(build, name))).digest('hex');
      assert.deepEqual(byRef.get(`parley/${name}`).hashes, [{ alg: 'SHA-256', content: sum }]);
      assert.ok(linked(name).includes('libc6'), name);
    }
    for (const library of ['kore', 'libjwt0', 'libjansson4', 'libsqlite3-0', 'libmongoc-1.0-0', 'libsodium23', 'libhiredis0.14']) {
      assert.ok(linked('auth.so').includes(library), library);
    }
    assert.ok(linked('llm-responder').includes('libcurl4'));
    assert.ok(!linked('llm-responder').includes('kore'));
  });

  test('has the version of each package that dpkg has', async () => {
    const packages = bom.components.filter(({ purl }) => purl);
    const { stdout } = await run('dpkg-query', ['-W', '-f', '${Package} ${Version} ${Architecture}\n', ...packages.map(({ name }) => name)]);
    const rows = new Set(stdout.trim().split('\n'));
    for (const { name, version, purl } of packages) {
      const arch = /\?arch=(\w+)$/.exec(purl)?.[1];
      assert.ok(rows.has(`${name} ${version} ${arch}`), purl);
      assert.equal(purl, `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${arch}`);
    }
  });

  test('is the same bytes each time', async () => {
    assert.equal((await make(build)).stdout, text);
  });

  test('is not made of a folder in which nothing was built', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'parley-sbom-'));
    await assert.rejects(make(dir), ({ code, stdout, stderr }) => code === 1 && stdout === '' && /sbom: .*auth\.so is not there/.test(stderr));
    await rm(dir, { recursive: true });
  });
});
