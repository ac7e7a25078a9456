// Engine.IO 4 by hand, with nothing but fetch and ws: what the conformance tests speak.
import assert from 'node:assert/strict';
import { Socket, Wire } from './conformance.mjs';
import { withDeadline } from './wait.mjs';

/** Calls to the server that `hold` holds, at `path`. */
export function engineClient(hold, path = '/engine.io/') {
  const url = (query) => `${hold.url}${path}?${query}`;
  const polling = (sid) => url(`EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`);
  const get = (sid) => fetch(polling(sid));
  const poll = async (sid) => (await get(sid)).text();
  const post = (sid, body, headers) => fetch(polling(sid), { method: 'POST', body, headers });

  const openPolling = async () => {
    const response = await get();
    assert.equal(response.status, 200);
    return JSON.parse((await response.text()).slice(1)).sid;
  };

  const openSocket = async () => {
    const socket = new Socket(url('EIO=4&transport=websocket'));
    return { socket, open: JSON.parse((await socket.take()).slice(1)) };
  };

  /** A WebSocket that may take over a polling session. */
  const probe = async (sid) => {
    const socket = new Socket(url(`EIO=4&transport=websocket&sid=${sid}`));
    await withDeadline('the WebSocket to open', socket.opened, 10000);
    return socket;
  };

  /** A GET that is there before all that is sent after this. */
  const waitingGet = async (sid) => {
    const wire = await Wire.open(hold.server.address);
    wire.write(`GET ${path}?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await wire.isRead();
    return {
      abort: () => wire.end(),
      text: async () => {
        const { body } = await wire.answer();
        wire.end();
        return body;
      },
    };
  };

  return { url, polling, get, poll, post, openPolling, openSocket, probe, waitingGet };
}

/** See a request refused with 400 and, if given, this body. */
export const isRefused = async (response, body) => {
  assert.equal(response.status, 400);
  const text = await response.text();
  if (body) assert.deepEqual(JSON.parse(text), body);
};
