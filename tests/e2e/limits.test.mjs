// Where the limits are, and that whoever goes beyond them is the only one to notice (O2, W4, W7, P7).
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { frame, handshake, opcode, Socket, useConformanceServer, Wire } from '../support/conformance.mjs';
import { residentBytes, usedMs, workerOf } from '../support/process.mjs';
import { Redis } from '../support/redis.mjs';
import { useStack } from '../support/stack.mjs';
import { awakeNow, waitUntil } from '../support/wait.mjs';

const MiB = 1024 * 1024;
const socketIo = (url, query = 'EIO=4&transport=websocket') => `${url}/socket.io/?${query}`;
const polling = 'EIO=4&transport=polling';

/** Sockets of `person`, let in, one after the other, that answer pings. */
const connectMany = async (person, count) => {
  const sockets = [];
  for (let i = 0; i < count; i++) {
    const socket = new Socket(socketIo(person.base), { headers: { cookie: person.cookie } });
    socket.ws.on('message', (data) => { if (String(data) === '2') socket.send('3'); });
    assert.match(await socket.take(), /^0\{/);
    socket.send('40');
    assert.match(await socket.take(), /^40\{/);
    sockets.push(socket);
  }
  return sockets;
};

const isRefused = async (answer, status) => {
  assert.equal(answer.status, status);
  assert.ok(Number(answer.headers.get('retry-after')) >= 1, 'says when to come again');
  assert.equal(typeof (await answer.json()).code, 'string');
};

/** The status that a WebSocket's handshake gets. */
const upgradeStatus = async (stack, cookie) => {
  const wire = await Wire.open({ host: 'localhost', port: stack.port });
  wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `localhost:${stack.port}`, Cookie: cookie }));
  const { status } = await wire.head();
  wire.end();
  return status;
};

describe('sockets', () => {
  const hold = useStack({ before, after, afterEach }, { CONNECTIONS_MAX: '64', SOCKETS_PER_USER_MAX: '30' });

  test('beyond CONNECTIONS_MAX get 503 with Retry-After; those that are there go on, and so does the API', async () => {
    const [ann, bob, eve] = await Promise.all(['ann', 'bob', 'eve'].map((name) => Person.signUp(hold.stack.url, name)));
    const sockets = [...await connectMany(ann, 28), ...await connectMany(bob, 28)];
    await isRefused(await fetch(socketIo(hold.stack.url, polling)), 503);
    assert.equal(await upgradeStatus(hold.stack, eve.cookie), 503);
    assert.equal((await ann.send(bob, 'still here')).status, 201);
    const [first] = sockets.slice(28);
    await waitUntil('the message', async () => (await first.take()).includes('still here'));
    sockets.pop().close();
    await waitUntil('room for another', async () => await upgradeStatus(hold.stack, eve.cookie) === 101);
    for (const socket of sockets) assert.ok(!socket.isClosed);
    for (const socket of sockets) socket.close();
    await waitUntil('their ends', () => sockets.every(({ isClosed }) => isClosed));
  });
});

describe('an address', () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_SOCKETS_PER_ADDRESS: '20' });

  test('beyond GATEWAY_SOCKETS_PER_ADDRESS gets 429 with Retry-After; its sockets and the API go on', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const sockets = await connectMany(ann, 20);
    await isRefused(await fetch(socketIo(hold.stack.url, polling)), 429);
    assert.equal((await ann.get('/api/users')).status, 200);
    for (const socket of sockets) assert.ok(!socket.isClosed);
    for (const socket of sockets) socket.close();
    await waitUntil('their ends', () => sockets.every(({ isClosed }) => isClosed));
  });

});

