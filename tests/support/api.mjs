// A person at the API: a name, a cookie, sockets.
import { io } from 'socket.io-client';
import { awakeNow, patient, withDeadline } from './wait.mjs';

let serial = 0;
export const uniqueName = (name) => `${name}-${process.pid}-${Date.now().toString(36)}-${++serial}`;

export const password = 'correct horse battery';

/** Each Set-Cookie of an answer. (Debian's Node 18 has no getSetCookie().) */
const setCookies = (headers) => (headers.get('set-cookie') ?? '').split(/, (?=[^ ;]+=)/).filter(Boolean);

/** fetch() with JSON in and out. Gives status, headers, the body parsed, and its text. */
export async function call(base, method, path, body, headers = {}) {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(base + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    body: body === undefined || isRaw ? body : JSON.stringify(body),
    redirect: 'manual',
    signal: AbortSignal.timeout(patient(30000)),
  });
  const text = await response.text();
  let json;
  try { json = JSON.parse(text); } catch { json = undefined; }
  return { status: response.status, headers: response.headers, cookies: setCookies(response.headers), text, json };
}

/** Passwords are hashed one by one: on a busy machine the last of fifty would wait longer than the gateway does. */
const waits = [];
let signingUp = 0;
async function signUpInTurn(...request) {
  if (signingUp >= 8) await new Promise((resolve) => waits.push(resolve)); else signingUp++;
  try {
    return await call(...request);
  } finally {
    if (waits.length > 0) waits.shift()(); else signingUp--;
  }
}

const everybody = [];

/** What a test that failed left open would try to connect for ever, and its file would not end. */
export const closeAll = (base) => { for (const person of everybody) if (person.base === base) person.close(); };

export class Person {
  constructor(base, user, cookie) {
    Object.assign(this, { base, user, cookie, id: user._id, sockets: [] });
    everybody.push(this);
  }

  static async signUp(base, name, fields = {}, headers = {}) {
    const username = uniqueName(name);
    const answer = await signUpInTurn(base, 'POST', '/api/auth/signup', {
      fullName: `${name} Test`, username, password, confirmPassword: password, gender: 'female', ...fields,
    }, headers);
    if (answer.status !== 201) throw new Error(`signup of ${username}: ${answer.status} ${answer.text}`);
    return new Person(base, answer.json, answer.cookies[0].split(';')[0]);
  }

  get(path, headers) { return call(this.base, 'GET', path, undefined, { cookie: this.cookie, ...headers }); }
  post(path, body, headers) { return call(this.base, 'POST', path, body, { cookie: this.cookie, ...headers }); }
  send(to, message, headers) { return this.post(`/api/messages/send/${to.id ?? to}`, { message }, headers); }
  edit(message, text, headers) { return call(this.base, 'PATCH', `/api/messages/message/${message._id ?? message}`, { message: text }, { cookie: this.cookie, ...headers }); }
  remove(message, headers) { return call(this.base, 'DELETE', `/api/messages/message/${message._id ?? message}`, undefined, { cookie: this.cookie, ...headers }); }
  history(other, query = '') { return this.get(`/api/messages/${other.id ?? other}${query}`); }
  setStatus(status, note) { return this.post(`/api/users/status/${this.id}`, { status, ...(note && { note }) }); }
  /** Be gone; the answer. Their sockets end by themselves. */
  erase(body = { password }) { return call(this.base, 'DELETE', '/api/auth/me', body, { cookie: this.cookie }); }
  logIn() { return call(this.base, 'POST', '/api/auth/login', { username: this.user.username, password }); }

  /** A socket as a MERN page opens it, its events recorded; connects in the background. */
  open(options = {}, client = io) {
    const socket = client(this.base, {
      query: { userId: this.id }, extraHeaders: { cookie: this.cookie }, forceNew: true, ...options,
    });
    socket.events = [];
    socket.onAny((name, ...args) => socket.events.push({ name, args, at: Date.now(), awakeAt: awakeNow() }));
    socket.all = (name) => socket.events.filter((event) => event.name === name).map((event) => event.args[0]);
    this.sockets.push(socket);
    return socket;
  }

  async connect(options, client) {
    const socket = this.open(options, client);
    await withDeadline('the socket to connect', new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    }));
    return socket;
  }

  close() { for (const socket of this.sockets) socket.disconnect(); }
}
