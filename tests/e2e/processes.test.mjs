// Processes that come and go behind the gateway, while people use them: nobody sets anything up,
// and no request fails.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { Wire } from '../support/conformance.mjs';
import { root, useStack } from '../support/stack.mjs';
import { freePort, patience, patient, waitUntil, withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach },
  { PRESENCE_PROCESSES: '2', MESSAGE_PROCESSES: '2', PRESENCE_GRACE_MS: '1000' });
const people = [];
afterEach(() => { for (const person of people.splice(0)) person.close(); });
const signUp = async (name) => { const p = await Person.signUp(hold.stack.url, name); people.push(p); return p; };

const scale = async (service, count) => {
  const script = spawn(path.join(root, 'deploy/local/scale.sh'), [service, String(count)], {
    env: { ...scaleEnv(), DATA_DIR: path.join(hold.stack.dir, 'data') }, stdio: ['ignore', 'inherit', 'inherit'],
  });
  assert.equal((await once(script, 'close'))[0], 0);
};
const scaleEnv = () => ({ PATH: process.env.PATH, ...(process.env.BUILD_DIR && { BUILD_DIR: path.resolve(root, process.env.BUILD_DIR) }) });
/** The process and its worker: nothing of it may say goodbye. */
const killGroup = async (name) => process.kill(-(await hold.stack.pidOf(name)), 'SIGKILL');

/** Who serves, as the gateway is told: "presence p1 127.0.0.1:4001 up". */
const membersFile = () => path.join(hold.stack.dir, 'data/run/gateway/run/members');
const readMembers = () => readFile(membersFile(), 'utf8');
const isGone = (pid) => { try { process.kill(pid, 0); return false; } catch { return true; } };

/** A new session, by polling: its id begins with the name of its process. */
const openSession = async () => {
  const answer = await call(hold.stack.url, 'GET', '/socket.io/?EIO=4&transport=polling');
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text.slice(1)).sid;
};
const poll = (sid) => call(hold.stack.url, 'GET', `/socket.io/?EIO=4&transport=polling&sid=${sid}`);
const pollPost = (sid, packet) => call(hold.stack.url, 'POST', `/socket.io/?EIO=4&transport=polling&sid=${sid}`, packet, { 'content-type': 'text/plain' });
const sessionOn = (name) => waitUntil(`a session on ${name}`, async () => {
  const sid = await openSession();
  return sid.startsWith(`${name}.`) && sid;
}, { within: 10000 });
const isUnknown = ({ status, json }) => {
  assert.equal(status, 400);
  assert.deepEqual(json, { code: 1, message: 'Session ID unknown' });
};

/** What the gateway answered since `before`, as its own log has it. */
const logged = async (before = 0) => (await readFile(path.join(hold.stack.dir, 'data/run/gateway/logs/access.log'), 'utf8'))
  .split('\n').filter(Boolean).map((line) => JSON.parse(line)).slice(before);

/** Requests one after the other until stop(), which gives all their answers. */
const keepAsking = (ask) => {
  const answers = [];
  let goesOn = true;
  const done = (async () => {
    while (goesOn) answers.push(await ask(answers.length).catch((error) => ({ status: 0, text: String(error.cause ?? error) })));
  })();
  return { answers, stop: async () => { goesOn = false; await done; return answers; } };
};
const allHave = (answers, status) => {
  const odd = answers.filter((answer) => answer.status !== status);
  assert.deepEqual(odd.map(({ status: is, text }) => `${is} ${text}`), []);
  assert.ok(answers.length > 0);
};

