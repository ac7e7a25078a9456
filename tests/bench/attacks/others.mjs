// People whom an attack does not concern, in a process of their own: how long they wait. Told by its parent
// to measure for some ms, it answers with all times in ms, by what was waited for, and with what failed.
//
// There are 15 pairs, each at an address of its own, so that nobody meets a limit. Three ask at a time, and each
// writes less than 17 messages a second, of the 20 that one may: up to 250 waits of each kind a second in all.
import http from 'node:http';
import { Person } from '../../support/api.mjs';
import { withDeadline } from '../../support/wait.mjs';

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
const lanes = [0, 1, 2];
const tickMs = 12;

/** One request; gives its answer's status. */
const ask = (port, person, method, target, body) => new Promise((resolve, reject) => {
  const text = body && JSON.stringify(body);
  const request = http.request({
    port, agent, method, path: target, host: '127.0.0.1', timeout: 10000, headers: {
      cookie: person.cookie, 'x-forwarded-for': person.address, ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    },
  }, (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
  request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer in 10 s'))).end(text);
});

class Pair {
  static async open({ url, port }, [ann, bob]) {
    const pair = Object.assign(new Pair(), { port, ann, bob, heard: new Map(), serial: 0 });
    const person = new Person(url, { _id: bob.id }, bob.cookie);
    const socket = await person.connect({ transports: ['websocket'], extraHeaders: { cookie: bob.cookie, 'x-forwarded-for': bob.address } });
    socket.offAny();
    socket.on('newMessage', ({ message }) => pair.heard.get(message)?.(performance.now()));
    socket.on('disconnect', (reason) => pair.failed?.push(`socket: ${reason}`));
    return pair;
  }

  /** One of each; times go to `out`. */
  async round(out) {
    this.failed = out.failed;
    const timed = async (what, status, ...args) => {
      const begin = performance.now();
      const got = await ask(this.port, this.ann, ...args);
      out[what].push(performance.now() - begin);
      if (got !== status) out.failed.push(`${what}: ${got}`);
    };
    const text = `message ${++this.serial}`;
    const begin = performance.now();
    const event = new Promise((resolve) => { this.heard.set(text, resolve); });
    await timed('send', 201, 'POST', `/api/messages/send/${this.bob.id}`, { message: text });
    out.event.push(await withDeadline('newMessage', event, 10000) - begin);
    this.heard.delete(text);
    await timed('history', 200, 'GET', `/api/messages/${this.bob.id}?limit=20`);
    await timed('me', 200, 'GET', '/api/auth/me');
  }
}

let pairs;
process.on('disconnect', () => process.exit());
process.on('message', async ({ open, measure }) => {
  if (open) {
    pairs = [];
    for (const two of open.pairs) pairs.push(await Pair.open(open, two));
    process.send({ ready: true });
    return;
  }
  const out = { send: [], event: [], history: [], me: [], failed: [] };
  const end = performance.now() + measure;
  await Promise.all(lanes.map(async (lane) => {
    for (let i = lane; performance.now() < end; i += lanes.length) {
      const begin = performance.now();
      await pairs[i % pairs.length].round(out).catch((error) => out.failed.push(error.message));
      await new Promise((resolve) => { setTimeout(resolve, Math.max(0, tickMs - (performance.now() - begin))); });
    }
  }));
  process.send(out);
});