describe('who counts as one address at the gateway', () => {
  const hold = useStack({ before, after, afterEach },
    { GATEWAY_REQUESTS_PER_SECOND: '1', GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1' });
  const statuses = (...addresses) => Promise.all(addresses.map(async (address) =>
    (await fetch(`${hold.stack.url}/api/users`, { headers: { 'x-forwarded-for': address } })).status));

  test('an IPv4 address in either form, and an IPv6 /64; each other one counts by itself', async () => {
    const limited = async (...addresses) => (await statuses(...addresses)).filter((status) => status === 429).length;
    /** Of five requests at once three pass; one more if they took a second. Then another address is tried. */
    const areOne = async (what, formsOf) => {
      let n = 0;
      await waitUntil(`${what} to be one`, async () => {
        const refused = await limited(...formsOf((++n).toString(16)));
        assert.ok(refused <= 2, `${refused} of 5`);
        return refused === 2;
      });
    };
    await areOne('forms of an IPv4 address', (n) => {
      const address = `192.0.2.${parseInt(n, 16)}`;
      return [address, `::ffff:${address}`, `::ffff:c000:2${n.padStart(2, '0')}`, address, `::FFFF:${address}`];
    });
    await areOne('an IPv6 /64', (n) => [`2001:db8:${n}::1`, `2001:db8:${n}::2`, `2001:db8:${n}:0:ffff::`, `2001:db8:${n}::a:b:c:d`, `2001:db8:${n}::1`]);
    assert.equal(await limited('198.51.100.1', '::ffff:198.51.100.2', '2001:db8:0:1::1', '2001:db8:0:2::1', '::1', '::ffff:198.51.100.3', '198.51.100.4'), 0);
  });
});

describe('who asks without a pause', () => {
  const perSecond = 20; // so few that 80 come at once, be the machine slow
  const hold = useStack({ before, after, afterEach }, { GATEWAY_REQUESTS_PER_SECOND: String(perSecond), GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1' });
  const head = (target, address) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${address}\r\n\r\n`;

  for (const [i, [target, status]] of [['/api/none', 404], ['/api/users', 401], ['/index.html', 200], ['/healthz', 404]].entries()) {
    test(`for ${target} on four connections is answered ${2 * perSecond} times at once, and then at that rate`, async () => {
      const count = 4 * perSecond;
      const address = `192.0.2.${10 + i}`;
      const wires = await Promise.all(Array.from({ length: 4 }, () => Wire.open({ host: 'localhost', port: hold.stack.port })));
      const begun = performance.now();
      const statuses = await Promise.all(wires.map(async (wire) => {
        wire.write(head(target, address).repeat(count / 4));
        const own = [];
        while (own.length < count / 4) own.push((await wire.answer()).status);
        return own;
      }));
      const took = (performance.now() - begun) / 1000;
      for (const wire of wires) wire.end();
      assert.deepEqual([...new Set(statuses.flat())], [status]);
      assert.ok(took > (count - 2 * perSecond) / perSecond - 0.2, `${took} s`);
      assert.equal((await fetch(`${hold.stack.url}/api/users`, { headers: { 'x-forwarded-for': '192.0.2.99' } })).status, 401, 'another does not wait');
    });
  }

  test('on many at once is 429 beyond what waits half a second', async () => {
    let address = 20;
    const refused = await waitUntil('all of them within a second', async () => {
      const headers = { 'x-forwarded-for': `192.0.2.${address++}` };
      const answers = await Promise.all(Array.from({ length: 4 * perSecond }, () => fetch(`${hold.stack.url}/api/none`, { headers })));
      const few = answers.filter((answer) => answer.status === 429);
      return few.length > 0 && few;
    }, { within: 10000 });
    assert.ok(refused.length <= 1.5 * perSecond, String(refused.length));
    await isRefused(refused[0], 429);
  });
});

describe('a crowd that opens sessions faster than LIMIT_HANDSHAKES_PER_SECOND', () => {
  const hold = useStack({ before, after, afterEach }, { LIMIT_HANDSHAKES_PER_SECOND: '20' });
  const waiting = async () => {
    const metrics = await (await fetch(`${await hold.stack.addressOf('presence')}/metrics`)).text();
    return Number(/^parley_handshakes_waiting (\d+)/m.exec(metrics)[1]);
  };

  /** So many who ask for a session at once; isServed: all have their answer. */
  const crowdOf = (count, options) => {
    const crowd = { isServed: false };
    const answers = Array.from({ length: count }, () => fetch(socketIo(hold.stack.url, polling), options).catch(() => ({})));
    crowd.answers = Promise.all(answers).finally(() => { crowd.isServed = true; });
    return crowd;
  };

  test('waits for its turn; who comes when others wait for 3 s gets 503 with Retry-After', async () => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const [socket] = await connectMany(ann, 1);
    await waitUntil('120 to come faster than they are let in', async () => {
      const begun = performance.now();
      const answers = await Promise.all(Array.from({ length: 120 }, () => fetch(socketIo(hold.stack.url, polling))));
      const took = performance.now() - begun;
      const refused = answers.filter(({ status }) => status !== 200);
      for (const answer of refused) await isRefused(answer, 503);
      const admitted = answers.length - refused.length;
      assert.ok(took >= (admitted - 5) * 50, `${admitted} in ${took} ms`);
      return admitted >= 55 && admitted <= 100; // fewer, where the machine stood still for their 3 s
    }, { within: 15000 });
    assert.ok(!socket.isClosed);
    await waitUntil('to be let in', async () => (await fetch(socketIo(hold.stack.url, polling))).status === 200);
    socket.close();
  });

  test('is told to come again where the process ends', async () => {
    // Once more, if the machine stood still for so long that their turns had come before.
    await waitUntil('nobody to wait for their turn any more', async () => {
      const crowd = crowdOf(40);
      await waitUntil('some to wait', async () => crowd.isServed || await waiting() > 10);
      process.kill(await hold.stack.pidOf('presence1'));
      const begun = awakeNow();
      const refused = (await crowd.answers).filter(({ status }) => status !== 200);
      const took = awakeNow() - begun;
      await waitUntil('the next process', async () => (await fetch(socketIo(hold.stack.url, polling))).status === 200, { within: 15000 });
      if (refused.length === 0 || took > Math.max(500, refused.length * 50)) return false;
      for (const answer of refused) await isRefused(answer, 503);
      return true;
    }, { within: 30000 });
  });

  test('that gives up leaves the line to others', async () => {
    // Once more, if the machine stood still for as long as their turns take.
    await waitUntil('a line to be gone in half of the time that it would take', async () => {
      const leaving = new AbortController();
      const crowd = crowdOf(60, { signal: leaving.signal });
      let count;
      await waitUntil('many to wait', async () => crowd.isServed || (count = await waiting()) > 25);
      leaving.abort();
      const begun = awakeNow();
      await waitUntil('nobody to wait', async () => await waiting() === 0);
      return awakeNow() - begun < count * 25;
    }, { within: 30000 });
    assert.equal((await fetch(socketIo(hold.stack.url, polling))).status, 200, 'one who comes is let in');
  });
});

describe('a flood of strangers who open sessions', () => {
  const hold = useStack({ before, after, afterEach }, { LIMIT_STRANGERS_PER_SECOND: '5' });
  const waiting = async () => {
    const metrics = await (await fetch(`${await hold.stack.addressOf('presence')}/metrics`)).text();
    return Number(/^parley_handshakes_waiting (\d+)/m.exec(metrics)[1]);
  };
  const knock = async (cookie) => {
    const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
    wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `localhost:${hold.stack.port}`, ...(cookie && { Cookie: cookie }) }));
    return wire;
  };

  const crowds = [
    ['no token', () => undefined],
    ['a token that is none of ours', () => 'jwt=a.b.c'],
    ['the token of one user', async () => (await Person.signUp(hold.stack.url, 'eve')).cookie],
  ];
  for (const [whose, cookieOf] of crowds) {
    test(`with ${whose} stands in a line of its own, and a user is let in at once`, async () => {
      await waitUntil('a user to be let in while strangers wait', async () => {
        const [ann, cookie] = [await Person.signUp(hold.stack.url, 'ann'), await cookieOf()];
        const crowd = await Promise.all(Array.from({ length: 100 }, () => knock(cookie)));
        await waitUntil('some to wait', async () => await waiting() > 0 || crowd.every(({ isClosed }) => isClosed));
        const sockets = await connectMany(ann, 20);
        const left = await waiting();
        for (const one of [...sockets, ...crowd]) one.close?.() ?? one.end();
        return left > 20;
      }, { within: 60000 });
    });
  }

  test('is none of those who have their token in CONNECT: they are let in as fast as others', async () => {
    const people = await Promise.all(Array.from({ length: 5 }, (_, i) => Person.signUp(hold.stack.url, `ann${i}`)));
    await waitUntil('strangers before to be forgotten', async () => {
      // As many as would wait for 12 s in a line of their own, and be refused.
      for (let i = 0; i < 60; i++) {
        const socket = new Socket(socketIo(hold.stack.url));
        if (!/^0\{/.test(await socket.take().catch(() => ''))) return false;
        socket.send(`40${JSON.stringify({ token: people[i % 5].cookie.slice(4) })}`);
        if (await waiting() > 0) return false;
        assert.match(await socket.take(), /^40\{/);
        socket.close();
      }
      return true;
    }, { within: 30000 });
  });

  test('gets 503 with Retry-After if its line is too long, and is let in when it is not', async () => {
    const crowd = Array.from({ length: 60 }, () => fetch(socketIo(hold.stack.url, polling)));
    const refused = (await Promise.all(crowd)).filter(({ status }) => status !== 200);
    assert.ok(refused.length > 0);
    for (const answer of refused) await isRefused(answer, 503);
    await waitUntil('to be let in', async () => (await fetch(socketIo(hold.stack.url, polling))).status === 200);
  });
});

describe('an address that opens sockets without a pause', () => {
  const hold = useStack({ before, after, afterEach }, { GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1' });

  test('gets 429 beyond five times GATEWAY_SOCKETS_PER_ADDRESS, from the gateway alone; others open theirs', async (t) => {
    const ask = (address, query) => `GET /socket.io/?${query} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${address}\r\n\r\n`;
    const statuses = async (address, query, count) => {
      const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
      wire.write(ask(address, query).repeat(count));
      const own = [];
      for (let i = 0; i < count; i++) own.push((await wire.answer()).status);
      wire.end();
      return own;
    };
    const bad = 'EIO=3&transport=polling'; // refused at once, so that they come as fast as can be
    /** How many were taken until 429; null, if the machine cannot ask as often as there is room for again. */
    const takenUntil429 = async (query) => {
      const seen = { 400: 0, 429: 0 };
      const begun = Date.now();
      for (let seconds = 0; seconds < 60 && seen[429] === 0; seconds = (Date.now() - begun) / 1000) {
        for (const own of await Promise.all(Array.from({ length: 4 }, () => statuses('192.0.2.1', query, 900)))) for (const status of own) seen[status]++;
        const most = 10000 + 1000 * (Date.now() - begun) / 1000;
        assert.ok(seen[400] < 1.2 * most + 3600, `${JSON.stringify(seen)}, of ${most}`);
      }
      return seen[429] > 0 ? seen[400] : null;
    };
    const taken = await takenUntil429(bad);
    if (taken === null) { t.skip('a machine that cannot ask 1,000 times a second'); return; }
    assert.ok(taken >= 10000, String(taken));
    assert.equal((await statuses('192.0.2.2', bad, 1))[0], 400);
    assert.notEqual((await statuses('192.0.2.1', 'EIO=4&transport=polling&sid=p1.none', 1))[0], 429, 'what a session asks is not counted');
    await takenUntil429(`${bad}&SID=p1.none`); // which names no session
  });
});

describe('10,000 half-open sessions of one address', () => {
  const hold = useStack({ before, after, afterEach }, { LIMIT_HANDSHAKES_PER_SECOND: '0' });

  /** `requests`, a hundred at once on each of four connections; gives the answers' bodies. */
  const pipeline = async (requests) => {
    const bodies = [];
    let next = 0;
    const lane = async () => {
      while (next < requests.length) {
        const from = next;
        const batch = requests.slice(from, next += 100);
        const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
        wire.write(batch.join(''));
        for (let i = 0; i < batch.length; i++) bodies[from + i] = (await wire.answer()).body;
        wire.end();
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
    return bodies;
  };
  const request = (method, query, body = '') =>
    `${method} /socket.io/?${query} HTTP/1.1\r\nHost: localhost:${hold.stack.port}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  test('take less than 20 MiB, and 50 of them are kept', async (t) => {
    const ann = await Person.signUp(hold.stack.url, 'ann');
    const [socket] = await connectMany(ann, 1);
    const worker = await workerOf(await hold.stack.pidOf('presence1'));
    await pipeline(Array.from({ length: 100 }, () => request('GET', polling)));
    const begin = await residentBytes(worker);
    const opened = await pipeline(Array.from({ length: 10000 }, () => request('GET', polling)));
    const sids = opened.map((body) => JSON.parse(body.slice(1)).sid);
    const grown = await residentBytes(worker) - begin;
    t.diagnostic(`${(grown / MiB).toFixed(1)} MiB more`);
    assert.ok(grown <= 20 * MiB, `${grown} bytes more`);
    let kept = sids;
    await waitUntil('no more than 50 to be kept', async () => {
      const answers = await pipeline(kept.map((sid) => request('POST', `${polling}&sid=${sid}`, '6')));
      kept = kept.filter((_, i) => answers[i] === 'ok');
      return kept.length <= 50;
    }, { within: 30000 });
    t.diagnostic(`${kept.length} kept`);
    assert.ok(!socket.isClosed);
    socket.close();
  });
});

describe('a user who reads nothing', () => {
  const hold = useStack({ before, after, afterEach });
  const offered = 300 * MiB;
  const text = 'x'.repeat(64 * 1024);

  /** newMessage to a user, as the message service publishes it. */
  const publish = (redis, to, i, message) => {
    const id = i.toString(16).padStart(24, '0');
    const packet = `2["newMessage",{"message":"${message}"},"${Date.now().toString(16)}-${id}"]`;
    redis.write('PUBLISH', `parley:user:${to.id}`, `{"name":"newMessage","id":"${id}"}\n${packet}`);
  };
  /** An event that is no message. */
  const publishEnd = (redis, to, i) => redis.write('PUBLISH', `parley:user:${to.id}`, `{"name":"end"}\n2["end","end ${i}"]`);

  test('on five sockets, offered 300 MiB, is cut off at the bound, and others do not notice', async (t) => {
    const [bob, carol] = await Promise.all(['bob', 'carol'].map((name) => Person.signUp(hold.stack.url, name)));
    const redis = await Redis.of(hold.stack);
    const worker = await workerOf(await hold.stack.pidOf('presence1'));
    const [slow, [witness]] = [await connectMany(bob, 5), await connectMany(carol, 1)];
    while (!(await witness.take()).includes('getOnlineUsers'));
    // A presence that has just begun, or stood still, reads the store, where these messages are not.
    let i = 0;
    const trust = () => waitUntil('presence to trust the bus', async () => {
      publish(redis, carol, ++i, 'hello?');
      await redis.reply();
      return witness.messages.splice(0).some((message) => message.includes('hello?'));
    }, { within: 30000 });
    await trust();
    for (const socket of slow) socket.ws.pause();
    const begin = await residentBytes(worker);
    const delays = [];
    let most = begin;
    for (let sent = 0; sent < offered; i += 10) {
      // What Redis holds for presence is bounded, too: so one message is awaited now and then.
      for (let n = 0; n < 9; n++) publish(redis, bob, i + n + 1, text);
      const at = Date.now();
      publish(redis, carol, i + 10, `marker ${i}`);
      publishEnd(redis, carol, i);
      for (let n = 0; n < 11; n++) await redis.reply();
      let isTrusted = false;
      for (let message = ''; !message.includes(`end ${i}"`);) {
        message = await witness.take();
        isTrusted ||= message.includes(`marker ${i}"`);
      }
      if (isTrusted) {
        sent += 9 * text.length;
        delays.push(Date.now() - at);
      } else {
        await trust();
      }
      most = Math.max(most, await residentBytes(worker));
    }
    delays.sort((a, b) => a - b);
    const [p50, p99] = [0.5, 0.99].map((share) => delays[Math.floor(delays.length * share)]);
    t.diagnostic(`${((most - begin) / MiB).toFixed(1)} MiB more at most; the other's messages took ${p50} ms (p99 ${p99} ms)`);
    for (const socket of slow) socket.ws.resume();
    for (const socket of slow) await socket.end();
    // Five backlogs of 1 MiB, and what the allocator and a read of Redis take beside them.
    assert.ok(most - begin <= 5 * MiB + 4 * MiB, `${most - begin} bytes more`);
    assert.ok(!witness.isClosed);
    witness.close();
    redis.end();
  });
});

describe('a WebSocket', () => {
  const hold = useConformanceServer({ before, after });
  const open = async () => {
    const wire = await Wire.open(hold.server.address);
    wire.write(handshake('/ws'));
    assert.equal((await wire.head()).status, 101);
    return wire;
  };

  test('of 100,000 one-byte fragments in all takes less than 2 MiB (CVE-2026-48779)', async (t) => {
    const worker = await workerOf(hold.server.process.pid);
    const wires = await Promise.all(Array.from({ length: 100 }, open));
    const begin = await residentBytes(worker);
    const fragments = Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(i === 0 ? opcode.text : opcode.continuation, 'x', { fin: false })));
    for (const wire of wires) wire.write(fragments);
    // A ping may come between; its answer shows that all before it was taken.
    for (const wire of wires) { wire.write(frame(opcode.ping, 'all?')); assert.equal((await wire.frame()).op, opcode.pong); }
    const grown = await residentBytes(worker) - begin;
    t.diagnostic(`${(grown / 1024).toFixed(0)} KiB more`);
    assert.ok(grown <= 2 * MiB, `${grown} bytes more`);
    for (const wire of wires) {
      wire.write(Buffer.concat([frame(opcode.continuation, 'y')]));
      const { op, data } = await wire.frame();
      assert.deepEqual([op, data.length], [opcode.text, 1001], 'and is a message in the end');
      wire.end();
    }
  });
});

describe('connections beyond what the process may have', () => {
  const hold = useConformanceServer({ before, after }, { PING_INTERVAL_MS: '300', PING_TIMEOUT_MS: '60000', OPEN_FILES: '400' });

  test('wait, cost nothing, and are served when there is room', async (t) => {
    const worker = await workerOf(hold.server.process.pid);
    const witness = new Socket(`${hold.url}/engine.io/?EIO=4&transport=websocket`);
    assert.match(await witness.take(), /^0\{/);
    const wires = await Promise.all(Array.from({ length: 250 }, () => Wire.open(hold.server.address)));
    for (const wire of wires) wire.write(handshake('/ws'));
    await waitUntil('those that fit in', () => wires.filter(({ bytes }) => bytes.length > 0).length >= 100);
    // Once more, if the machine stood still while it had the processor: that counts as its own.
    const share = await waitUntil('five pings that cost little', async () => {
      const [begin, used] = [Date.now(), await usedMs(worker)];
      for (let i = 0; i < 5; i++) {
        assert.equal(await witness.take(), '2');
        witness.send('3');
      }
      const part = (await usedMs(worker) - used) / (Date.now() - begin);
      return part < 0.1 && { part };
    });
    const served = () => wires.filter(({ bytes }) => bytes.includes('101 Switching')).length;
    t.diagnostic(`${served()} of 250 were taken; ${(share.part * 100).toFixed(1)} % of a processor`);
    assert.ok(served() < 250, 'not all fit in');
    const late = wires.filter(({ bytes }) => bytes.length === 0);
    for (const wire of wires.filter(({ bytes }) => bytes.length > 0)) wire.end();
    for (const wire of late) { assert.equal((await wire.head()).status, 101); wire.end(); }
    witness.close();
  });
});
