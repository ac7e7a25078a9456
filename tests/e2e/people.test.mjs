// People at size: pages, q, the profile, ETags and compression.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Person } from '../support/api.mjs';
import { storeManyUsers } from '../support/database.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, {
  TEST_STORE: 'sqlite', MONGO_DB_URI: '',
});
const signUp = (name, fullName) => Person.signUp(hold.stack.url, name, fullName && { fullName });
const nobody = '0123456789abcdef01234567';
let ann;
test('the caller signs up', async () => { ann = await signUp('ann', 'Ann Test'); });

/** A request as it is on the wire: nothing is unpacked. */
function raw(person, path, headers = {}, method = 'GET') {
  return new Promise((resolve, reject) => {
    http.request(hold.stack.url + path, { method, headers: { cookie: person.cookie, ...headers } }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part)).on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
    }).on('error', reject).end();
  });
}

/** The path of Link's rel="next", if there is one. */
function nextOf({ headers }) {
  const link = headers.get('link');
  return link && link.match(/^<(\/api\/users\?[^>]*)>; rel="next"$/)[1];
}

async function allPages(person, path) {
  const users = [];
  for (let next = path; next;) {
    const answer = await person.get(next);
    assert.equal(answer.status, 200, answer.text);
    users.push(...answer.json);
    next = nextOf(answer);
  }
  return users;
}
const find = async (q, person = ann) => (await allPages(person, `/api/users?q=${encodeURIComponent(q)}`)).map(({ fullName }) => fullName);

describe('a page of people', () => {
  const names = ['zz zoë', 'ZZ Émile', 'zz adam', 'zz e\u0301mile', 'zz Åke'];
  test('people sign up', () => Promise.all(names.map((fullName) => signUp('order', fullName))));

  test('is in the order of folded names, then ids, in pages of any size, without the caller', async () => {
    const everybody = (await ann.get('/api/users')).json;
    const fold = (name) => name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
    const order = (a, b) => (fold(a.fullName) < fold(b.fullName) ? -1 : fold(a.fullName) > fold(b.fullName) ? 1 : a._id < b._id ? -1 : 1);
    const wanted = everybody.sort(order);
    for (const limit of [1, 2, 100]) assert.deepEqual(await allPages(ann, `/api/users?limit=${limit}`), wanted);
    assert.deepEqual(await allPages(ann, '/api/users?q='), wanted);
    const zoe = (await find('zz zoe')).length;
    assert.equal(zoe, 1);
  });

  test('has limit users, and a Link while there are more', async () => {
    const first = await ann.get('/api/users?limit=2&q=zz');
    assert.equal(first.json.length, 2);
    assert.deepEqual(Object.keys(first.json[0]), ['_id', 'fullName', 'username', 'profilePic', 'status', 'createdAt', 'updatedAt']);
    assert.equal(nextOf(first), `/api/users?limit=2&after=${first.json[1]._id}&q=zz`);
    const second = await ann.get(nextOf(first));
    const last = await ann.get(nextOf(second));
    assert.equal(second.json.length, 2);
    assert.equal(last.json.length, 1);
    assert.equal(last.headers.get('link'), null);
    const exact = await ann.get('/api/users?limit=5&q=zz');
    assert.deepEqual([exact.json.length, exact.headers.get('link')], [5, null]);
    const after = await ann.get(`/api/users?after=${exact.json[3]._id}`);
    assert.ok(after.json.length <= 50 && after.json[0]._id === exact.json[4]._id);
  });

  test('percent-encodes q in its Link', async () => {
    await Promise.all([1, 2].map(() => signUp('link', 'Ünïque ">&=# Person')));
    const first = await ann.get(`/api/users?limit=1&q=${encodeURIComponent('ünïq ">&')}`);
    assert.match(first.headers.get('link'), /^<\/api\/users\?limit=1&after=[0-9a-f]{24}&q=%C3%BCn%C3%AFq%20%22%3E%26>; rel="next"$/);
    assert.equal((await ann.get(nextOf(first))).json.length, 1);
  });

  test('goes on after the caller, too', async () => {
    assert.equal((await ann.get(`/api/users?after=${ann.id}&q=zz`)).json.length, 5);
  });

  for (const [query, field] of [
    ['limit=0', 'limit'], ['limit=101', 'limit'], ['limit=', 'limit'], ['limit=-1', 'limit'], ['limit=1.5', 'limit'], ['limit=x', 'limit'],
    ['limit=5&limit=5', 'limit'], ['limit=99999999999999999999999', 'limit'], ['after=', 'after'], ['after=x', 'after'], [`after=${nobody}`, 'after'], [`after=${nobody}&after=${nobody}`, 'after'],
    ['q=a&q=b', 'q'], ['q=%', 'q'], ['q=%ff', 'q'], ['q=%ed%a0%80', 'q'], ['q=a%00b', 'q'], [`q=${'x'.repeat(101)}`, 'q'], [`q=${'x'.repeat(1500)}`, 'q'],
  ]) {
    test(`is refused by the name of what is wrong: ${query.slice(0, 40)}`, async () => {
      const answer = await ann.get(`/api/users?${query}`);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.error, new RegExp(`^${field} `));
      assert.equal(typeof answer.json.code, 'string');
    });
  }

  test('takes a q of 100 characters of any size', async () => {
    assert.deepEqual((await ann.get(`/api/users?q=${encodeURIComponent('🦊'.repeat(100))}`)).json, []);
  });
});

