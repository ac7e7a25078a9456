// The attacks of issue 15, and one for each kind of request and event that came after it. Each goes on until
// `run.isOver`, and counts in `run.counts` what it did and what it got.
import http from 'node:http';
import net from 'node:net';
import { password } from '../../support/api.mjs';
import { frame, handshake, opcode } from '../../support/conformance.mjs';

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const socketIo = '/socket.io/?EIO=4&transport=websocket';
const oid = (n) => n.toString(16).padStart(24, '0');

/**
 * What an attack has: where, who (`eves`, registered; `victims`, ids; `receivers`, who get much: their sockets are
 * the attack's, for what a client does with it is not the server's time), and until when.
 */
export class Run {
  constructor(given) {
    Object.assign(this, given, { counts: {}, wires: new Set(), isOver: false });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 400 });
  }

  count(what) { this.counts[what] = (this.counts[what] ?? 0) + 1; }

  /** Any of 60,000 addresses that are nobody else's. */
  anyAddress() { return `100.64.${Math.floor(Math.random() * 256)}.${1 + Math.floor(Math.random() * 254)}`; }

  /** `work` again and again, in so many lanes at once. */
  lanes(count, work) {
    return Promise.all(Array.from({ length: count }, async (_, lane) => {
      while (!this.isOver) {
        await work(lane).catch((error) => { this.count(error.code ?? error.message); return sleep(20); });
      }
    }));
  }

  /** A request of `who` {cookie, address}; gives the answer, its body unread if `isSlow`. */
  ask(who, method, target, body) {
    const text = body && JSON.stringify(body);
    return new Promise((resolve, reject) => {
      http.request({
        port: this.port, host: '127.0.0.1', agent: this.agent, method, path: target, timeout: 15000, headers: {
          'x-forwarded-for': who.address, ...(who.cookie && { cookie: who.cookie }), ...(who.coding && { 'accept-encoding': who.coding }),
          ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      }, (answer) => {
        this.count(answer.statusCode);
        answer.resume().on('end', () => resolve(answer)).on('error', reject);
      }).on('error', reject).on('timeout', function late() { this.destroy(new Error('late')); }).end(text);
    });
  }

  /** A connection that reads and forgets, but for the last bytes. */
  async wire() {
    const socket = net.connect(this.port, '127.0.0.1');
    const wire = { socket, tail: '', isClosed: false };
    this.wires.add(wire);
    socket.on('data', (bytes) => { wire.tail = (wire.tail + bytes.toString('latin1')).slice(-4000); wire.changed?.(); });
    socket.on('error', () => {});
    wire.closed = new Promise((resolve) => {
      socket.on('close', () => { wire.isClosed = true; this.wires.delete(wire); wire.changed?.(); resolve(); });
    });
    await new Promise((resolve) => { socket.once('connect', resolve); socket.once('close', resolve); });
    return wire;
  }

  /** Write, and wait until the kernel took it. */
  write(wire, bytes) {
    return new Promise((resolve) => {
      if (wire.isClosed || wire.socket.destroyed) { setTimeout(resolve, 1); return; }
      wire.changed = () => wire.isClosed && resolve();
      wire.socket.write(bytes, () => resolve());
    });
  }

  async until(wire, text) {
    while (!wire.isClosed && !this.isOver && !wire.tail.includes(text)) {
      await new Promise((resolve) => { wire.changed = resolve; setTimeout(resolve, 1000); });
    }
  }

  /** A WebSocket; let in, if `who` has a cookie. */
  async webSocket(who, connect = '40') {
    const wire = await this.wire();
    await this.write(wire, handshake(socketIo, { Host: 'localhost', 'X-Forwarded-For': who.address, ...(who.cookie && { Cookie: who.cookie }) }));
    await this.until(wire, '0{');
    if (!who.cookie) return wire;
    await this.write(wire, frame(opcode.text, connect));
    await this.until(wire, '40{');
    return wire;
  }

  /** Sockets of `who` that send what `next()` makes, without a pause. */
  eventFlood(who, count, next) {
    return this.lanes(count, async () => {
      const wire = await this.webSocket(who());
      while (!wire.isClosed && !this.isOver) {
        await this.write(wire, Buffer.concat(Array.from({ length: 50 }, () => frame(opcode.text, next()))));
        this.count('batches of 50');
      }
      if (wire.isClosed) this.count('closed');
      wire.socket.destroy();
      await sleep(50);
    });
  }

  end() {
    this.isOver = true;
    this.agent.destroy();
    for (const wire of this.wires) wire.socket.destroy();
  }
}

