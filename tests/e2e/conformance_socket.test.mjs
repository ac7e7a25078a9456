// socket.io-protocol v5, at /socket.io/ of the conformance server, with nothing but fetch and ws;
// and once with the stock client.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { io } from 'socket.io-client';
import { io as io40 } from 'socket.io-client-40';
import { Socket, useConformanceServer } from '../support/conformance.mjs';
import { withDeadline } from '../support/wait.mjs';

const hold = useConformanceServer({ before, after });

/** An Engine.IO session; pings are answered and not seen. */
class Session extends Socket {
  static async open() {
    const session = new Session(`${hold.url}/socket.io/?EIO=4&transport=websocket`);
    assert.match(await session.take(), /^0\{/);
    session.ws.on('message', (data, isBinary) => { if (!isBinary && data.toString() === '2') session.send('3'); });
    return session;
  }

  /** One with its namespaces let in. */
  static async connected(...namespaces) {
    const session = await Session.open();
    for (const nsp of namespaces.length > 0 ? namespaces : ['/']) {
      const prefix = nsp === '/' ? '' : `${nsp},`;
      session.send(`40${prefix}`);
      assert.match(await session.next(), new RegExp(`^40${prefix}\\{"sid":"[A-Za-z0-9_-]+"\\}$`));
      assert.equal(await session.next(), `42${prefix}["auth",{}]`);
    }
    return session;
  }

  async next(within) {
    for (;;) {
      const message = await this.take(within);
      if (message !== '2') return message;
    }
  }

  /** Send, and see the session closed without an answer. */
  async isClosedBy(...packets) {
    for (const packet of packets) this.send(packet);
    await this.end();
    assert.deepEqual(this.messages.filter((message) => message !== '2'), []);
  }
}

describe('connect', () => {
  test('to the main namespace', async () => {
    const session = await Session.open();
    session.send('40');
    assert.match(await session.next(), /^40\{"sid":"[A-Za-z0-9_-]+"\}$/);
    assert.equal(await session.next(), '42["auth",{}]');
    session.close();
  });

  test('with a payload, also for the main namespace by name', async () => {
    const session = await Session.open();
    session.send('40{"token":"123","deep":{"list":[1,2.5,null,"ü"]}}');
    await session.next();
    assert.equal(await session.next(), '42["auth",{"token":"123","deep":{"list":[1,2.5,null,"ü"]}}]');
    session.close();
  });

  test('to a namespace, with and without a payload', async () => {
    for (const [packet, auth] of [['40/custom,', '{}'], ['40/custom,{"a":1}', '{"a":1}']]) {
      const session = await Session.open();
      session.send(packet);
      assert.match(await session.next(), /^40\/custom,\{"sid":"[A-Za-z0-9_-]+"\}$/);
      assert.equal(await session.next(), `42/custom,["auth",${auth}]`);
      session.close();
    }
  });

  test('to two namespaces of one session', async () => {
    const session = await Session.connected('/', '/custom');
    session.send('42/custom,["message",1]');
    assert.equal(await session.next(), '42/custom,["message-back",1]');
    session.send('42["message",2]');
    assert.equal(await session.next(), '42["message-back",2]');
    session.close();
  });

  test('gives an id of its own, which is not the session\'s', async () => {
    const ids = new Set();
    for (let i = 0; i < 5; i++) {
      const session = new Session(`${hold.url}/socket.io/?EIO=4&transport=websocket`);
      ids.add(JSON.parse((await session.take()).slice(1)).sid);
      session.send('40');
      ids.add(JSON.parse((await session.next()).slice(2)).sid);
      session.close();
    }
    assert.equal(ids.size, 10);
  });

  for (const [nsp, packet] of [['/random', '40/random,'], ['/random', '40/random,{"a":1}'], ['/custo', '40/custo,']]) {
    test(`to an unknown namespace is answered with CONNECT_ERROR: ${packet}`, async () => {
      const session = await Session.open();
      session.send(packet);
      assert.equal(await session.next(), `44${nsp},{"message":"Invalid namespace"}`);
      session.send('40');
      assert.match(await session.next(), /^40\{/, 'the session is none the worse');
      session.close();
    });
  }

  for (const packet of ['4abc', '4', '49', '40[]', '40"x"', '40{"a":1', '40{"a":1}x', '42["message"]', '41', '431[]',
    '451-["message",{"_placeholder":true,"num":0}]', '44{"message":"x"}']) {
    test(`the session is closed for ${packet} before it`, async () => (await Session.open()).isClosedBy(packet));
  }

  test('a binary message before it closes the session', async () => (await Session.open()).isClosedBy(Buffer.from([1])));

  test('twice to a namespace closes the session', async () => (await Session.connected()).isClosedBy('40'));
});

describe('disconnect', () => {
  test('of one namespace leaves the other', async () => {
    const session = await Session.connected('/', '/custom');
    session.send('41');
    session.send('42/custom,["message","still"]');
    assert.equal(await session.next(), '42/custom,["message-back","still"]');
    await session.isClosedBy('42["message","gone"]');
  });

  test('of all may be followed by another CONNECT', async () => {
    const session = await Session.connected('/custom');
    session.send('41/custom,');
    session.send('40');
    assert.match(await session.next(), /^40\{/);
    assert.equal(await session.next(), '42["auth",{}]');
    session.close();
  });
});

describe('message', () => {
  for (const args of ['1,"2",{"3":[true,null]}', '', '"€ 😀 \\" \\\\ \\n"', '[[]],{}', '"1-x"', '{"_placeholder":false,"num":0}',
    '100000000000000000000', '"\\u0000"', `${'['.repeat(100)}${']'.repeat(100)}`]) {
    test(`comes back with the same arguments: ${args}`, async () => {
      for (const [nsp, name] of [['/', ''], ['/custom', '/custom,']]) {
        const session = await Session.connected(nsp);
        const list = args && `,${args}`;
        session.send(`42${name}["message"${list}]`);
        assert.equal(await session.next(), `42${name}["message-back"${list}]`);
        session.close();
      }
    });
  }

  test('of many sent at once come back in order', async () => {
    const session = await Session.connected();
    for (let i = 0; i < 200; i++) session.send(`42["message",${i}]`);
    for (let i = 0; i < 200; i++) assert.equal(await session.next(), `42["message-back",${i}]`);
    session.close();
  });

  test('nobody listens to is ignored', async () => {
    const session = await Session.connected();
    session.send('42["other",1]');
    session.send('42[7,1]');
    session.send('42["message"]');
    assert.equal(await session.next(), '42["message-back"]');
    session.close();
  });

  for (const packet of ['42', '42{}', '42[]', '42[{}]', '42[null]', '42"message"', '42["message"', '42["connect"]', '42["connect_error"]',
    '42["disconnect"]', '42["disconnecting"]', '42["newListener"]', '42["removeListener"]', '42/custom,["message"]', '47["message"]',
    '429007199254740993["message"]', '44{"message":"x"}', '40', `42/${'a'.repeat(200)},["message"]`]) {
    test(`closes the session where it breaks a rule: ${packet.slice(0, 40)}`, async () =>
      (await Session.connected()).isClosedBy(packet));
  }
});

describe('binary', () => {
  test('comes back with its attachments', async () => {
    const session = await Session.connected();
    session.send('452-["message",{"_placeholder":true,"num":0},{"x":[{"_placeholder":true,"num":1}]},3]');
    session.send(Buffer.from([1, 2, 3]));
    session.send(Buffer.from([4]));
    assert.equal(await session.next(), '452-["message-back",{"_placeholder":true,"num":0},{"x":[{"_placeholder":true,"num":1}]},3]');
    assert.deepEqual(await session.next(), Buffer.from([1, 2, 3]));
    assert.deepEqual(await session.next(), Buffer.from([4]));
    session.close();
  });

  test('comes back in a namespace', async () => {
    const session = await Session.connected('/custom');
    session.send('451-/custom,["message",{"_placeholder":true,"num":0}]');
    session.send(Buffer.alloc(100000, 7));
    assert.equal(await session.next(), '451-/custom,["message-back",{"_placeholder":true,"num":0}]');
    assert.deepEqual(await session.next(), Buffer.alloc(100000, 7));
    session.close();
  });

  test('may have ten attachments, and not eleven (CVE-2026-33151)', async () => {
    const event = (n) => `45${n}-["message"${Array.from({ length: n }, (_, i) => `,{"_placeholder":true,"num":${i}}`).join('')}]`;
    const session = await Session.connected();
    session.send(event(10));
    for (let i = 0; i < 10; i++) session.send(Buffer.from([i]));
    assert.equal(await session.next(), event(10).replace('message', 'message-back'));
    for (let i = 0; i < 10; i++) assert.deepEqual(await session.next(), Buffer.from([i]));
    await session.isClosedBy(event(11));
  });

  const one = '451-["message",{"_placeholder":true,"num":0}]';
  for (const [what, ...packets] of [
    ['text while attachments are awaited', one, '42["message"]'],
    ['an attachment nobody awaits', Buffer.from([1])],
    ['attachments beyond maxPayload', '452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
      Buffer.alloc(600000), Buffer.alloc(600000)],
    ['a count that is no number', '45x-["message"]'], ['a negative count', '45-1-["message"]'],
    ['no count', '45["message"]'], ['no dash', '451["message",{"_placeholder":true,"num":0}]'],
    ['a placeholder without its attachment', '451-["message",{"_placeholder":true,"num":1}]'],
    ['a placeholder that is text (CVE-2022-2421)', '451-["message",{"_placeholder":true,"num":"splice"}]'],
    ['a negative placeholder', '451-["message",{"_placeholder":true,"num":-1}]'],
  ]) {
    test(`${what}: the session is closed`, async () => (await Session.connected()).isClosedBy(...packets));
  }
});

describe('acknowledgement', () => {
  test('has the event\'s arguments and id', async () => {
    const session = await Session.connected('/', '/custom');
    session.send('42456["message-with-ack",1,"2",{"3":[false]}]');
    assert.equal(await session.next(), '43456[1,"2",{"3":[false]}]');
    session.send('42/custom,0["message-with-ack"]');
    assert.equal(await session.next(), '43/custom,0[]');
    session.close();
  });

  test('may be binary', async () => {
    const session = await Session.connected();
    session.send('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    session.send(Buffer.from([1, 2]));
    session.send(Buffer.from([3]));
    assert.equal(await session.next(), '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    assert.deepEqual(await session.next(), Buffer.from([1, 2]));
    assert.deepEqual(await session.next(), Buffer.from([3]));
    session.close();
  });

  test('of what was never asked is ignored', async () => {
    const session = await Session.connected();
    session.send('4399[]');
    session.send('42["message"]');
    assert.equal(await session.next(), '42["message-back"]');
    session.close();
  });
});

for (const [version, client] of [['4.8', io], ['4.0', io40]]) {
  for (const transports of [['polling', 'websocket'], ['polling'], ['websocket']]) {
    test(`the stock client ${version} over ${transports} has all of it`, async () => {
      const socket = client(`${hold.url}/custom`, { transports, auth: { a: 1 }, forceNew: true });
      try {
        const heard = (name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));
        assert.deepEqual(await withDeadline('auth', heard('auth')), [{ a: 1 }]);
        const data = Buffer.from([1, 2, 3]);
        const back = heard('message-back');
        socket.emit('message', 1, '2', { data });
        assert.deepEqual(await withDeadline('message-back', back), [1, '2', { data }]);
        const ack = new Promise((resolve) => socket.emit('message-with-ack', 'x', data, (...args) => resolve(args)));
        assert.deepEqual(await withDeadline('the acknowledgement', ack), ['x', data]);
      } finally {
        socket.disconnect();
      }
    });
  }
}
