// Behind a proxy of the operator's own: which scheme, host and address a client has, by the headers that
// proxies send. They are read from GATEWAY_TRUSTED_PROXIES alone.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

const host = 'chat.example.org';
const proxy = '127.0.0.1';
const stranger = '127.0.0.2'; // no proxy, as far as the gateway knows
const hold = useStack({ before, after, afterEach }, { GATEWAY_BIND: '127.0.0.1', GATEWAY_TRUSTED_PROXIES: '127.0.0.1 10.0.0.0/8 fd00::/8' });
let requests = 0;

/** A request from `localAddress`, as a page of `origin` makes it; gives its status. */
const ask = (headers, { origin = `https://${host}`, localAddress = proxy, port = hold.stack.port, upgrade = false } = {}) => withDeadline('an answer',
  new Promise((resolve, reject) => {
    const id = `forwarded-${++requests}`;
    const request = http.get({
      host: '127.0.0.1', port, localAddress, path: `/socket.io/?EIO=4&transport=${upgrade ? 'websocket' : 'polling'}`,
      headers: {
        host, origin, 'x-request-id': id, ...headers,
        ...upgrade && { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
      },
    });
    request.on('response', (answer) => { answer.resume(); resolve({ status: answer.statusCode, id }); });
    request.on('upgrade', (answer, socket) => { socket.destroy(); resolve({ status: answer.statusCode, id }); });
    request.on('error', reject);
  }));

/** Whom the gateway takes for the client of a request. */
const addressOf = async ({ id }, stack = hold.stack) => waitUntil(`the log of ${id}`, async () => {
  const text = await readFile(path.join(stack.dir, 'data/run/gateway/logs/access.log'), 'utf8');
  const line = text.split('\n').find((one) => one.includes(`"req":"${id}"`));
  return line && JSON.parse(line).ip;
});

describe('a trusted proxy tells the scheme', () => {
  for (const [headers, scheme] of [
    [{ 'x-forwarded-proto': 'https' }, 'https'], [{ 'x-forwarded-proto': 'wss' }, 'https'], [{ 'x-forwarded-proto': 'WSS' }, 'https'],
    [{ 'x-forwarded-proto': 'HTTPS' }, 'https'], [{ 'x-forwarded-proto': 'http' }, 'http'], [{ 'x-forwarded-proto': 'ws' }, 'http'],
    [{ 'x-forwarded-proto': 'https,http' }, 'https'], [{ 'x-forwarded-proto': 'wss, http' }, 'https'], [{ 'x-forwarded-proto': 'http, https' }, 'http'],
    [{ 'x-forwarded-proto': ' , https\t,http' }, 'https'], [{ 'x-forwarded-proto': 'httpsx' }, 'http'], [{ 'x-forwarded-proto': 'ftp,https' }, 'http'],
    [{ 'x-forwarded-proto': '' }, 'http'], [{}, 'http'],
    [{ forwarded: 'proto=https' }, 'https'], [{ forwarded: 'for=203.0.113.9;proto=https;by=10.0.0.1' }, 'https'], [{ forwarded: 'PROTO=Https' }, 'https'],
    [{ forwarded: 'For="[2001:db8::1]:4711"; Proto="https"' }, 'https'], [{ forwarded: 'proto=wss' }, 'https'], [{ forwarded: 'proto="w\\ss"' }, 'https'],
    [{ forwarded: 'for=203.0.113.9;proto=https, for=10.0.0.2;proto=http' }, 'https'], [{ forwarded: 'proto=http,proto=https' }, 'http'],
    [{ forwarded: ['for=203.0.113.9;proto=https', 'for=10.0.0.2;proto=http'] }, 'https'],
    [{ forwarded: 'for="a, proto=http;";proto=https' }, 'https'], [{ forwarded: 'for=203.0.113.9;;proto=https,' }, 'https'],
    [{ forwarded: 'for=203.0.113.9' }, 'http'], [{ forwarded: 'proto="https' }, 'http'], [{ forwarded: 'proto' }, 'http'], [{ forwarded: '' }, 'http'],
    [{ forwarded: 'proto=https', 'x-forwarded-proto': 'http' }, 'http'], [{ forwarded: 'proto=https', 'x-forwarded-for': '203.0.113.9' }, 'http'],
  ]) {
    test(`${JSON.stringify(headers)}: ${scheme}`, async () => {
      const other = scheme === 'https' ? 'http' : 'https';
      assert.equal((await ask(headers, { origin: `${scheme}://${host}` })).status, 200);
      assert.equal((await ask(headers, { origin: `${other}://${host}` })).status, 403);
    });
  }

  for (const headers of [{ 'x-forwarded-proto': 'wss' }, { forwarded: 'for=203.0.113.9;proto=wss' }]) {
    test(`${JSON.stringify(headers)} lets a WebSocket through`, async () => {
      assert.equal((await ask(headers, { upgrade: true })).status, 101);
      assert.equal((await ask(headers, { upgrade: true, origin: `http://${host}` })).status, 403);
    });
  }
});

describe('a trusted proxy tells the host', () => {
  for (const headers of [
    { 'x-forwarded-proto': 'https', 'x-forwarded-host': host }, { 'x-forwarded-proto': 'https', 'x-forwarded-host': `${host}, inner` },
    { 'x-forwarded-proto': 'https', 'x-forwarded-host': `${host}:443` }, { forwarded: `proto=https;host=${host}` },
    { forwarded: `proto=https;host="${host}:443", proto=http;host=inner` }, { forwarded: `proto=https;host=${host}:443` },
  ]) {
    test(JSON.stringify(headers), async () => {
      assert.equal((await ask({ ...headers, host: 'parley:5000' })).status, 200);
      assert.equal((await ask({ ...headers, host: 'parley:5000' }, { origin: 'https://parley:5000' })).status, 403);
    });
  }

  test('but none that could not be one', async () => {
    assert.equal((await ask({ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil example' })).status, 200);
  });
});

describe('a trusted proxy tells the address', () => {
  for (const [headers, address] of [
    [{ forwarded: 'for=203.0.113.9' }, '203.0.113.9'], [{ forwarded: 'for="203.0.113.9:4711"' }, '203.0.113.9'],
    [{ forwarded: 'for="[2001:db8::1]:4711";proto=https' }, '2001:db8::1'], [{ forwarded: 'For="[2001:DB8::1]"' }, '2001:db8::1'],
    [{ forwarded: 'for=203.0.113.9, for=10.0.0.2' }, '203.0.113.9'], [{ forwarded: 'for=203.0.113.9, for="[fd00::2]:80"' }, '203.0.113.9'],
    // What stands in front of a stranger, the stranger made up.
    [{ forwarded: 'for=6.6.6.6, for=203.0.113.9' }, '203.0.113.9'], [{ forwarded: ['for=6.6.6.6', 'for=203.0.113.9, for=10.0.0.2'] }, '203.0.113.9'],
    [{ forwarded: 'for=6.6.6.6, for=unknown, for=10.0.0.2' }, '10.0.0.2'], [{ forwarded: 'for=6.6.6.6, proto=https' }, proxy],
    [{ forwarded: 'for=_hidden' }, proxy], [{ forwarded: 'for="6.6.6.6' }, proxy], [{ forwarded: ['for="', 'for=203.0.113.9'] }, '203.0.113.9'],
    [{ 'x-forwarded-for': '203.0.113.9', forwarded: 'for=6.6.6.6' }, '203.0.113.9'], [{ 'x-forwarded-proto': 'https', forwarded: 'for=6.6.6.6' }, proxy],
    [{ 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.0.0.2' }, '203.0.113.9'],
  ]) {
    test(`${JSON.stringify(headers)}: ${address}`, async () => assert.equal(await addressOf(await ask(headers)), address));
  }

  test('a made-up Forwarded does not count before a hundred others and the proxy\'s own header', async () => {
    const many = Object.fromEntries(Array.from({ length: 110 }, (_, i) => [`x-${i}`, 'y']));
    assert.equal(await addressOf(await ask({ forwarded: 'for=6.6.6.6', ...many, 'x-forwarded-for': '203.0.113.9' })), '203.0.113.9');
  });
});

test('a stranger tells nothing', async () => {
  const from = { localAddress: stranger };
  for (const headers of [{ 'x-forwarded-proto': 'wss' }, { 'x-forwarded-proto': 'https,http' }, { forwarded: 'for=203.0.113.9;proto=https' },
    { 'x-forwarded-proto': 'https', 'x-forwarded-host': host, host: 'other' }]) {
    const refused = await ask(headers, from);
    assert.equal(refused.status, 403, JSON.stringify(headers));
    assert.equal(await addressOf(refused), stranger);
    assert.equal((await ask(headers, { ...from, origin: `http://${headers.host ?? host}` })).status, 200);
  }
});

test('where no proxy is trusted, none tells anything', async () => {
  const stack = await Stack.start({ GATEWAY_BIND: '127.0.0.1', LIMIT_LOGIN_ACCOUNT: '3', LIMIT_LOGIN_ADDRESS: '3' });
  try {
    const refused = await ask({ forwarded: 'for=203.0.113.9;proto=https' }, { port: stack.port });
    assert.equal(refused.status, 403);
    assert.equal(await addressOf(refused, stack), proxy);
  } finally {
    await stack.stop();
  }
});

test('people behind a trusted proxy are told apart by Forwarded, as the limits see them', async () => {
  const stack = await Stack.start({ GATEWAY_BIND: '127.0.0.1', GATEWAY_TRUSTED_PROXIES: proxy, GATEWAY_REQUESTS_PER_SECOND: '1' });
  try {
    await Person.signUp(stack.url, 'ann');
    const burst = (from) => Promise.all(Array.from({ length: 40 }, () => fetch(`http://127.0.0.1:${stack.port}/api/users`, { headers: { forwarded: `for=${from}` } })));
    assert.ok((await burst('203.0.113.9')).some(({ status }) => status === 429));
    const { status } = await fetch(`http://127.0.0.1:${stack.port}/api/users`, { headers: { forwarded: 'for=203.0.113.10' } });
    assert.equal(status, 401);
  } finally {
    await stack.stop();
  }
});
