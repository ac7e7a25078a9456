// Sends and histories: shapes, rules, limits, retries, pages, and who may send.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import { holdDatabase } from '../support/database.mjs';
import { Person, call } from '../support/api.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach });
const signUp = (name) => Person.signUp(hold.stack.url, name);
const pair = async () => [await signUp('ann'), await signUp('bob')];
const texts = (answer) => answer.json.map((message) => message.message);
const nobody = '0123456789abcdef01234567';

describe('a message', () => {
  test('is answered whole, and both find it in the history', async () => {
    const [ann, bob] = await pair();
    const began = Date.now();
    const answer = await ann.send(bob, 'hello');
    assert.equal(answer.status, 201);
    const { _id, createdAt } = answer.json;
    assert.match(_id, /^[0-9a-f]{24}$/);
    assert.match(createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(createdAt) - began) < patient(5000));
    assert.deepEqual(answer.json, {
      senderId: ann.id, receiverId: bob.id, message: 'hello', _id, createdAt, updatedAt: createdAt, __v: 0,
    });
    for (const [reader, other] of [[ann, bob], [bob, ann]]) {
      const history = await reader.history(other);
      assert.equal(history.status, 200);
      assert.deepEqual(history.json, [answer.json]);
    }
  });

  test('is kept as it came, in any script', async () => {
    const [ann, bob] = await pair();
    const sent = ['  spaces \n and\tlines  ', '👩‍👩‍👧‍👦 café cafe\u0301', '\u202eright to left', '"\\/\b<script>&amp;', '\u{10ffff}', '\u0001'];
    for (const text of sent) assert.equal((await ann.send(bob, text)).json.message, text);
    assert.deepEqual(texts(await bob.history(ann)), sent);
  });

  test('may be to oneself', async () => {
    const ann = await signUp('ann');
    assert.equal((await ann.send(ann, 'note')).status, 201);
    assert.deepEqual(texts(await ann.history(ann)), ['note']);
  });

  test('may hold 65,536 bytes, and not one more', async () => {
    const [ann, bob] = await pair();
    const most = `${'é'.repeat(32767)}xy`;
    assert.equal(Buffer.byteLength(most), 65536);
    assert.equal((await ann.send(bob, most)).status, 201);
    const over = await ann.send(bob, `${most}x`);
    assert.equal(over.status, 400);
    assert.match(over.json.error, /message/);
    assert.deepEqual(texts(await ann.history(bob)), [most]);
  });

  test('ignores what only the server sets', async () => {
    const [ann, bob] = await pair();
    const answer = await ann.post(`/api/messages/send/${bob.id}`, {
      message: 'mine', autoReply: { kind: 'llm', inReplyTo: nobody }, senderId: bob.id, _id: nobody, createdAt: '2020-01-01T00:00:00.000Z',
    });
    assert.equal(answer.status, 201);
    assert.equal(answer.json.senderId, ann.id);
    assert.notEqual(answer.json._id, nobody);
    assert.ok(!('autoReply' in answer.json));
  });
});

