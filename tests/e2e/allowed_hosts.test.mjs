// ALLOWED_HOSTS: a page whose name somebody points at this machine reaches nothing.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import { password, uniqueName } from '../support/api.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { freePort, withDeadline } from '../support/wait.mjs';

const statusPort = await freePort();
const hold = useStack({ before, after, afterEach }, {
  ALLOWED_HOSTS: 'chat.example.org, Parley.Example.:5000,192.0.2.1,[::1]:5000,[2001:DB8:0::7]', GATEWAY_TRUSTED_PROXIES: '127.0.0.1 ::1',
  GATEWAY_STATUS_LISTEN: `127.0.0.1:${statusPort}`,
});

/** {status, json} of a request with that Host. */
const ask = (host, { target = '/api/users', method = 'GET', headers = {}, body = '', port = hold.stack.port } = {}) => withDeadline('an answer', new Promise((resolve, reject) => {
  const request = http.request({ port, host: '127.0.0.1', path: target, method, headers: { host, ...headers } });
  request.on('response', async (answer) => {
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk;
    resolve({ status: answer.statusCode, headers: answer.headers, text });
  });
  request.on('upgrade', (answer, socket) => { socket.destroy(); resolve({ status: answer.statusCode }); });
  request.on('error', reject).end(body);
}));
const upgrade = { target: '/socket.io/?EIO=4&transport=websocket', headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' } };
const signUp = (host, port, headers = {}) => {
  const body = JSON.stringify({ fullName: 'Ann', username: uniqueName('ann'), password, confirmPassword: password, gender: 'female' });
  return ask(host, { target: '/api/auth/signup', method: 'POST', port, body, headers: { 'content-type': 'application/json', 'content-length': body.length, ...headers } });
};

describe('ALLOWED_HOSTS', () => {
  for (const host of ['chat.example.org', 'chat.example.org:80', 'chat.example.org:5000', 'CHAT.Example.ORG', 'chat.example.org.', 'chat.example.org.:8080',
    'parley.example:5000', 'PARLEY.EXAMPLE.:5000', '192.0.2.1', '192.0.2.1:5000', '[::1]:5000', '[0:0:0:0:0:0:0:1]:5000', '[::0.0.0.1]:5000',
    '[2001:db8::7]', '[2001:db8::7]:443', '[2001:0DB8:0000::0007]']) {
    test(`${host} is served`, async () => {
      assert.equal((await ask(host)).status, 401);
      assert.equal((await ask(host, { target: '/' })).status, 200);
      assert.equal((await ask(host, upgrade)).status, 101);
    });
  }

  for (const host of ['localhost', '127.0.0.1', 'evil.example', 'chat.example.org.evil.example', 'evilchat.example.org', 'example.org', 'chat.example.org..',
    'parley.example', 'parley.example:5001', '192.0.2.10', '[::1]', '[::1]:5001', '[::2]:5000', '[2001:db8::70]', '[::ffff:192.0.2.1]', '2001:db8::7', '1', '.']) {
    test(`${host} is not: 421, in JSON; nor its pages, nor its sockets`, async () => {
      const answer = await ask(host);
      // What is no host at all is 400 before that.
      assert.ok(answer.status === 421 || (answer.status === 400 && /\.\.|^\.$|^2001/.test(host)), answer.text);
      assert.match(JSON.parse(answer.text).code, /^(UNKNOWN_HOST|BAD_REQUEST)$/);
      for (const more of [{ target: '/' }, { target: '/main.js' }, { target: '/nothing' }, upgrade, { target: '/socket.io/?EIO=4&transport=polling' }]) {
        assert.equal((await ask(host, more)).status, answer.status, more.target);
      }
      assert.equal((await signUp(host)).status, answer.status);
    });
  }

  test('by a trusted proxy is the host that it tells', async () => {
    assert.equal((await ask('inner:5000', { headers: { 'x-forwarded-host': 'chat.example.org' } })).status, 401);
    assert.equal((await ask('inner:5000', { headers: { forwarded: 'host=chat.example.org' } })).status, 401);
    assert.equal((await ask('chat.example.org', { headers: { 'x-forwarded-host': 'evil.example' } })).status, 421);
  });

  test('with a port is that of the scheme where the client names none', async () => {
    const stack = await Stack.start({ ALLOWED_HOSTS: 'one.example:80,two.example:443', GATEWAY_TRUSTED_PROXIES: '127.0.0.1' });
    try {
      const https = { 'x-forwarded-proto': 'https' };
      assert.equal((await ask('one.example', { port: stack.port })).status, 401);
      assert.equal((await ask('two.example', { port: stack.port })).status, 421);
      assert.equal((await ask('two.example', { port: stack.port, headers: https })).status, 401);
      assert.equal((await ask('one.example', { port: stack.port, headers: https })).status, 421);
    } finally {
      await stack.stop();
    }
  });

  test('counts who was refused', async () => {
    assert.match(await (await fetch(`http://127.0.0.1:${statusPort}/metrics`)).text(), /^parley_gateway_hosts_refused_total [1-9]/m);
  });

  test('is refused at the start where it is no list of hosts', async () => {
    for (const list of ['https://chat.example.org', 'chat.example.org/', '"x"', '*.example.org', ',']) {
      const stack = await Stack.spawn({ ALLOWED_HOSTS: list });
      assert.equal((await withDeadline('its end', stack.ended, 20000)).code, 78, stack.output);
      assert.match(stack.output, /ALLOWED_HOSTS/);
      await stack.stop();
    }
  });
});