describe('on one connection, and so at one worker of nginx', () => {
  /** One request after the other. */
  const open = async () => {
    const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
    const ask = async (method, target, type, body = '') => {
      wire.write(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      return wire.answer();
    };
    return { ask, end: () => wire.end() };
  };
  const count = 20;
  /** Each of the two has as many, or nearly. */
  const areInTurn = (names) => {
    const first = names.filter((name) => name === names[0]).length;
    assert.ok(Math.abs(first - count / 2) <= 2, names.join(' '));
  };

  test('new sessions go to one process after the other, whatever else is asked between', async () => {
    const { ask, end } = await open();
    const path = '/socket.io/?EIO=4&transport=polling';
    const names = [];
    for (let i = 0; i < count; i++) {
      const { sid } = JSON.parse((await ask('GET', path, 'text/plain')).body.slice(1));
      assert.equal((await ask('POST', `${path}&sid=${sid}`, 'text/plain', '40{}')).status, 200);
      names.push(sid.split('.')[0]);
    }
    end();
    areInTurn(names);
  });

  test('and so do requests to a service, whatever is asked of another', async () => {
    const { ask, end } = await open();
    const target = `/api/messages/send/${'0'.repeat(24)}`;
    const before = (await logged()).length;
    for (let i = 0; i < count; i++) {
      await ask('POST', target, 'application/json', '{}');
      await ask('POST', '/api/auth/login', 'application/json', '{}');
    }
    end();
    const lines = await waitUntil('their lines', async () => {
      const own = (await logged(before)).filter(({ path }) => path === target);
      return own.length === count && own;
    });
    areInTurn(lines.map(({ upstream }) => upstream));
  });
});

describe('presence processes come and go', () => {
  test('while people poll and hold WebSockets: no request fails, nobody misses a message', async () => {
    const before = (await logged()).length;
    const ann = await signUp('ann');
    const quick = { reconnectionDelay: 50, reconnectionDelayMax: 200 };
    const bobs = [];
    for (const [name, options] of [['default', {}], ['polling', { transports: ['polling'] }], ['websocket', { transports: ['websocket'] }]]) {
      for (let i = 0; i < 2; i++) {
        const person = await signUp(`${name}${i}`);
        bobs.push({ person, sent: [], socket: await person.connect({ ...quick, ...options }) });
      }
    }
    const asking = keepAsking(() => ann.get('/api/users'));
    const sending = keepAsking(async (n) => {
      const bob = bobs[n % bobs.length];
      const answer = await ann.send(bob.person, `m${n}`);
      if (answer.status === 201) bob.sent.push(answer.json._id);
      return answer;
    });
    const allBack = () => waitUntil('all sockets to be connected', () => bobs.every(({ socket }) => socket.connected), { within: 20000 });
    const moreSends = async () => {
      const count = sending.answers.length;
      await waitUntil('more to be sent', () => sending.answers.length > count + 30, { within: 20000 });
    };

    await moreSends();
    await scale('presence', 3);
    await sessionOn('p3');
    await moreSends();

    // One ends of itself, and comes back under its name.
    const draining = await hold.stack.pidOf('presence1');
    process.kill(draining, 'SIGTERM');
    await waitUntil('presence1 to be another', async () => (await hold.stack.pidOf('presence1')) !== draining, { within: 15000 });
    await allBack();
    await sessionOn('p1');
    await moreSends();

    // One is killed.
    await killGroup('presence2');
    await allBack();
    await moreSends();

    // And one goes for good.
    await scale('presence', 2);
    await waitUntil('presence3 to be gone', () => hold.stack.output.includes('presence3 has ended'), { within: 15000 });
    await allBack();
    await moreSends();

    allHave(await asking.stop(), 200);
    allHave(await sending.stop(), 201);
    for (const { socket, sent, person } of bobs) {
      const got = () => socket.all('newMessage').map(({ _id }) => _id);
      await waitUntil(`all messages at ${person.user.username}`, () => sent.every((id) => got().includes(id)), { within: 10000 });
      assert.equal(new Set(got()).size, got().length, 'none twice');
    }
    await ann.get('/api/auth/me', { 'x-request-id': 'the-last-request' });
    const all = await waitUntil('the log', async () => {
      const lines = await logged(before);
      return lines.some(({ req }) => req === 'the-last-request') && lines;
    });
    const failed = all.filter(({ status }) => status >= 500);
    assert.deepEqual(failed, [], 'the gateway answered no 5xx to anybody');
    assert.ok(all.some(({ upstream }) => upstream.includes(',')), 'one was passed on to the next process');
  });

  test('and a number that the start would not take is refused', () => {
    for (const args of [['presence', '0'], ['presence', '65'], ['auth', '-1'], ['responder', '65'], ['message', 'two'], ['message', '02']]) {
      const { status, stderr } = spawnSync(path.join(root, 'deploy/local/scale.sh'), args, {
        env: { ...scaleEnv(), DATA_DIR: path.join(hold.stack.dir, 'data') }, encoding: 'utf8' });
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`${args[0].toUpperCase()}_PROCESSES must be a whole number from [01] to 64 .*'${args[1]}'`));
    }
    for (const args of [[], ['presence'], ['presence', ''], ['gateway', '2'], ['presence', '2', '3']]) {
      const { status, stderr } = spawnSync(path.join(root, 'deploy/local/scale.sh'), args, { env: scaleEnv(), encoding: 'utf8' });
      assert.equal(status, 1);
      assert.match(stderr, /^scale: usage: /);
    }
  });

  test('a session goes on at its process as long as that lives, and is unknown once it does not', async () => {
    await scale('presence', 3);
    const sid = await sessionOn('p3');
    for (let i = 0; i < 6; i++) {
      assert.equal((await pollPost(sid, '40{}')).status, 200);
      assert.equal((await poll(sid)).status, 200);
    }
    const held = await sessionOn('p3');
    const waiting = poll(held);
    await killGroup('presence3');
    isUnknown(await waiting);
    isUnknown(await poll(sid));
    isUnknown(await pollPost(sid, '40{}'));
    await scale('presence', 2);
    await waitUntil('presence3 to be gone', async () => !(await readMembers()).includes(' p3 '), { within: 15000 });
    isUnknown(await poll(sid));
    isUnknown(await pollPost(sid, '40{}'));
    for (let i = 0; i < 20; i++) assert.doesNotMatch(await openSession(), /^p3\./);
  });

  test('one that ends gets no new session, and does not wait for one that nobody polls', async () => {
    await scale('presence', 3);
    await sessionOn('p3');
    const pid = await hold.stack.pidOf('presence3');
    await scale('presence', 2);
    await waitUntil('presence3 to drain, or to be gone', async () => !/^presence p3 \S+ up$/m.test(await readMembers()));
    // Each worker of nginx looks at the list again within a moment.
    await waitUntil('new sessions to go elsewhere', async () => {
      const sids = await Promise.all(Array.from({ length: 12 }, openSession));
      return sids.every((sid) => !sid.startsWith('p3.'));
    });
    await waitUntil('presence3 to be gone', () => isGone(pid), { within: 15000 });
    const log = await readFile(path.join(hold.stack.dir, 'data/run/logs/presence3.log'), 'utf8');
    const timeOf = (message) => Date.parse(log.split('\n').filter((line) => line.includes(`"msg":"${message}"`)).map(JSON.parse).at(-1).t);
    // DRAIN_SECONDS is 1. What is still in flight would get 5 more.
    assert.ok(timeOf('worker ended') - timeOf('worker is ending') < patient(5500));
  });
});