describe('refused, and nothing is stored', () => {
  for (const [what, body, word] of [
    ['no message', {}, /message/], ['an empty one', { message: '' }, /message/], ['white space', { message: ' \n\t\u3000' }, /message/],
    ...['\u200b', '\u3164', '\u2800', '\u202e\u202c', '\u2060\ufeff', '\u200d', '\ufe0f', '\u{e0041}', '\u00ad \u115f'].map((message) => [
      `nothing but ${[...message].map((c) => c.codePointAt(0).toString(16)).join(' ')}`, { message }, /message/]),
    ['a number', { message: 7 }, /message/], ['null', { message: null }, /message/], ['an object', { message: { $gt: '' } }, /message/],
    ['an array', { message: ['x'] }, /message/], ['an array as body', [], /JSON/], ['broken JSON', '{"message":"x"', /JSON/],
    ['a lone surrogate', '{"message":"\\ud800"}', /JSON/], ['a member twice', '{"message":"a","message":"b"}', /JSON/],
    ['invalid UTF-8', Buffer.from('{"message":"\xff"}', 'latin1'), /JSON/],
  ]) {
    test(what, async () => {
      const [ann, bob] = await pair();
      const answer = await ann.post(`/api/messages/send/${bob.id}`, body);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.error, word);
      assert.deepEqual((await ann.history(bob)).json, []);
    });
  }

  test('a body over 100 KiB: 413', async () => {
    const [ann, bob] = await pair();
    const body = (length) => `{"message":"x"${' '.repeat(length - 15)}}`;
    assert.equal((await ann.post(`/api/messages/send/${bob.id}`, body(102400))).status, 201);
    const answer = await ann.post(`/api/messages/send/${bob.id}`, body(102401));
    assert.equal(answer.status, 413);
    assert.equal(typeof answer.json.code, 'string');
    assert.equal((await ann.history(bob)).json.length, 1);
  });

  test('to nobody: 404 User not found', async () => {
    const ann = await signUp('ann');
    const answer = await ann.send(nobody, 'hello?');
    assert.deepEqual([answer.status, answer.json.error], [404, 'User not found']);
  });

  for (const id of ['x', '123', 'z'.repeat(24), '0'.repeat(25), '%00', '$gt']) {
    test(`to a bad id: ${id}`, async () => {
      const ann = await signUp('ann');
      for (const answer of [await ann.send(id, 'x'), await ann.history(id)]) {
        assert.ok([400, 404].includes(answer.status), answer.text);
        assert.match(answer.json.code, /^[A-Z_]+$/);
      }
    });
  }
});

describe('a history', () => {
  test('is empty without messages, and holds no other pair\'s', async () => {
    const [ann, bob] = await pair();
    const eve = await signUp('eve');
    await ann.send(bob, 'secret');
    assert.deepEqual((await eve.history(ann)).json, []);
    assert.deepEqual((await eve.history(bob)).json, []);
    assert.deepEqual((await ann.history(eve)).json, []);
  });

  test('is in the order of the answers, from both sides', async () => {
    const [ann, bob] = await pair();
    const sent = [];
    for (let i = 0; i < 12; i++) sent.push((await (i % 3 ? ann.send(bob, `m${i}`) : bob.send(ann, `m${i}`))).json);
    assert.deepEqual((await ann.history(bob)).json, sent);
    assert.deepEqual((await bob.history(ann)).json, sent);
  });

  test('has all of many first messages sent at once', async () => {
    const [ann, bob] = await pair();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? ann.send(bob, `${i}`) : bob.send(ann, `${i}`))));
    assert.ok(answers.every(({ status }) => status === 201));
    const history = (await ann.history(bob)).json;
    assert.deepEqual(history.map((m) => m._id).sort(), answers.map((a) => a.json._id).sort());
    const order = history.map((m) => `${m.createdAt} ${m._id}`);
    assert.deepEqual(order, [...order].sort());
  });

  test('comes whole without a limit, however long it is', async () => {
    const [ann, bob] = await pair();
    const sent = [];
    for (let batch = 0; batch < 30; batch++) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => {
        sent.push(`${batch}-${i}`);
        return ann.send(bob, `${batch}-${i}`).then((answer) => assert.equal(answer.status, 201));
      }));
    }
    const history = await bob.history(ann);
    assert.equal(history.json.length, 600);
    assert.deepEqual(texts(history).sort(), sent.sort());
    const order = history.json.map((m) => `${m.createdAt} ${m._id}`);
    assert.deepEqual(order, [...order].sort());
  });

  test('tells HEAD no length where a GET has none', async () => {
    const [ann, bob] = await pair();
    const head = () => call(hold.stack.url, 'HEAD', `/api/messages/${bob.id}`, undefined, { cookie: ann.cookie });
    await ann.send(bob, 'short');
    assert.equal((await head()).headers.get('content-length'), (await ann.history(bob)).headers.get('content-length'));
    for (let i = 0; i < 8; i++) await ann.send(bob, 'x'.repeat(65536));
    assert.equal((await ann.history(bob)).headers.get('content-length'), null);
    assert.deepEqual([(await head()).status, (await head()).headers.get('content-length')], [200, null]);
    assert.equal((await ann.get('/api/auth/me')).status, 200);
  });

  test('comes in pages, with a link to the earlier ones', async () => {
    const [ann, bob] = await pair();
    for (let i = 0; i < 7; i++) await ann.send(bob, `m${i}`);
    const all = (await ann.history(bob)).json;
    const pages = [];
    let path = `/api/messages/${bob.id}?limit=3`;
    while (path) {
      const page = await ann.get(path);
      assert.equal(page.status, 200);
      pages.unshift(...page.json);
      path = /<([^>]*)>; rel="prev"/.exec(page.headers.get('link') ?? '')?.[1];
    }
    assert.deepEqual(pages, all);
    const later = await ann.history(bob, `?limit=2&after=${all[3]._id}`);
    assert.deepEqual(later.json, all.slice(4, 6));
    assert.deepEqual((await ann.history(bob, `?limit=200&before=${all[3]._id}`)).json, all.slice(0, 3));
  });

  test('refuses bad pages', async () => {
    const [ann, bob] = await pair();
    const { json } = await ann.send(bob, 'x');
    for (const query of ['limit=0', 'limit=201', 'limit=x', 'limit=-1', 'limit=1&before=x', `limit=1&before=${json._id}&after=${json._id}`, 'limit=']) {
      const answer = await ann.history(bob, `?${query}`);
      assert.equal(answer.status, 400, query);
      assert.equal(typeof answer.json.error, 'string');
    }
  });
});

