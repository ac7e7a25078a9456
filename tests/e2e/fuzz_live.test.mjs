// P3: bad packets never kill (CVE-2022-41940, CVE-2024-38355). Random packets over live
// connections leave the process as it was, its other clients in peace, and the offenders closed.
// FUZZ_SEED repeats a run; `make fuzz-live` sends a million.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { ConformanceServer, useConformanceServer } from '../support/conformance.mjs';
import { fuzzLive, Witness } from '../support/live_fuzz.mjs';
import { workerOf } from '../support/process.mjs';
import { Random, seedOf } from '../support/random.mjs';
import { useStack } from '../support/stack.mjs';

const seed = seedOf('FUZZ_SEED');
const packets = Number(process.env.FUZZ_PACKETS ?? 20000);

/** Fuzz, with a witness beside it; the same process must serve afterwards. */
async function survives(t, target, count, open) {
  const begin = Date.now();
  const pid = await workerOf(target.pid);
  const witness = await open();
  const sessions = await fuzzLive(target, new Random(seed), count);
  const pings = await witness.isWell();
  assert.equal(await workerOf(target.pid), pid, 'the same process');
  t.diagnostic(`seed ${seed}: ${count} packets in ${sessions} sessions, ${Date.now() - begin} ms, ${pings} pings answered`);
}

describe('the conformance server', () => {
  const hold = useConformanceServer({ before, after }, { PING_INTERVAL_MS: '300', PING_TIMEOUT_MS: '20000', CONNECT_TIMEOUT_MS: '60000' });

  for (const path of ['/ws', '/engine.io/', '/socket.io/']) {
    test(`${path}: ${packets / 5} random packets`, (t) => survives(t,
      { path, address: hold.server.address, pid: hold.server.process.pid }, packets / 5,
      () => Witness.open(`${hold.url}/engine.io/?EIO=4&transport=websocket`)));
  }
});

describe('presence, behind the gateway', () => {
  const hold = useStack({ before, after, afterEach }, { PING_INTERVAL_MS: '300', SOCKETS_PER_USER_MAX: '1000' });

  test(`${packets * 2 / 5} random packets of a user`, async (t) => {
    const [eve, ann] = [await Person.signUp(hold.stack.url, 'eve'), await Person.signUp(hold.stack.url, 'ann')];
    const target = {
      path: '/socket.io/', address: { host: 'localhost', port: hold.stack.port }, headers: { Cookie: eve.cookie },
      pid: await hold.stack.pidOf('presence1'),
    };
    await survives(t, target, packets * 2 / 5,
      () => Witness.open(`${hold.stack.url}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: ann.cookie } }));
    const socket = await ann.connect({ transports: ['websocket'] });
    assert.ok(socket.connected);
    ann.close();
  });
});
