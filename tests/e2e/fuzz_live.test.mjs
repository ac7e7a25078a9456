// P3: bad packets never kill (CVE-2022-41940, CVE-2024-38355). Random and mutated packets and requests over live
// connections leave the process as it was, its other clients in peace, and the offenders closed.
// FUZZ_SEED repeats a run; `make fuzz-live` sends a million packets and 100,000 requests to the ASan build.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { useConformanceServer } from '../support/conformance.mjs';
import { fuzzLive, Witness } from '../support/live_fuzz.mjs';
import { fuzzRequests, services } from '../support/live_requests.mjs';
import { workerOf } from '../support/process.mjs';
import { Random, seedOf } from '../support/random.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const seed = seedOf('FUZZ_SEED');
const packets = Number(process.env.FUZZ_PACKETS ?? 20000);
const requests = Number(process.env.FUZZ_REQUESTS ?? 1500);
const each = Math.round(requests / services.length);

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
    test(`${path}: ${packets / 10} random packets`, (t) => survives(t,
      { path, address: hold.server.address, pid: hold.server.process.pid }, packets / 10,
      () => Witness.open(`${hold.url}/engine.io/?EIO=4&transport=websocket`)));
  }
});

describe('the stack', () => {
  const hold = useStack({ before, after, afterEach }, {
    PING_INTERVAL_MS: '300', SOCKETS_PER_USER_MAX: '1000', LIMIT_EXPORTS_PER_HOUR: '0', LIMIT_HANDSHAKES_PER_SECOND: '0', GATEWAY_REQUESTS_PER_SECOND: '0',
  });
  let ann, bob, eve, mallory, spare, message, own;
  before(async () => {
    [ann, bob, eve, mallory, spare] = await Promise.all(['ann', 'bob', 'eve', 'mállory', 'spare'].map((name) => Person.signUp(hold.stack.url, name)));
    message = (await mallory.send(eve, 'hello')).json._id;
    own = await Promise.all(Array.from({ length: 50 }, async (_, i) => (await eve.send(mallory, `own ${i}`)).json._id));
  });
  const gateway = () => ({ host: 'localhost', port: hold.stack.port });
  const directly = async (service) => {
    const { hostname, port } = new URL(await hold.stack.addressOf(service));
    return { host: hostname, port: Number(port) };
  };

  for (const [whose, part, addressOf] of [
    ['a user', 3, () => directly('presence')], ['a stranger', 2, () => directly('presence')], ['a user, behind the gateway', 2, gateway],
  ]) {
    test(`presence: ${packets * part / 10} packets of ${whose}`, async (t) => {
      const target = {
        path: '/socket.io/', address: await addressOf(), headers: whose === 'a stranger' ? {} : { Cookie: eve.cookie },
        pid: await hold.stack.pidOf('presence1'),
      };
      await survives(t, target, packets * part / 10,
        () => Witness.open(`${hold.stack.url}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: ann.cookie } }));
      const socket = await ann.connect({ transports: ['websocket'] });
      assert.ok(socket.connected);
      ann.close();
    });
  }

  for (const service of services) {
    test(`${service}: ${each} requests, a quarter of them through the gateway, while others chat`, async (t) => {
      const begin = Date.now();
      const pid = await workerOf(await hold.stack.pidOf(`${service}1`));
      const socket = await bob.connect({ transports: ['websocket'] });
      await ann.connect(); // for as long as it takes she may send
      const who = { cookie: eve.cookie, spare: spare.cookie, eve: eve.id, mallory: mallory.id, blocked: spare.id, message, own };
      let [isOver, sent] = [false, 0];
      const chat = (async () => {
        while (!isOver) {
          assert.equal((await ann.send(bob, `${service} ${++sent}`)).status, 201);
          await new Promise((resolve) => { setTimeout(resolve, 50); });
        }
      })();
      const statuses = [];
      try {
        statuses.push(await fuzzRequests(await directly(service), service, who, new Random(seed), Math.round(each * 3 / 4)));
        statuses.push(await fuzzRequests(gateway(), service, who, new Random(seed + 1), Math.round(each / 4)));
      } finally { isOver = true; await chat; }
      const heard = () => socket.all('newMessage').filter((heardOf) => heardOf.message.startsWith(`${service} `)).length;
      await waitUntil('all to be heard', () => heard() === sent, { within: 10000 });
      assert.ok(socket.connected);
      assert.equal(await workerOf(await hold.stack.pidOf(`${service}1`)), pid, 'the same process');
      assert.ok(statuses[0][200] > each / 50, `most are no more than refused: ${JSON.stringify(statuses)}`);
      t.diagnostic(`seed ${seed}: ${JSON.stringify(statuses)} in ${Date.now() - begin} ms; 0 is none: closed, or not whole`);
      for (const person of [ann, bob]) person.close();
    });
  }
});