describe('a process that nobody named', () => {
  test('finds a name of its own, is found by the gateway, and leaves', async () => {
    const run = path.join(hold.stack.dir, 'data/run');
    const dir = path.join(hold.stack.dir, 'container');
    const port = await freePort();
    await mkdir(dir);
    await symlink(path.join(process.env.BUILD_DIR ?? path.join(root, 'build'), 'presence.so'), path.join(dir, 'presence.so'));
    await writeFile(path.join(dir, 'kore.conf'), 'load ./presence.so\npidfile ./kore.pid\n');
    const { SERVICE_PRELOAD: LD_PRELOAD, ASAN_OPTIONS } = process.env;
    const sanitizer = LD_PRELOAD ? { LD_PRELOAD, ...(ASAN_OPTIONS && { ASAN_OPTIONS }) } : {};
    // As in a container: a long host name, and every address listened on.
    const kore = spawn('setpriv', ['--pdeathsig', 'TERM', 'kore', '-f', '-n', '-r', '-q', '-c', 'kore.conf'], {
      cwd: dir,
      stdio: 'ignore',
      env: {
        PATH: process.env.PATH, ...sanitizer, NODE_ENV: 'development', PROCESS_NAME: 'presence-7d9f8b6c5-x2x9z', LISTEN: `0.0.0.0:${port}`,
        DATA_DIR: path.join(hold.stack.dir, 'data'), DRAIN_SECONDS: '1', CONNECTIONS_MAX: '1000',
        JWT_SECRET_FILE: path.join(hold.stack.dir, 'data/jwt.secret'), REDIS_URL_FILE: path.join(run, 'redis.url'),
      },
    });
    const ended = once(kore, 'close');
    try {
      const name = await waitUntil('the gateway to know it',
        async () => new RegExp(`^presence ([a-z0-9]{7}) [0-9.]+:${port} up$`, 'm').exec(await readMembers())?.[1], { within: 10000 });
      const sid = await sessionOn(name);
      assert.equal((await pollPost(sid, '40{}')).status, 200);
      assert.equal((await poll(sid)).status, 200);
      assert.equal((await pollPost(sid, '1')).status, 200);
      isUnknown(await poll(sid));
      kore.kill('SIGTERM');
      await withDeadline('its end', ended, 15000);
      await waitUntil('the gateway to have forgotten it', async () => !(await readMembers()).includes(name));
    } finally {
      kore.kill('SIGKILL');
    }
  });
});

