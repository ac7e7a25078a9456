// A small Socket.IO 5 client over Engine.IO 4: WebSocket, and long polling if no WebSocket
// gets through. It connects again by itself, with a growing and jittered delay, and asks the
// server for what it missed (connection state recovery).
//
//   const socket = new Socket({ messageSent: true }); // what it asks for at CONNECT
//   socket.on('newMessage', (message) => ...);
//   socket.on('connect' | 'disconnect' | 'refused', ...); // disconnect: each failure, too
//   socket.open(); socket.emit('typing', {...}); socket.close();
//   socket.ask('watch', {...}, (answer) => ...); // with an acknowledgement

const delayLeast = 500;
const delayMost = 5000;
const openLimit = 10000; // for a transport to open
const steady = 10000; // what was open for as long has not failed

class WebSocketTransport {
  constructor(query, events) {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.ws = new WebSocket(`${scheme}://${location.host}/socket.io/?${query}&transport=websocket`);
    this.ws.onmessage = ({ data }) => { if (typeof data === 'string') events.packet(data); };
    this.ws.onclose = () => events.closed();
  }

  send(packet) { if (this.ws.readyState === WebSocket.OPEN) this.ws.send(packet); }

  close() { this.ws.onmessage = this.ws.onclose = null; this.ws.close(); }
}

class PollingTransport {
  constructor(query, events) {
    this.base = `/socket.io/?${query}&transport=polling`;
    this.events = events;
    this.queue = [];
    this.abort = new AbortController();
    this.poll();
  }

  url() { return this.sid ? `${this.base}&sid=${encodeURIComponent(this.sid)}` : this.base; }

  async poll() {
    try {
      while (!this.abort.signal.aborted) {
        const response = await fetch(this.url(), { signal: this.abort.signal, cache: 'no-store' });
        if (!response.ok) throw new Error('poll');
        for (const packet of (await response.text()).split('\x1e')) {
          if (packet[0] === '0') this.sid = JSON.parse(packet.slice(1)).sid;
          this.events.packet(packet);
        }
      }
    } catch {
      this.end();
    }
  }

  send(packet) {
    this.queue.push(packet);
    if (!this.posting) this.post();
  }

  async post() {
    this.posting = true;
    try {
      while (this.queue.length > 0) {
        const body = this.queue.splice(0).join('\x1e');
        const response = await fetch(this.url(), {
          method: 'POST', body, headers: { 'Content-Type': 'text/plain;charset=UTF-8' }, signal: this.abort.signal,
        });
        if (!response.ok) throw new Error('post');
      }
    } catch {
      this.end();
    }
    this.posting = false;
  }

  end() { if (!this.abort.signal.aborted) { this.abort.abort(); this.events.closed(); } }

  close() { this.abort.abort(); }
}

export class Socket {
  #listeners = new Map();
  #transport = null;
  #timer = 0; // to open again, or until the server counts as silent
  #failures = 0;
  #usePolling = false;
  #webSocketWorks = false; // has done so once: then a failure says nothing about it
  #wanted = false;
  #network = new AbortController(); // ends the listening below
  #pid; // of the session, for recovery
  #offset;
  #openedAt = 0; // as heardAt
  #heardAt = 0; // by the clock on the wall, which goes on while the machine sleeps

  #asked = new Map(); // number -> what to do with the acknowledgement
  #number = 0;

  constructor(auth = {}) { this.auth = auth; }

  id = undefined; // while connected
  silence = 0; // after so many milliseconds without a packet the connection is dead