describe('q', () => {
  test('people sign up', () => Promise.all([
    signUp('qq.lastname', 'Aisha García'), signUp('q', 'Jean-Luc O’Neil'), signUp('q', 'Nguyễn Thị Đặng'), signUp('q', 'Jürgen Straße'),
    signUp('q', 'Işıl İnan'), signUp('q', 'Σίσυφος Ελύτης'), signUp('q', 'Фёдор Ёлкин'), signUp('q', '김철수'), signUp('q', '王小明'), signUp('q', 'Ｆｕｌｌ Wide'),
    signUp('q', 'Zoe\u0308 Combining'), signUp('q', 'ﬁona Ligature'), signUp('q', 'राकेश'), signUp('q', '*** Stars'), signUp('q', '100% Sure_Thing'),
  ]));

  for (const [what, q, ...found] of [
    ['no accents', 'garcia', 'Aisha García'], ['accents and case', 'GARCÍA', 'Aisha García'], ['the other word', 'aish', 'Aisha García'],
    ['both, in any order', 'garc ai', 'Aisha García'], ['the username', 'qq', 'Aisha García'], ['a later word of it', 'lastname', 'Aisha García'],
    ['the middle of a word', 'arcia'], ['one word of two', 'aisha nobodyhere'], ['an apostrophe', 'O\'Neil', 'Jean-Luc O’Neil'], ['without it', 'oneil', 'Jean-Luc O’Neil'],
    ['after it', 'neil', 'Jean-Luc O’Neil'], ['a hyphen', 'jean-l', 'Jean-Luc O’Neil'], ['after it', 'luc', 'Jean-Luc O’Neil'], ['Vietnamese', 'nguyen dang', 'Nguyễn Thị Đặng'],
    ['ß', 'strass', 'Jürgen Straße'], ['ẞ', 'STRAẞE', 'Jürgen Straße'], ['Turkish', 'isil inan', 'Işıl İnan'], ['in capitals', 'IŞIL', 'Işıl İnan'],
    ['the final sigma', 'σισυφοσ', 'Σίσυφος Ελύτης'], ['Greek in capitals', 'ΕΛΥΤΗΣ', 'Σίσυφος Ελύτης'], ['ё', 'елк', 'Фёдор Ёлкин'], ['Hangul', '김', '김철수'], ['half a syllable', '기', '김철수'],
    ['Hangul in NFD', '김철'.normalize('NFD'), '김철수'], ['Chinese', '王', '王小明'], ['a given name', '小明', '王小明'], ['full width', 'full', 'Ｆｕｌｌ Wide'], ['in full width', 'ｗｉｄｅ', 'Ｆｕｌｌ Wide'],
    ['NFD', 'zoë comb', 'Zoe\u0308 Combining'], ['a ligature', 'fio', 'ﬁona Ligature'], ['Devanagari', 'राके', 'राकेश'], ['another vowel', 'रकेश'],
    ['punctuation alone', '***', '*** Stars'], ['a wildcard of SQL', '%'], ['another', '_'], ['and within', '100%', '100% Sure_Thing'], ['after an underscore', 'thing', '100% Sure_Thing'],
  ]) {
    test(`finds by ${what}: ${q}`, async () => assert.deepEqual(await find(q), found));
  }

  test('of white space is none', async () => {
    assert.deepEqual(await find(' \u00a0'), await find(''));
  });

  test('takes + for a space', async () => {
    assert.equal((await ann.get('/api/users?q=aisha+garcia')).json.length, 1);
  });
});