const post = (target, address, length) => `POST ${target} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${address}\r\n`
  + `Content-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`;
/** An argument of 990 kB that takes longest to parse. */
const slowest = `{"a":[${'{},'.repeat(329990)}{}]}`;
const part = Buffer.alloc(980000, '4');
const half = frame(opcode.text, Buffer.alloc(990000, '4')).subarray(0, 980000);
const bomb = (head, tail) => frame(opcode.text, `${head}${slowest}${tail}`);
const anyEve = (run) => run.eves[Math.floor(Math.random() * run.eves.length)];
/** Half of them of one address, the others of many. */
const addressOf = (run, lane) => (lane % 2 ? '203.0.113.7' : run.anyAddress());

/** Requests that are not waited for, each as long a line as can be. */
const logLines = (run, address) => run.lanes(8, async () => {
  const wire = await run.wire();
  const head = `GET /api/${'x'.repeat(1500)} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${'y'.repeat(1000)}\r\nX-Forwarded-For: ${address()}\r\n\r\n`;
  for (let i = 0; i < 50 && !wire.isClosed && !run.isOver; i++) { await run.write(wire, head.repeat(20)); run.count('20 requests'); await sleep(1); }
  wire.socket.destroy();
});

const logInAndOut = (run, count, eve) => run.lanes(count, async (lane) => {
  const { address, username } = eve(lane);
  const answer = await run.ask({ address }, 'POST', '/api/auth/login', { username, password });
  const cookie = answer.headers['set-cookie']?.[0].split(';')[0];
  if (cookie) await run.ask({ address, cookie }, 'POST', '/api/auth/logout');
});

const sendLong = async (run, who) => {
  for (const receiver of run.receivers) await run.webSocket(receiver);
  await run.lanes(8, (lane) => run.ask(who(lane), 'POST', `/api/messages/send/${run.receivers[lane % run.receivers.length].id}`, { message: 'x'.repeat(65000) }));
};

const watchSets = (run, who) => run.lanes(16, async (lane) => {
  const wire = await run.webSocket(who(lane), '40{"presence":"watch"}');
  while (!wire.isClosed && !run.isOver) {
    const begin = Math.floor(Math.random() * (run.many.length - 500));
    await run.write(wire, frame(opcode.text, `421["watch",{"users":${JSON.stringify(run.many.slice(begin, begin + 500))}}]`));
    run.count('sets');
    await sleep(5);
  }
  wire.socket.destroy();
  await sleep(50);
});

/** Of several addresses or users at once, which no limit of one holds: shown, and no failure if others wait. */
export const ofMany = ['lines of the log, many', 'log-ins and log-outs, 5 users', 'sends of 64 kB, 6 users', 'watch, 4 users'];

