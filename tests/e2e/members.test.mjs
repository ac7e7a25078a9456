// Which process gets a request, and who is asked if that one does not answer: with the gateway's module, which chooses
// for most requests (gateway/tunnel/members.h), and without it, where Lua does (gateway/members.lua).
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Keeper, LoneGateway, hasModule } from '../support/lone_gateway.mjs';
import { waitUntil } from '../support/wait.mjs';

const target = '/api/messages/send/777777777777777777777777';
const post = `POST ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
const get = `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const open = 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
  + 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const avoidedSeconds = 3; // members.lua

test('most requests pass without Lua, if there is a module', { skip: !hasModule }, async () => {
  const edit = async (conf) => {
    const file = path.join(conf, 'members.lua');
    const text = await readFile(file, 'utf8');
    const marked = text.replace(/^local function (?:api|websockets)\(.*\n/gm, (line) => `${line}\tngx.header["X-By"] = "Lua"\n`);
    assert.notEqual(marked, text);
    await writeFile(file, marked);
  };
  const gateway = await LoneGateway.start({ edit });
  const keeper = await Keeper.start();
  const wire = await gateway.open();
  try {
    await gateway.tell([['message', keeper.address], ['presence', keeper.address]]);
    const byLua = async (text) => {
      wire.write(text);
      const { status, lines } = await wire.answer();
      assert.ok(status === 200 || status === 502);
      return lines.some((line) => /^x-by: lua$/i.test(line));
    };
    assert.ok(await byLua(post), 'the first');
    for (const text of [post, get, open]) {
      // Once more, if the keeper stood still for so long that it was avoided: then Lua chooses for a while.
      await waitUntil('most to pass without', async () => {
        let count = 0;
        for (let i = 0; i < 200; i++) count += await byLua(text);
        return count < 100;
      });
    }
    assert.ok(await byLua(post.replace('POST', 'PUT')), 'one that may be sent once only');
    for (let i = 0; i < 10; i++) assert.ok(await byLua(open.replace('EIO=4', 'EIO=4&sid=p1.x')), 'one of a session');
  } finally {
    wire.socket.destroy();
    await Promise.all([gateway.stop(), keeper.stop()]);
  }
});

test('a process that says 503 is asked in its turn', async () => {
  const gateway = await LoneGateway.start();
  const keepers = [await Keeper.start(), await Keeper.start()];
  const wire = await gateway.open();
  try {
    keepers[0].answer = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';
    await gateway.tell(keepers.map(({ address }) => ['message', address]));
    const ask = async () => { wire.write(get); return (await wire.answer()).status; };
    await waitUntil('both to be known', async () => { await ask(); return keepers.every(({ got }) => got.length > 0); });
    for (const keeper of keepers) keeper.got.length = 0;
    for (let i = 0; i < 40; i++) assert.equal(await ask(), 200);
    assert.ok(keepers[0].got.length >= 15, `${keepers[0].got.length} of 40`);
  } finally {
    wire.socket.destroy();
    await Promise.all([gateway, ...keepers].map((one) => one.stop()));
  }
});

for (const isWithModule of [true, false]) describe(`${isWithModule ? 'with' : 'without'} the module`, { skip: isWithModule && !hasModule }, () => {
  let gateway;
  let wire;
  let keepers;
  let sent;

  // Each has a gateway of its own, that avoids nobody yet: else Lua would choose for all.
  beforeEach(async () => {
    [keepers, sent] = [[], 0];
    gateway = await LoneGateway.start({ isWithModule });
    wire = await gateway.open();
  });
  afterEach(async () => {
    wire?.socket.destroy();
    await Promise.all([gateway?.stop(), ...keepers.map((keeper) => keeper.stop())]);
  });

  /** The statuses of as many, one after the other, so that most come between two looks at the list. */
  async function ask(text, count) {
    const statuses = [];
    for (let i = 0; i < count; i++) {
      wire.write(text);
      statuses.push((await wire.answer()).status);
      sent++;
    }
    return statuses;
  }

  const only = (status, count) => Array(count).fill(status);
  const tell = (...serving) => gateway.tell(serving.map(({ address }) => ['message', address]));
  const forget = () => keepers.forEach((keeper) => { keeper.got.length = 0; });

  /** So many that the gateway knows, and has just looked at. */
  async function serve(count) {
    keepers = await Promise.all(Array.from({ length: count }, () => Keeper.start()));
    await tell(...keepers);
    await waitUntil('each to be asked', async () => {
      await ask(post, count);
      return keepers.every(({ got }) => got.length > 0);
    });
    forget();
  }

  test('those that are up are asked in turn, who is gone from the list no more, and who is new soon', async () => {
    await serve(2);
    const [one, other] = keepers;
    assert.deepEqual(await ask(post, 40), only(200, 40));
    assert.ok(Math.min(one.got.length, other.got.length) >= 15, `${one.got.length} and ${other.got.length} of 40`);
    await tell(other);
    await waitUntil('one to be left alone', async () => {
      forget();
      await ask(post, 10);
      return one.got.length === 0;
    });
    await tell(one, other);
    await waitUntil('it to be asked again', async () => {
      await ask(post, 10);
      return one.got.length > 0;
    });
  });

  test('one that takes no connection costs nobody a request, and is seldom asked', async () => {
    await serve(2);
    const [one, other] = keepers;
    await one.stop();
    const before = sent;
    const begun = performance.now();
    assert.deepEqual(await ask(post, 60), only(200, 60));
    const seconds = (performance.now() - begun) / 1000;
    assert.equal(other.got.length, 60);
    const lines = await waitUntil('all lines', async () => {
      const all = await gateway.lines();
      return all.length === sent && all.slice(before);
    });
    const asked = lines.filter(({ upstream }) => upstream.includes(one.address)).map(({ upstream_status }) => upstream_status);
    assert.ok(asked.length >= 1 && asked.length <= 2 + seconds / avoidedSeconds, `${asked} in ${seconds} s`);
    assert.deepEqual(asked, only('502, 200', asked.length));
  });

  test('a POST that one had as it broke off is sent to no other', async () => {
    await serve(2);
    const [one, other] = keepers;
    one.isBreaking = true;
    const statuses = await ask(post, 20);
    const broken = statuses.filter((status) => status === 502).length;
    assert.ok(broken > 0, statuses.join());
    assert.deepEqual([one.got.length, other.got.length], [broken, 20 - broken]);
    assert.deepEqual(statuses.filter((status) => status !== 502), only(200, 20 - broken));
  });

  test('a GET that one had as it broke off is sent to another', async () => {
    await serve(2);
    keepers[0].isBreaking = true;
    assert.deepEqual(await ask(get, 20), only(200, 20));
    assert.ok(keepers[0].got.length > 0);
  });

  test('where nobody takes a request it is 502, and answered once somebody does', async () => {
    await serve(2);
    await Promise.all(keepers.map((keeper) => keeper.stop()));
    assert.deepEqual(await ask(post, 5), only(502, 5));
    const another = await Keeper.start();
    keepers.push(another);
    await tell(another);
    await waitUntil('it to be asked', async () => (await ask(post, 1))[0] === 200);
    await tell();
    await waitUntil('nobody to be asked', async () => (await ask(post, 1))[0] === 503);
  });

  test('a body that comes after its head is whole', async () => {
    await serve(1);
    wire.write(post.slice(0, -2));
    await wire.isRead();
    assert.deepEqual(await ask('{}', 1), [200]);
    assert.deepEqual(keepers[0].got.map((request) => request.slice(-6)), ['\r\n\r\n{}']);
  });
});
