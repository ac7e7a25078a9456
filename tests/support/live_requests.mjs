// Requests over live connections, mutated from good ones of every route: in any byte, in what frames them, in
// their JSON, cut off, and several in one.
import assert from 'node:assert/strict';
import { Wire } from './conformance.mjs';
import { jpeg, png } from './pictures.mjs';
import { withDeadline } from './wait.mjs';

const anyId = (r) => r.list(24, () => r.pick([...'0123456789abcdef'])).join('').padEnd(24, '0');

const picture = png(8, 8);

/**
 * [method, target, body] by service, of each of its routes; `who` has the ids {eve, mallory, blocked, message, own},
 * own those of messages that eve sent. Nothing here ends her account or her session: a password is never right.
 */
const routes = {
  auth: [
    ['GET', () => '/api/auth/me'], ['GET', () => '/api/auth/me'], ['GET', () => '/api/auth/sessions'],
    ['DELETE', (who, r) => `/api/auth/sessions/${anyId(r).slice(0, 22)}`], ['POST', () => '/api/auth/logout'], ['POST', () => '/api/auth/logout-all'],
    // Seldom as they should be, for a hash takes long.
    ['POST', () => '/api/auth/login', (who, r) => ({ username: `u${r.below(1e9)}`, password: r.oneIn(40) ? 'a long password' : 7 })],
    ['POST', () => '/api/auth/signup', (who, r) => ({ fullName: 'É. Ve', username: `v${r.below(1e9)}`, password: 'a long password', confirmPassword: r.oneIn(40) ? 'a long password' : 'another', gender: 'female' })],
    ['GET', () => '/api/auth/settings'], ['GET', () => '/api/auth/export'],
    ['PATCH', () => '/api/auth/me', (who, r) => r.pick([{ fullName: 'É. Ve' }, { gender: 'male' }, { fullName: 'Eve', gender: 'female' }])],
    ['POST', () => '/api/auth/password', (who, r) => ({ password: r.oneIn(40) ? 'not hers' : 7, newPassword: 'a new password', confirmPassword: 'a new password' })],
    ['PUT', () => '/api/auth/avatar', (who, r) => r.pick([picture, picture, jpeg])], ['DELETE', () => '/api/auth/avatar'],
    ['DELETE', () => '/api/auth/me', (who, r) => ({ password: r.oneIn(40) ? 'not hers' : 7 })],
  ],
  message: [
    ['POST', (who) => `/api/messages/send/${who.mallory}`, () => ({ message: 'hello, wörld' })],
    ['GET', (who, r) => `/api/messages/${who.mallory}?limit=${1 + r.below(20)}&${r.pick(['before', 'after'])}=${who.message}`],
    ['GET', (who) => `/api/messages/${who.mallory}?limit=20`],
    ['POST', (who) => `/api/messages/read/${who.mallory}`, (who) => ({ upTo: who.message })],
    ['GET', (who, r) => `/api/conversations?limit=${1 + r.below(100)}&before=${r.oneIn(2) ? who.message : `1a2b-${who.mallory}`}`],
    ['PATCH', (who, r) => `/api/messages/message/${r.pick([who.message, ...who.own])}`, (who, r) => ({ message: `edited ${r.below(100)}` })],
    ['DELETE', (who, r) => `/api/messages/message/${r.oneIn(20) ? r.pick(who.own) : r.pick([who.message, anyId(r)])}`],
    ['GET', () => '/api/conversations?limit=10'], ['GET', (who) => `/api/conversations/${who.mallory}`],
  ],
  presence: [
    ['GET', () => '/api/users'], ['GET', (who, r) => `/api/users?limit=${1 + r.below(100)}&after=${who.eve}&q=${r.pick(['eve', 'm%C3%A1l', '%F0%9F%98%80', 'a%20b%20c'])}`],
    ['GET', (who) => `/api/users/${who.mallory}`], ['GET', (who) => `/api/users/profile/${who.mallory}`],
    ['POST', (who) => `/api/users/status/${who.eve}`, (who, r) => ({ status: r.pick(['BUSY', 'AVAILABLE']), note: 'until three' })],
    ['GET', () => '/api/users/blocked'], ['POST', (who, r) => `/api/users/block/${r.pick([who.blocked, anyId(r)])}`],
    ['DELETE', (who, r) => `/api/users/block/${r.pick([who.blocked, anyId(r)])}`], ['GET', (who) => `/api/users/avatar/${who.eve}?v=abc`],
    ['GET', () => '/socket.io/?EIO=4&transport=polling'], ['POST', () => '/socket.io/?EIO=4&transport=polling&sid=p1.none', () => '40'],
  ],
};

const headers = ['Idempotency-Key: abc', 'X-Socket-Id: p1.none', 'If-None-Match: "x"', 'If-None-Match: W/"x", *', 'Accept-Encoding: gzip', 'Origin: http://evil.example',
  'Authorization: Bearer a.b.c', 'Cookie: jwt=a.b.c; jwt="d"', 'Expect: 100-continue', 'X-Forwarded-For: 1.2.3.4, ::1', 'X-Request-Id: €', 'Range: bytes=0-1',
  'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'X-Method: DELETE', 'Transfer-Encoding: gzip', 'Content-Length: 3', 'Upgrade: websocket', 'X: ', ': x'];
const values = [null, true, 0, -1, 1e300, '', 'x'.repeat(3000), '\u0000', '😀', '\ud800', [], {}, [[]], { $gt: '' }, ['a']];

const bend = (r, value) => {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value !== 'object' || r.oneIn(6)) return r.pick(values);
  const bent = { ...value, ...(r.oneIn(4) && { [r.pick(['__proto__', 'extra', ''])]: r.pick(values) }) };
  const key = r.pick(Object.keys(bent));
  if (r.oneIn(3)) delete bent[key]; else bent[key] = r.pick(values);
  return bent;
};