/** Commands to the stack's Redis, whose answers are all that comes until it closes. */
const redis = async (...commands) => {
  const { hostname, port, password } = new URL((await readFile(path.join(hold.stack.dir, 'data/run/redis.url'), 'utf8')).trim());
  const socket = net.connect(Number(port), hostname);
  for (const words of [['AUTH', decodeURIComponent(password)], ...commands, ['QUIT']]) {
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
  }
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) text += chunk;
  assert.doesNotMatch(text, /^-/m);
};
/** A message process that is none, while `action` runs. */
const withMember = async (address, action) => {
  await redis(['HSET', 'parley:members', 'message odd', `9999999999999 ${address} up`], ['PUBLISH', 'parley:members', '']);
  try {
    await waitUntil('the gateway to know it', async () => (await readMembers()).includes(`odd ${address} up`));
    await action();
  } finally {
    await redis(['HDEL', 'parley:members', 'message odd'], ['PUBLISH', 'parley:members', `message odd ${address}`]);
    await waitUntil('the gateway to have forgotten it', async () => !(await readMembers()).includes(' odd '));
  }
};

describe('a process that fails', () => {
  test('before it has a request costs none, be it one that sends', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    let count = 0;
    await withMember(`127.0.0.1:${await freePort()}`, async () => {
      const begin = (await logged()).length;
      await waitUntil('the log to say that it was asked', async () => {
        assert.equal((await ann.send(bob, `m${count++}`)).status, 201);
        return (await logged(begin)).some(({ upstream }) => upstream.includes(','));
      });
    });
    assert.equal((await bob.history(ann)).json.length, count);
  });

  test('with a request costs no read, and a send is never sent again', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    const heard = [];
    const server = net.createServer((socket) => socket.on('error', () => {}).once('data', (data) => {
      heard.push(data.toString('latin1').split(' ')[0]);
      socket.destroy();
    })).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      await withMember(`127.0.0.1:${server.address().port}`, async () => {
        await waitUntil('it to be asked for a read', async () => {
          assert.equal((await bob.history(ann)).status, 200);
          return heard.includes('GET');
        });
        // For a while it is asked last, and so not at all.
        const sent = await waitUntil('it to be asked to send', async () => {
          const answer = await ann.send(bob, 'once');
          return answer.status !== 201 && answer;
        }, { within: 20000 });
        assert.equal(sent.status, 502);
        assert.equal(sent.json.code, 'BAD_GATEWAY');
        assert.equal(heard.filter((method) => method === 'POST').length, 1);
      });
    } finally {
      server.close();
    }
  });
});