describe('Idempotency-Key', () => {
  const key = () => ({ 'idempotency-key': `k-${Math.random()}` });

  test('gives the first answer again and stores nothing', async () => {
    const [ann, bob] = await pair();
    const headers = key();
    const [first, again] = [await ann.send(bob, 'once', headers), await ann.send(bob, 'once', headers)];
    assert.equal(first.headers.get('idempotent-replayed'), null);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.equal(again.status, 201);
    assert.equal(again.text, first.text);
    assert.equal((await bob.history(ann)).json.length, 1);
  });

  test('gives one message to 50 sends at once', async () => {
    const [ann, bob] = await pair();
    const headers = key();
    const answers = await Promise.all(Array.from({ length: 50 }, () => ann.send(bob, 'once', headers)));
    assert.deepEqual([...new Set(answers.map(({ status, text }) => `${status} ${text}`))], [`201 ${answers[0].text}`]);
    assert.equal(answers.filter((a) => a.headers.get('idempotent-replayed') === null).length, 1);
    assert.equal((await bob.history(ann)).json.length, 1);
  });

  test('refuses another body or receiver with 422', async () => {
    const [ann, bob] = await pair();
    const headers = key();
    await ann.send(bob, 'once', headers);
    assert.equal((await ann.send(bob, 'twice', headers)).status, 422);
    assert.equal((await ann.send(ann, 'once', headers)).status, 422);
    assert.equal((await bob.history(ann)).json.length, 1);
  });

  test('is each sender\'s own', async () => {
    const [ann, bob] = await pair();
    const headers = key();
    assert.equal((await ann.send(bob, 'a', headers)).status, 201);
    const answer = await bob.send(ann, 'b', headers);
    assert.deepEqual([answer.status, answer.json.message, answer.headers.get('idempotent-replayed')], [201, 'b', null]);
  });

  test('must be 1 to 64 visible ASCII characters', async () => {
    const [ann, bob] = await pair();
    assert.equal((await ann.send(bob, 'x', { 'idempotency-key': 'k'.repeat(64) })).status, 201);
    for (const value of ['k'.repeat(65), 'a b', 'a\tb', '\xe9']) {
      assert.equal((await ann.send(bob, 'x', { 'idempotency-key': value })).status, 400, value);
    }
    assert.equal((await bob.history(ann)).json.length, 1);
  });

  // nginx joins repeated headers, and takes an empty one for none.
  test('must come once, and not empty, also without the gateway', async (t) => {
    if (!hold.stack.dir) return t.skip('only of a stack of its own is the service\'s port known');
    const [ann, bob] = await pair();
    const service = await hold.stack.addressOf('message');
    const statusOf = async (base, keys) => {
      const request = http.request(`${base}/api/messages/send/${bob.id}`, {
        method: 'POST', headers: { cookie: ann.cookie, 'content-type': 'application/json', 'idempotency-key': keys },
      });
      request.end('{"message":"x"}');
      const [answer] = await once(request, 'response');
      answer.resume();
      return answer.statusCode;
    };
    for (const keys of [['a', 'b'], ['a', 'a'], ['']]) {
      for (const base of [hold.stack.url, service]) assert.equal(await statusOf(base, keys), 400);
    }
    assert.deepEqual((await ann.history(bob)).json, []);
  });
});

