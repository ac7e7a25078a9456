// deploy/k8s as kubectl builds it, and what it must agree with elsewhere in the tree.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from '../support/stack.mjs';

const run = promisify(execFile);
const tool = (name) => path.join(root, 'build/k8s/bin', name);
const text = (file) => readFile(path.join(root, file), 'utf8');

const TO_JSON = 'import json,sys,yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))';
const parse = async (file) => JSON.parse((await run(tool('python'), ['-c', TO_JSON, file], { maxBuffer: 1 << 24 })).stdout);

/** Build `overlay` from a copy of deploy/k8s in which `edits` [[file, from, to], ...] were made. */
export async function build(overlay, edits = []) {
  const dir = await mkdtemp(path.join(tmpdir(), 'parley-k8s-'));
  try {
    await cp(path.join(root, 'deploy/k8s'), dir, { recursive: true });
    for (const [file, from, to] of edits) {
      const before = await readFile(path.join(dir, file), 'utf8');
      const after = before.replaceAll(from, to);
      if (after === before) throw new Error(`${file} has no ${from}`);
      await writeFile(path.join(dir, file), after);
    }
    const built = path.join(dir, 'built.yaml');
    const { stdout, stderr } = await run(tool('kubectl'), ['kustomize', path.join(dir, overlay)], { maxBuffer: 1 << 24 });
    await writeFile(built, stdout);
    const schemaFaults = {};
    for (const version of ['1.27', '1.37']) schemaFaults[version] = await validate(built, version);
    return { objects: await parse(built), warnings: stderr, schemaFaults };
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** '' if all is as this version of Kubernetes has it; a field that it does not know is a fault. */
async function validate(file, version) {
  const args = ['--strict', '--quiet', '-k', version, file];
  const { code = 0, stdout, stderr } = await run(tool('kubernetes-validate'), args).catch((error) => error);
  return code === 0 ? '' : stdout + stderr;
}

/** Map: setting -> {preset, isSecret, readers}, as the settings table has it. */
async function settings() {
  const all = new Map();
  const { stdout } = await run(path.join(root, 'build/parley-settings'), ['--markdown']);
  for (const line of stdout.split('\n')) {
    const [, name, preset, values, readers] = line.split('|').map((cell) => cell.trim());
    const names = [...(name ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1]);
    for (const one of names) all.set(one, { preset: preset.replaceAll('`', ''), isSecret: values === 'secret', readers: readers.split(', ') });
  }
  return all;
}

/** What the rest of the tree says. */
export async function facts() {
  const [dockerfile, readme] = await Promise.all(['deploy/docker/Dockerfile', 'deploy/README.md'].map(text));
  const table = await settings();
  return {
    settings: table,
    compose: (await parse(path.join(root, 'docker-compose.yml')))[0].services,
    servicePort: Number(/\bLISTEN=0\.0\.0\.0:(\d+)/.exec(dockerfile)[1]),
    gatewayPort: Number(/GATEWAY_LISTEN=0\.0\.0\.0:(\d+)/.exec(dockerfile)[1]),
    dataDir: /DATA_DIR=(\S+)/.exec(dockerfile)[1],
    gatewayAnswerS: Number(table.get('GATEWAY_ANSWER_SECONDS').preset),
    documentedSecrets: new Set([...readme.matchAll(/create secret (?:generic|tls) (\S+)/g)].map((match) => match[1])),
    readme,
  };
}