  on(name, listener) { this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]); }

  /** isAgain: it was refused, and may be so once more. */
  open(isAgain) {
    this.#wanted = true;
    // The browser knows at once what a silent connection would tell only later.
    this.#network.abort();
    this.#network = new AbortController();
    const { signal } = this.#network;
    addEventListener('offline', () => { if (this.#transport) this.#lost(); }, { signal });
    addEventListener('online', () => { if (this.#wanted && !this.#transport) this.#begin(); }, { signal });
    if (this.#transport) return;
    if (isAgain) this.#later();
    else this.#begin();
  }

  close() {
    this.#wanted = false;
    this.#network.abort();
    this.#send('41');
    this.#drop();
  }

  /** Somebody comes back: what slept along with the machine is not waited for, and what waits is tried at once. */
  wake() {
    if (!this.#wanted) return;
    if (this.#transport && this.id && Date.now() - this.#heardAt > this.silence) this.#lost();
    if (this.#transport) return;
    clearTimeout(this.#timer);
    this.#begin();
  }

  emit(name, ...args) { if (this.id) this.#send(`42${JSON.stringify([name, ...args])}`); }

  /** An answer that the connection takes with it never comes. */
  ask(name, value, answer) {
    if (!this.id) return;
    this.#asked.set(this.#number, answer);
    this.#send(`42${this.#number++}${JSON.stringify([name, value])}`);
  }

  #tell(name, ...args) { for (const listener of this.#listeners.get(name) ?? []) listener(...args); }

  #send(packet) { this.#transport?.send(packet); }

  #begin() {
    const Transport = this.#usePolling ? PollingTransport : WebSocketTransport;
    this.#expectWithin(openLimit);
    this.#transport = new Transport('EIO=4', {
      packet: (packet) => this.#packet(packet),
      closed: () => this.#lost(),
    });
  }

  /** Give the connection up unless something comes within so many milliseconds. */
  #expectWithin(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(), ms);
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#transport?.close();
    this.#transport = null;
    this.#asked.clear();
    if (this.id) {
      if (Date.now() - this.#openedAt >= steady) this.#failures = 0;
      this.id = undefined;
      this.#tell('disconnect');
    }
  }

  #lost() {
    const hadOpened = Boolean(this.id);
    this.#drop();
    if (!this.#wanted) return;
    if (!hadOpened) {
      this.#tell('disconnect');
      if (!this.#webSocketWorks) this.#usePolling = !this.#usePolling; // perhaps that gets through
    }
    this.#later();
  }

  #later() {
    const delay = Math.min(delayMost, delayLeast * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#begin(), delay * (0.5 + Math.random()));
  }

  #packet(packet) {
    this.#heardAt = Date.now();
    switch (packet[0]) {
      case '0': {
        const { pingInterval, pingTimeout } = JSON.parse(packet.slice(1));
        this.silence = pingInterval + pingTimeout;
        this.#send(`40${JSON.stringify({ ...this.auth, ...(this.#pid && { pid: this.#pid, offset: this.#offset }) })}`);
        break;
      }
      case '1': this.#lost(); return;
      case '2': this.#send('3'); break;
      case '4': this.#message(packet.slice(1)); break;
      default: break;
    }
    if (this.#transport && this.silence) this.#expectWithin(this.silence);
  }

  #message(text) {
    const [, type, number, rest] = /^(\d)(\d*)([^]*)$/.exec(text);
    const data = rest ? JSON.parse(rest) : undefined;
    if (type === '0') {
      const recovered = Boolean(data.pid) && data.pid === this.#pid;
      this.#pid = data.pid;
      this.#openedAt = Date.now();
      this.#webSocketWorks ||= !this.#usePolling;
      this.id = data.sid;
      this.#tell('connect', recovered);
    } else if (type === '2') {
      const [name, ...args] = data;
      if (this.#pid && typeof args.at(-1) === 'string') this.#offset = args.pop();
      this.#tell(name, ...args);
    } else if (type === '3') {
      this.#asked.get(Number(number))?.(...data);
      this.#asked.delete(Number(number));
    } else if (type === '4') {
      this.#wanted = false;
      this.#drop();
      this.#tell('refused', data);
    } else if (type === '1') {
      this.#lost();
    }
  }
}