describe('who is offline', () => {
  const ttl_s = Math.ceil(Math.max(2, patient(1.5))); // more than such a machine stands still
  const online = useStack({ before, after, afterEach }, { ONLINE_TTL: String(ttl_s) });
  const join = (name) => Person.signUp(online.stack.url, name);
  const offline = async (person, to) => waitUntil('the sender to count as offline', async () => {
    const answer = await person.send(to, 'am I?');
    return answer.status === 403 && answer;
  }, { within: 10000 });

  /** Who has just done what makes them online may send; once more, if so long passed between that they are not. */
  const passes = (what, comes, send) => waitUntil(what, async () => { await comes(); return (await send()).status === 201; }, { within: 10000 });

  test('may not send: 403 OFFLINE, and nothing is stored', async () => {
    const [ann, bob] = [await join('ann'), await join('bob')];
    await ann.send(bob, 'fresh');
    const answer = await offline(ann, bob);
    assert.deepEqual(answer.json, { error: 'You are offline. Connect or log in again to chat.', code: 'OFFLINE' });
    const stored = texts(await bob.history(ann)).length;
    assert.equal((await ann.send(bob, 'refused')).status, 403);
    assert.equal((await bob.history(ann)).json.length, stored);
    assert.equal((await ann.send(nobody, 'refused')).json.code, 'OFFLINE', 'whoever the recipient is');
    await passes('a request to count as being here', () => ann.get('/api/users'), () => ann.send(bob, 'back'));
  });

  test('is back with a log-in or a socket, for as long as the socket lives', async () => {
    const [ann, bob] = [await join('ann'), await join('bob')];
    await offline(ann, bob);
    const sends = async (text) => {
      const answer = await ann.send(bob, text);
      assert.equal(answer.status, 201, answer.text);
    };
    let cookie;
    await passes('a log-in to count', async () => { [cookie] = (await ann.logIn()).cookies[0].split(';'); }, () => ann.send(bob, 'logged in', { cookie }));
    const watcher = await join('watcher');
    await offline(ann, bob);
    await ann.connect();
    await sends('connected');
    await offline(watcher, bob);
    await sends('still connected');
    ann.close();
    await offline(ann, bob);
  });

  test('still receives', async () => {
    const [bob, ann] = [await join('bob'), await join('ann')];
    await offline(bob, ann);
    await passes('the message', () => ann.get('/api/users'), () => ann.send(bob, 'for later'));
    assert.ok(texts(await bob.history(ann)).includes('for later'));
  });
});

describe('under CHAT_REQUIRES_ONLINE=both', () => {
  const both = useStack({ before, after, afterEach }, { CHAT_REQUIRES_ONLINE: 'both', ONLINE_TTL: '1' });

  test('a recipient who is offline gives 409, one who does not exist 404', async () => {
    const [ann, bob] = [await Person.signUp(both.stack.url, 'ann'), await Person.signUp(both.stack.url, 'bob')];
    await ann.connect();
    const refused = await waitUntil('bob to be offline', async () => {
      const answer = await ann.send(bob, 'there?');
      return answer.status === 409 && answer;
    }, { within: 10000 });
    assert.equal(refused.json.code, 'RECIPIENT_OFFLINE');
    assert.equal((await ann.send(nobody, 'there?')).status, 404);
    await bob.connect();
    assert.equal((await ann.send(bob, 'now')).status, 201);
    for (const person of [ann, bob]) person.close();
  });
});