describe('message processes come and go', () => {
  test('while people send and read: no request fails', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    await ann.send(bob, 'the first');
    const reading = keepAsking(() => bob.history(ann));
    const sending = keepAsking((n) => ann.send(bob, `m${n}`));
    const more = async () => {
      const count = sending.answers.length;
      await waitUntil('more to be sent', () => sending.answers.length > count + 30, { within: 20000 });
    };
    await more();
    for (const count of [3, 1, 2]) {
      await scale('message', count);
      await waitUntil('the gateway to know', async () => (await readMembers()).match(/^message .* up$/mg).length === count
        && !(await readMembers()).match(/^message .* drain$/m), { within: 15000 });
      await more();
    }
    const sent = (await sending.stop()).map(({ json }) => json?._id);
    allHave(sending.answers, 201);
    allHave(await reading.stop(), 200);
    const history = (await bob.history(ann)).json.map(({ _id }) => _id);
    for (const id of sent) assert.ok(history.includes(id));
  });

  test('one that is killed fails no read', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    await ann.send(bob, 'to be read');
    const reading = [1, 2, 3].map(() => keepAsking(() => bob.history(ann)));
    const more = async () => {
      const count = reading[0].answers.length;
      await waitUntil('more to be read', () => reading[0].answers.length > count + 50, { within: 20000 });
    };
    const all = [];
    try {
      await more();
      for (const name of ['message1', 'message2']) {
        const pid = await hold.stack.pidOf(name);
        await killGroup(name);
        await waitUntil(`another ${name}`, async () => (await hold.stack.pidOf(name)) !== pid, { within: 15000 });
        await waitUntil(`${name} to serve, and the gateway to know`, async () => {
          const [, address] = new RegExp(`^message m${name.at(-1)} (\\S+) up$`, 'm').exec(await readMembers()) ?? [];
          return address && fetch(`http://${address}/readyz`).then(({ status }) => status === 200, () => false);
        }, { within: 15000 });
        await more();
      }
    } finally {
      for (const one of reading) all.push(...await one.stop());
    }
    allHave(all, 200);
  });

  test('one that hangs costs no read, and few of them time', async () => {
    const [ann, bob] = [await signUp('ann'), await signUp('bob')];
    await ann.send(bob, 'to be read');
    const pid = await hold.stack.pidOf('message1');
    process.kill(-pid, 'SIGSTOP');
    try {
      const slow = [];
      for (let i = 0; i < 40; i++) {
        const begin = Date.now();
        const answer = await bob.history(ann);
        assert.equal(answer.status, 200, answer.text);
        if (Date.now() - begin > 3000) slow.push(Date.now() - begin);
      }
      assert.ok(slow.length > 0, 'it was asked');
      assert.ok(slow.length <= 5 * patience, `slow: ${slow}`);
      // Each process of nginx looks at the list ten times a second.
      await waitUntil('the gateway to have dropped it', async () => !(await readMembers()).includes(' m1 ')
        && Date.now() - (await stat(membersFile())).mtimeMs > 500, { within: 20000 });
      for (let i = 0; i < 10; i++) assert.equal((await ann.send(bob, `m${i}`)).status, 201);
    } finally {
      process.kill(-pid, 'SIGCONT');
    }
    await waitUntil('it to be back', async () => /^message m1 \S+ up$/m.test(await readMembers()), { within: 15000 });
    assert.equal((await bob.history(ann)).status, 200);
  });
});