describe('an ETag', () => {
  for (const path of ['/api/users', '/api/users?limit=100', '/api/users?q=an&limit=5']) {
    test(`of ${path} is weak, stays while nothing changes, and gives 304`, async () => {
      const bob = await signUp('another', 'Another One');
      const first = await ann.get(path);
      const tag = first.headers.get('etag');
      assert.match(tag, /^W\/"[0-9a-f]+"$/);
      assert.equal(first.headers.get('cache-control'), 'private, no-cache');
      assert.match(first.headers.get('vary'), /Accept-Encoding/i);
      assert.equal((await ann.get(path)).headers.get('etag'), tag);
      for (const sent of [tag, tag.slice(2), `"x", ${tag}`, '*', ` "a,b" , ${tag} , "y"`]) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await raw(ann, path, { 'if-none-match': sent }, method);
          assert.equal(answer.status, 304, `${method} ${sent}`);
          assert.equal(answer.body.length, 0);
          assert.equal(answer.headers.etag, tag);
          assert.equal(answer.headers['cache-control'], 'private, no-cache');
          assert.match(answer.headers.vary, /Accept-Encoding/i);
          assert.equal(answer.headers['content-length'], undefined);
        }
      }
      for (const sent of ['"x"', 'W/"x"', tag.replace('W/', ''). replaceAll('"', ''), '']) assert.equal((await raw(ann, path, { 'if-none-match': sent })).status, 200, sent);
      // of up to 500 bytes; a longer one is none
      for (const [length, status] of [[500, 304], [501, 200], [3000, 200]]) assert.equal((await raw(ann, path, { 'if-none-match': `${tag},${'"'.padEnd(length - tag.length - 2, 'x')}"` })).status, status, length);
      await bob.setStatus('BUSY');
      const changed = await ann.get(path, { 'if-none-match': tag });
      assert.equal(changed.status, 200);
      assert.notEqual(changed.headers.get('etag'), tag);
      await signUp('another', 'Another Two');
      assert.notEqual((await ann.get(path)).headers.get('etag'), changed.headers.get('etag'));
    });
  }

  test('is each caller\'s own', async () => {
    const bob = await signUp('bob');
    const tag = (await ann.get('/api/users')).headers.get('etag');
    const answer = await bob.get('/api/users', { 'if-none-match': tag });
    assert.equal(answer.status, 200);
    assert.ok(answer.json.some(({ _id }) => _id === ann.id));
  });

  test('does not open a door: no session, no 304', async () => {
    const tag = (await ann.get('/api/users')).headers.get('etag');
    assert.equal((await raw({ cookie: 'jwt=x' }, '/api/users', { 'if-none-match': tag })).status, 401);
    assert.equal((await raw({ cookie: 'jwt=x' }, '/api/users', { 'if-none-match': '*' })).status, 401);
  });

  test('changes when a Link comes', async () => {
    await signUp('tail', 'tailtag one');
    const [before, path] = [await ann.get('/api/users?q=tailtag&limit=1'), '/api/users?q=tailtag&limit=1'];
    await signUp('tail', 'tailtag two');
    const later = await ann.get(path, { 'if-none-match': before.headers.get('etag') });
    assert.equal(later.status, 200);
    assert.ok(nextOf(later));
  });

  test('too long for a head is as good as none', async () => {
    assert.equal((await raw(ann, '/api/users', { 'if-none-match': `"${'x'.repeat(3000)}"` })).status, 200);
  });
});