describe('while another program holds the database', () => {
  // Each waits for the lock, but none after another that has waited in vain.
  test('sends get 503 with Retry-After in time, and are not stored; after it they pass', async (t) => {
    if (!hold.stack.dir) return t.skip('only the store of a stack of its own is at hand');
    if (hold.stack.mongoUri) return t.skip('MongoDB has no such lock; outage.test.mjs is its like there');
    const [ann, bob] = await pair();
    const first = await ann.send(bob, 'before');
    const other = await holdDatabase(hold.stack);
    try {
      const sends = Array.from({ length: 20 }, async (_, i) => {
        const began = performance.now();
        // Some come while the first wait already.
        if (i % 2) await ann.get(`/api/messages/${bob.id}?limit=1`);
        return { ...await ann.send(bob, `while ${i}`), took: performance.now() - began };
      });
      for (const { status, headers, took } of await Promise.all(sends)) {
        assert.equal(status, 503);
        assert.ok(Number(headers.get('retry-after')) >= 1);
        assert.ok(took < patient(4500), `${took} ms`); // R8 says 3 s, of a machine that has time
      }
      assert.deepEqual((await bob.history(ann)).json, [first.json]);
    } finally {
      await other.release();
    }
    const after = await ann.send(bob, 'after');
    assert.equal(after.status, 201);
    assert.deepEqual((await bob.history(ann)).json, [first.json, after.json]);
  });
});

describe('too many messages', () => {
  const limited = useStack({ before, after, afterEach }, { LIMIT_MESSAGES_PER_SECOND: '2', LIMIT_MESSAGES_BURST: '5' });

  test('get 429 with Retry-After and are not stored; the sender goes on later, others at once', async () => {
    const join = (name) => Person.signUp(limited.stack.url, name);
    const [ann, bob] = [await join('ann'), await join('bob')];
    const begun = Date.now();
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => ann.send(bob, `m${i}`)));
    const most = 6 + 2 * Math.ceil((Date.now() - begun) / 1000);
    const kept = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(kept.length >= 5 && kept.length <= most, `${kept.length} kept`);
    assert.equal(kept.length + refused.length, 12);
    for (const answer of refused) {
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      assert.equal(typeof answer.json.code, 'string');
    }
    assert.equal((await bob.history(ann)).json.length, kept.length);
    assert.equal((await bob.send(ann, 'hi')).status, 201);
    await waitUntil('the next to pass', async () => (await ann.send(bob, 'later')).status === 201);
  });

  test('are refused before a long body is read; a short one is read first; a long one passes when it is in time', async () => {
    const [ann, bob] = [await Person.signUp(limited.stack.url, 'ann'), await Person.signUp(limited.stack.url, 'bob')];
    const post = (body) => ann.post(`/api/messages/send/${bob.id}`, body);
    const broken = (length) => `{"message":"${'x'.repeat(length)}`;
    assert.equal((await post(broken(9000))).status, 400, 'in time it is read');
    await waitUntil('a long one to be refused unread', async () => {
      while ((await ann.send(bob, 'too many')).status === 201);
      const { status, json, headers } = await post(broken(9000));
      return status === 429 && json.code === 'TOO_MANY_REQUESTS' && Number(headers.get('retry-after')) >= 1;
    });
    assert.equal((await post(broken(100))).status, 400);
    const long = `${'x'.repeat(20000)}\n"\\`;
    const sent = await waitUntil('its turn', async () => { const answer = await ann.send(bob, long); return answer.status === 201 && answer; });
    assert.equal(sent.json.message, long);
  });
});

test('other methods on a message route: 405 with Allow', async () => {
  const ann = await signUp('ann');
  const answer = await call(hold.stack.url, 'DELETE', `/api/messages/${ann.id}`, undefined, { cookie: ann.cookie });
  assert.equal(answer.status, 405);
  assert.match(answer.headers.get('allow'), /GET/);
});