export const kinds = {
  /* What the clients of any attack cost others by themselves: as many requests as they can, of a server of theirs. */
  'nothing of ours': (run) => {
    const server = http.createServer((request, answer) => request.resume().on('end', () => answer.end('{}'))).unref();
    return new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); }).then(() => {
      run.port = server.address().port;
      return run.lanes(16, (lane) => run.ask({ address: addressOf(run, lane) }, 'POST', '/', { username: 'nobody', password }));
    });
  },
  'slow bodies': (run) => run.lanes(300, async (lane) => {
    const wire = await run.wire();
    await run.write(wire, post('/socket.io/?EIO=4&transport=polling&sid=p1.none', addressOf(run, lane), 990000));
    await run.write(wire, part);
    while (!wire.isClosed && !run.isOver && !wire.tail) { await sleep(1000); await run.write(wire, '4'); }
    run.count(wire.tail.slice(9, 12) || 'closed');
    wire.socket.destroy();
    await sleep(500);
  }),
  'slow readers': (run) => run.lanes(40, async () => {
    const [wire, who] = [await run.wire(), anyEve(run)];
    wire.socket.pause();
    await run.write(wire, `GET /api/messages/${run.longWith} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${who.address}\r\nCookie: ${run.longReader}\r\n\r\n`);
    run.count('readers');
    while (!run.isOver && !wire.isClosed) await sleep(200);
  }),
  'long histories, compressed': (run) => run.lanes(4, () => run.ask({ ...anyEve(run), cookie: run.longReader, coding: 'gzip' }, 'GET', `/api/messages/${run.longWith}`)),
  'half a frame, 960 sockets': (run) => run.lanes(960, async (lane) => {
    const wire = await run.webSocket({ address: addressOf(run, lane) });
    await run.write(wire, half);
    run.count('sent');
    await Promise.race([wire.closed, sleep(5000)]);
    wire.socket.destroy();
    await sleep(200);
  }),
  'hashes for sign-ups': (run) => run.lanes(16, (lane) => run.ask({ address: addressOf(run, lane) }, 'POST', '/api/auth/signup', {
    fullName: 'Eve', username: `e${Math.random()}`, password, confirmPassword: password, gender: 'female',
  })),
  'hashes for log-ins': (run) => run.lanes(16, (lane) => run.ask({ address: addressOf(run, lane) }, 'POST', '/api/auth/login', { username: `e${Math.random()}`, password })),
  'log-ins and log-outs': (run) => logInAndOut(run, 8, () => run.eves[0]),
  'log-ins and log-outs, 5 users': (run) => logInAndOut(run, 10, (lane) => run.eves[1 + lane % 5]),
  'CONNECT of {"a":[{},...]}': (run) => run.lanes(4, async (lane) => {
    const wire = await run.webSocket({ address: addressOf(run, lane) });
    await run.write(wire, bomb('40', ''));
    run.count('sent');
    await Promise.race([wire.closed, sleep(2000)]);
    wire.socket.destroy();
  }),
  'events of {"a":[{},...]}': (run) => {
    const bytes = bomb('42["x",', ']');
    return run.lanes(4, async (lane) => {
      const wire = await run.webSocket(run.eves[lane % 2]);
      for (let i = 0; i < 10 && !wire.isClosed && !run.isOver; i++) { await run.write(wire, bytes); run.count('sent'); }
      wire.socket.destroy();
      await sleep(10);
    });
  },
  'lines of the log, one address': (run) => logLines(run, () => '203.0.113.8'),
  'lines of the log, many': (run) => logLines(run, () => run.anyAddress()),
  statuses: (run) => run.lanes(12, (lane) => run.ask(run.eves[lane % 3], 'POST', `/api/users/status/${run.eves[lane % 3].id}`, { status: Math.random() < 0.5 ? 'BUSY' : 'AVAILABLE' })),
  typing: (run) => run.eventFlood(() => anyEve(run), 4, () => `42["typing",{"to":"${run.victims[Math.floor(Math.random() * 4)]}","isTyping":${Math.random() < 0.5}}]`),
  'lists of 50,000 users': (run) => run.lanes(100, () => run.ask(run.eves[0], 'GET', '/api/users')),
  'pages of people by q': (run) => run.lanes(16, (lane) => run.ask(run.eves[lane % 2], 'GET', '/api/users?q=many%20nobodyatall')),
  'coming back': (run) => run.lanes(8, async () => {
    const eve = run.eves[0];
    const wire = await run.webSocket(eve, `40${JSON.stringify({ pid: `${eve.id}.abcdefghijklmnopqrstuv`, offset: `${run.before.toString(16)}-${'0'.repeat(24)}` })}`);
    run.count(wire.isClosed ? 'closed' : 'back');
    wire.socket.destroy();
  }),
  'sends of 64 kB': (run) => sendLong(run, () => run.eves[0]),
  'sends of 64 kB, 6 users': (run) => sendLong(run, (lane) => run.eves[lane % 6]),
  conversations: (run) => run.lanes(16, (lane) => run.ask(run.eves[lane % 2], 'GET', '/api/conversations?limit=100')),
  'read marks': (run) => run.lanes(16, (lane) => run.ask(run.eves[lane % 2], 'POST', `/api/messages/read/${run.longWith}`, { upTo: oid(lane) })),
  delivered: (run) => run.eventFlood(() => anyEve(run), 4, () => `42["delivered",{"from":"${Math.random() < 0.5 ? run.longWith : oid(Math.floor(Math.random() * 1e9))}","upTo":"${oid(1)}"}]`),
  watch: (run) => watchSets(run, () => run.eves[0]),
  'watch, 4 users': (run) => watchSets(run, (lane) => run.eves[lane % 4]),
  'sockets that come and go': (run) => run.lanes(8, async (lane) => {
    const wire = await run.webSocket(run.eves[lane % run.eves.length]);
    run.count(wire.isClosed ? 'closed' : 'in');
    wire.socket.destroy();
  }),
};