describe('compression', () => {
  test('people sign up', () => Promise.all(Array.from({ length: 12 }, (_, i) => signUp('big', `Big ${i}`))));

  for (const [sent, isPacked] of [
    ['gzip', true], ['GZIP', true], ['x-gzip', true], ['deflate, gzip;q=0.5', true], ['*', true], ['br, *;q=0.1', true], ['gzip;q=1, identity;q=0.5', true], ['gzip ; q=0.001', true], ['identity;q=0, gzip', true],
    [undefined, false], ['', false], ['identity', false], ['gzip;q=0', false], ['gzip;q=0.000', false], ['*;q=0', false], ['gzip;q=0, *', false], ['br', false], ['identity, gzip;q=0.5', false], ['xgzip', false], ['gzip;q=x', false],
  ]) {
    test(`${isPacked ? 'is made' : 'is not made'} for ${sent}`, async () => {
      for (const path of ['/api/users', '/api/users?q=big']) {
        const plain = await raw(ann, path, { 'accept-encoding': 'identity' });
        assert.ok(plain.body.length > 1024);
        const answer = await raw(ann, path, sent === undefined ? {} : { 'accept-encoding': sent });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['content-encoding'], isPacked ? 'gzip' : undefined);
        assert.deepEqual(isPacked ? gunzipSync(answer.body) : answer.body, plain.body);
        assert.equal(answer.headers.etag, plain.headers.etag);
        assert.match(answer.headers.vary, /^Accept-Encoding$/i);
      }
    });
  }

  test('is made of histories, but not of what is short', async () => {
    const bob = await signUp('bob');
    await ann.send(bob, 'x'.repeat(3000));
    assert.equal((await raw(ann, `/api/messages/${bob.id}`, { 'accept-encoding': 'gzip' })).headers['content-encoding'], 'gzip');
    const short = await raw(ann, '/api/auth/me', { 'accept-encoding': 'gzip' });
    assert.equal(short.headers['content-encoding'], undefined);
    assert.match(short.headers.vary, /Accept-Encoding/);
  });

  test('keeps what HEAD says', async () => {
    const get = await raw(ann, '/api/users', { 'accept-encoding': 'gzip' });
    const head = await raw(ann, '/api/users', { 'accept-encoding': 'gzip' }, 'HEAD');
    assert.deepEqual([head.status, head.headers.etag, head.headers.vary, head.body.length], [200, get.headers.etag, get.headers.vary, 0]);
  });
});

describe('a profile', () => {
  test('has the user, the note, and whether they are online', async () => {
    const bob = await signUp('bob');
    assert.deepEqual((await ann.get(`/api/users/profile/${bob.id}`)).json, { ...bob.user, online: false });
    await bob.setStatus('BUSY', 'until three');
    const socket = await bob.connect();
    await waitUntil('bob to be online', async () => (await ann.get(`/api/users/profile/${bob.id}`)).json.online);
    assert.deepEqual((await ann.get(`/api/users/profile/${bob.id}`)).json, { ...bob.user, status: 'BUSY', statusNote: 'until three', online: true });
    assert.deepEqual((await bob.get('/api/auth/me')).json, { ...bob.user, status: 'BUSY', statusNote: 'until three' });
    assert.deepEqual((await ann.get(`/api/users/${bob.id}`)).json, { status: 'BUSY' });
    assert.equal((await bob.logIn()).json.statusNote, undefined);
    socket.disconnect();
    await waitUntil('bob to be offline', async () => !(await ann.get(`/api/users/profile/${bob.id}`)).json.online);
    await bob.setStatus('AVAILABLE');
    assert.equal((await bob.get('/api/auth/me')).json.statusNote, undefined);
  });

  test('of nobody is 404, of a bad id 400, and other methods are 405', async () => {
    assert.equal((await ann.get(`/api/users/profile/${nobody}`)).status, 404);
    for (const id of ['x', 'me', '0'.repeat(25)]) assert.equal((await ann.get(`/api/users/profile/${id}`)).status, 400);
    const answer = await ann.post(`/api/users/profile/${ann.id}`, {});
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD, OPTIONS']);
    assert.equal((await raw({ cookie: '' }, `/api/users/profile/${ann.id}`)).status, 401);
  });

  test('is no id, and a user of that name harms nothing', async () => {
    const answer = await ann.get('/api/users/profile');
    assert.equal(answer.status, 400);
    assert.match(answer.json.error, /id/);
    const profile = await Person.signUp(hold.stack.url, 'profile', { username: 'profile' });
    assert.equal((await ann.get(`/api/users/profile/${profile.id}`)).json.username, 'profile');
    assert.deepEqual((await ann.get(`/api/users/${profile.id}`)).json, { status: 'AVAILABLE' });
  });
});

describe('20,000 people', () => {
  test('whom another program stored are found, and the whole list is 304 without being read', async () => {
    storeManyUsers(hold.stack, 20000);
    // Each page makes some of them findable first.
    await waitUntil('all to be found', async () => (await ann.get('/api/users?q=one%20many%20many-1999&limit=100')).json.length === 11, { within: 60000 });
    const whole = await raw(ann, '/api/users', { 'accept-encoding': 'gzip' });
    assert.equal(JSON.parse(gunzipSync(whole.body)).length >= 20000, true);
    assert.equal((await raw(ann, '/api/users', { 'if-none-match': whole.headers.etag })).status, 304);
  });
});
