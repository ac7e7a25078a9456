// What is written to standard error or to a file is capped in each deployment: by Docker in Compose, by journald
// in systemd's units, and by the gateway itself (gateway_limits.test.mjs) where it is a file.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../support/stack.mjs';

const read = (name) => readFile(path.join(root, name), 'utf8');

test('each container of Compose has a few files of some megabytes', async () => {
  const text = await read('docker-compose.yml');
  const hardened = /^x-hardened: &hardened\n((?: .*\n)+)/m.exec(text)[1];
  assert.match(hardened, /^ {2}logging: \{ driver: json-file, options: \{ max-size: 20m, max-file: "5" \} \}$/m);
  assert.match(/^x-service: &service\n((?: .*\n)+)/m.exec(text)[1], /<<: \*hardened/);
  const services = /^services:\n([^]*?)^networks:/m.exec(text)[1].split(/^ {2}(?=\S)/m).filter((service) => service.trim());
  assert.ok(services.length >= 8);
  for (const service of services) assert.match(service, /<<: \*(?:hardened|service)\n/, service);
});

test('each unit of the package has so many lines in the journal', async () => {
  const common = await read('deploy/systemd/parley-.service.d/10-common.conf');
  assert.match(common, /^LogRateLimitIntervalSec=10s\nLogRateLimitBurst=2000$/m);
});

test('the access log of the package is a file that the gateway turns, and logrotate', async () => {
  const [, log] = /GATEWAY_ACCESS_LOG=%L(\S+)/.exec(await read('deploy/systemd/parley-gateway.service'));
  assert.match(log, /^\/parley\/\w+\.log$/);
  assert.match(await read('deploy/debian/parley.logrotate'), /^\/var\/log\/parley\/\*\.log \{[^}]*\brotate \d+\n/);
});
