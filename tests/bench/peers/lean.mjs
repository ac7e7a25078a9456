// The lean peer: the same routes and events in one Node process, with the fastest of the usual libraries,
// and with what a careful author would do: tokens that were verified are remembered, all sends of one turn
// of the loop share a durable commit, and nobody hears of a message that is not in the store.
//
//   PORT=3000 FOLDER=/tmp/lean USERS=64 node lean.mjs       prints "user ID TOKEN" for each, then "listening"
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import cookies from '@fastify/cookie';
import Database from 'better-sqlite3';
import { createSigner, createVerifier } from 'fast-jwt';
import Fastify from 'fastify';
import { Server } from 'socket.io';

const { PORT, FOLDER, USERS = '64' } = process.env;
const key = randomBytes(32).toString('hex');
const sign = createSigner({ key, expiresIn: '15d' });
const verify = createVerifier({ key, cache: 10000 });
const newId = () => Math.floor(Date.now() / 1000).toString(16).padStart(8, '0') + randomBytes(8).toString('hex');

// ---- the store ---------------------------------------------------------------------------
const db = new Database(path.join(FOLDER, 'lean.db'));
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`CREATE TABLE users (id TEXT PRIMARY KEY, fullName TEXT NOT NULL, username TEXT NOT NULL UNIQUE,
    profilePic TEXT NOT NULL, status TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sender TEXT NOT NULL, receiver TEXT NOT NULL,
    text TEXT NOT NULL, created INTEGER NOT NULL);
  CREATE INDEX messages_pair ON messages (sender, receiver, seq);`);
const insertUser = db.prepare('INSERT INTO users VALUES (?, ?, ?, ?, ?)');
const userById = db.prepare('SELECT id AS _id, fullName, username, profilePic, status FROM users WHERE id = ?');
const insertMessage = db.prepare('INSERT INTO messages (id, sender, receiver, text, created) VALUES (?, ?, ?, ?, ?)');
const pageOf = db.prepare(`SELECT * FROM (SELECT * FROM messages WHERE sender = @me AND receiver = @other
    UNION ALL SELECT * FROM messages WHERE sender = @other AND receiver = @me) ORDER BY seq DESC LIMIT @limit`);

/** Sends that wait for the commit at the end of this turn. */
let waiting = [];
const insertAll = db.transaction((sends) => {
  for (const { message } of sends) insertMessage.run(message._id, message.senderId, message.receiverId, message.message, Date.parse(message.createdAt));
});
function commit() {
  const sends = waiting;
  waiting = [];
  try {
    insertAll(sends);
    for (const { resolve } of sends) resolve();
  } catch (error) {
    for (const { reject } of sends) reject(error);
  }
}
function store(message) {
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setImmediate(commit);
    waiting.push({ message, resolve, reject });
  });
}

// ---- HTTP --------------------------------------------------------------------------------
const app = Fastify({ bodyLimit: 100 * 1024, logger: false });
await app.register(cookies);
app.decorateRequest('userId', '');
app.addHook('onRequest', async (request, reply) => {
  try {
    request.userId = verify(request.cookies.jwt ?? '').userId;
  } catch {
    return reply.code(401).send({ error: 'Unauthorized - Invalid Token' });
  }
});
const isId = /^[0-9a-f]{24}$/;
const asJson = (row) => ({
  _id: row.id, senderId: row.sender, receiverId: row.receiver, message: row.text,
  createdAt: new Date(row.created).toISOString(), updatedAt: new Date(row.created).toISOString(), __v: 0,
});
const online = new Map(); // id -> sockets

/** A send, whichever way it came: {message}, or {status, error}. */
async function send(from, to, text) {
  if (typeof text !== 'string' || !/\S/.test(text) || Buffer.byteLength(text) > 65536) return { status: 400, error: 'message' };
  if (!isId.test(to) || !userById.get(to)) return { status: 404, error: 'User not found' };
  if (!online.has(from)) return { status: 403, error: 'You are offline.' };
  const now = new Date().toISOString();
  const message = { senderId: from, receiverId: to, message: text, _id: newId(), createdAt: now, updatedAt: now, __v: 0 };
  await store(message);
  io.to(to).emit('newMessage', message);
  return { message };
}

app.post('/api/messages/send/:id', async (request, reply) => {
  const { message, status, error } = await send(request.userId, request.params.id, request.body?.message);
  return message ? reply.code(201).send(message) : reply.code(status).send({ error });
});
app.get('/api/messages/:id', async ({ userId, params, query }) => {
  const limit = Math.min(Number(query.limit ?? 200), 200);
  return pageOf.all({ me: userId, other: params.id, limit }).reverse().map(asJson);
});
app.get('/api/auth/me', async ({ userId }) => userById.get(userId));

// ---- sockets -----------------------------------------------------------------------------
const io = new Server(app.server, { serveClient: false });
let isListDue = false;
function tellOnline() {
  if (isListDue) return;
  isListDue = true;
  setTimeout(() => { isListDue = false; io.emit('getOnlineUsers', [...online.keys()]); }, 1000);
}
io.use((socket, next) => {
  try {
    const token = /(?:^|; )jwt=([^;]*)/.exec(socket.handshake.headers.cookie ?? '')?.[1];
    socket.data.userId = verify(token ?? '').userId;
    next();
  } catch {
    next(new Error('Unauthorized'));
  }
});
io.on('connection', (socket) => {
  const { userId } = socket.data;
  socket.join(userId);
  online.set(userId, (online.get(userId) ?? 0) + 1);
  tellOnline();
  socket.on('sendMessage', async (said, answer) => {
    const { message, error } = await send(userId, said?.to, said?.message).catch(() => ({ error: 'Internal server error' }));
    answer?.(message ? { message } : { error });
  });
  socket.on('disconnect', () => {
    const left = online.get(userId) - 1;
    if (left === 0) online.delete(userId); else online.set(userId, left);
    tellOnline();
  });
});

for (let i = 0; i < Number(USERS); i++) {
  const id = newId();
  insertUser.run(id, `User ${i}`, `user${i}`, `https://example.org/${i}`, 'AVAILABLE');
  console.log(`user ${id} ${sign({ userId: id })}`);
}
await app.listen({ port: Number(PORT), host: '127.0.0.1' });
console.log('listening');