/** Between one and four bytes of it other, gone, twice, or more. */
const scramble = (r, bytes) => {
  let out = bytes;
  for (let n = 1 + r.below(4); n > 0 && out.length > 0; n--) {
    const at = r.below(out.length);
    const length = 1 + r.below(r.oneIn(5) ? 200 : 4);
    out = r.pick([
      () => { const flipped = Buffer.from(out); flipped[at] ^= 1 << r.below(8); return flipped; },
      () => Buffer.concat([out.subarray(0, at), out.subarray(at + length)]),
      () => Buffer.concat([out.subarray(0, at + length), out.subarray(at)]),
      () => Buffer.concat([out.subarray(0, at), Buffer.from(r.list(length, () => r.below(256))), out.subarray(at)]),
    ])();
  }
  return out;
};

const chunked = (r, body) => {
  const pieces = [];
  for (let at = 0; at < body.length;) {
    const piece = body.subarray(at, at + 1 + r.below(20));
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
    at += piece.length;
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
};

/** A request: its bytes, and whether it is certain that it ends, so that an answer must come. */
function anyRequest(r, service, who) {
  const [given, targetOf, bodyOf] = r.pick(routes[service]);
  let method = given;
  let target = targetOf(who, r);
  const cookie = /logout/.test(target) ? who.spare : r.pick([who.cookie, who.cookie, who.cookie, undefined, 'jwt=a.b.c']);
  let body = bodyOf && bodyOf(who, r);
  const lines = [`Host: localhost`, ...(cookie ? [`Cookie: ${r.oneIn(30) ? scramble(r, Buffer.from(cookie)).toString('latin1').replace(/[\r\n\0]/g, '') : cookie}`] : [])];
  if (body !== undefined && r.oneIn(2)) body = bend(r, body);
  let bytes = Buffer.from(body === undefined ? '' : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  if (bytes.length > 0 && r.oneIn(3)) bytes = scramble(r, bytes);
  if (r.oneIn(6)) target = scramble(r, Buffer.from(target)).toString('latin1').replace(/[\s\0]/g, '%');
  if (r.oneIn(20)) method = r.pick(['HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'GET', 'POST']);
  // kore reads no body of a DELETE, and takes it for the next request.
  let isCertain = target.startsWith('/') && method === given && !(method === 'DELETE' && bytes.length > 0);
  const more = r.oneIn(4) ? r.list(3, () => r.pick(headers)) : [];
  if (more.some((line) => /^(?:Tr|Con|Exp|Upg|X: |: )/.test(line))) isCertain = false;
  lines.push(...more);
  if (bytes.length > 0 || method === 'POST') {
    lines.push(`Content-Type: ${r.oneIn(20) ? 'text/plain' : 'application/json'}`);
    if (r.oneIn(15)) { lines.push('Transfer-Encoding: chunked'); bytes = chunked(r, bytes); isCertain = false; } else {
      const isWrong = r.oneIn(25);
      isCertain &&= !isWrong;
      lines.push(`Content-Length: ${isWrong ? r.pick([0, 1, -1, '', bytes.length + 5, 2 ** 31, 2 ** 63, '99999999999999999999', '0x10']) : bytes.length}`);
    }
  }
  let whole = Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
  if (r.oneIn(8)) { whole = scramble(r, whole); isCertain = false; }
  if (r.oneIn(40)) { whole = whole.subarray(0, r.below(whole.length)); isCertain = false; }
  if (r.oneIn(40)) { whole = Buffer.concat([whole, whole]); isCertain = false; }
  return { whole, isCertain };
}

const statusOf = (wire) => {
  const found = /^HTTP\/1\.1 (\d\d\d)/.exec(wire.bytes.subarray(0, 12).toString('latin1'));
  return found ? Number(found[1]) : 0;
};

/** Whether all of an answer is there; one that goes on is not kept. */
const isWhole = (wire) => {
  const end = wire.bytes.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(wire.bytes.subarray(0, end).toString('latin1'));
  return length && wire.bytes.length === end + 4 + Number(length[1]);
};

/**
 * So many requests at {host, port}, of `service`'s routes. Gives how many answers there were by status. An
 * answer that says that a server failed is a failure, and so is none to a request that was whole.
 */
export async function fuzzRequests(address, service, who, r, count) {
  const statuses = {};
  let left = count;
  const worker = async () => {
    let wire;
    while (left-- > 0) {
      if (!wire || wire.isEnded) wire = await Wire.open(address);
      const { whole, isCertain } = anyRequest(r, service, who);
      wire.bytes = Buffer.alloc(0);
      wire.write(whole);
      const came = wire.until('an answer', () => statusOf(wire) || wire.isEnded, isCertain ? 30000 : 40);
      await came.catch((error) => { if (isCertain) throw new Error(`${error.message}: ${JSON.stringify(whole.toString('latin1'))}`); });
      const status = statusOf(wire);
      statuses[status] = (statuses[status] ?? 0) + 1;
      assert.ok(status < 500 || [501, 503, 505].includes(status), `${status} to ${JSON.stringify(whole.toString('latin1'))}`);
      if (isCertain && isWhole(wire)) continue;
      wire.end();
      wire = undefined;
    }
    wire?.end();
  };
  await withDeadline('all answers', Promise.all(Array.from({ length: 32 }, worker)), 3e6);
  return statuses;
}

export const services = Object.keys(routes);
