// A look into a stack's store past its services, whichever it is; and what auth says of its times.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import mongoose from 'mongoose';

/** Made by bcryptjs 3, as the MERN app does: hashSync(password, 10), of api.mjs' password. */
export const bcryptHash = '$2b$10$R5kXp3l7iE6IwZplB44DQuLcU6wDJEa/r77QTGXqFfWlUcsOgZqny';

/** What one SQL statement says of a stack's SQLite. */
function query(stack, sql) {
  const file = path.join(stack.dir, 'data/parley.db');
  return execFileSync('sqlite3', ['-cmd', '.timeout 10000', file, sql], { encoding: 'utf8' }).trim();
}

/** What `ask` gets of a stack's MongoDB. */
async function onMongo(stack, ask) {
  const connection = await mongoose.createConnection(stack.mongoUri).asPromise();
  try {
    return await ask(connection.db);
  } finally {
    await connection.close();
  }
}

const idOf = (person) => new mongoose.Types.ObjectId(person.id);

/** Give a user the hash of a password that another program made. */
export async function storeHash(stack, person, hash) {
  if (stack.mongoUri) {
    await onMongo(stack, (db) => db.collection('users').updateOne({ _id: idOf(person) }, { $set: { password: hash } }));
  } else {
    query(stack, `UPDATE users SET password_hash = '${hash}' WHERE id = x'${person.id}'`);
  }
}

/** Give a user a name that another program took. */
export async function storeUsername(stack, person, username) {
  if (stack.mongoUri) {
    await onMongo(stack, (db) => db.collection('users').updateOne({ _id: idOf(person) }, { $set: { username } }));
  } else {
    query(stack, `UPDATE users SET username = CAST(x'${Buffer.from(username).toString('hex')}' AS TEXT) WHERE id = x'${person.id}'`);
  }
}

export async function storedHash(stack, person) {
  return stack.mongoUri
    ? (await onMongo(stack, (db) => db.collection('users').findOne({ _id: idOf(person) }))).password
    : query(stack, `SELECT password_hash FROM users WHERE id = x'${person.id}'`);
}

/** Store a message as a process does that had it under way, and tell nobody. */
export async function storeMessage(stack, id, from, to, text) {
  const now = new Date();
  if (stack.mongoUri) {
    await onMongo(stack, (db) => db.collection('messages').insertOne({ _id: new mongoose.Types.ObjectId(id),
      senderId: idOf(from), receiverId: idOf(to), message: text, createdAt: now, updatedAt: now, __v: 0 }));
  } else {
    query(stack, `INSERT INTO messages (id, sender, receiver, text, created) VALUES (x'${id}', x'${from.id}', x'${to.id}', '${text}', ${now.getTime()})`);
  }
}

/** How many revocations of a user are stored. */
export async function revocationsOf(stack, person) {
  return stack.mongoUri
    ? onMongo(stack, (db) => db.collection('revocations').countDocuments({ userId: idOf(person) }))
    : Number(query(stack, `SELECT count(*) FROM revocations WHERE user = x'${person.id}'`));
}

/** Revoke another token of a user, like one that was, and tell nobody. SQLite alone. */
export function storeRevocationLike(stack, person, jti) {
  const id = createHash('sha256').update(jti).digest('hex').slice(0, 32);
  query(stack, `INSERT INTO revocations (token_id, user, expires, created, issued)
    SELECT x'${id}', user, expires, ${Date.now()}, issued FROM revocations WHERE user = x'${person.id}' LIMIT 1`);
}

/** How many automatic replies are owed. */
export async function repliesOwed(stack) {
  return stack.mongoUri
    ? onMongo(stack, (db) => db.collection('messages').countDocuments({ replyJob: { $exists: true } }))
    : Number(query(stack, 'SELECT count(*) FROM reply_jobs'));
}

/** Take SQLite's write lock, as a program of someone else's would; release() gives it back. */
export async function holdDatabase(stack) {
  const shell = spawn('sqlite3', ['-cmd', '.timeout 10000', path.join(stack.dir, 'data/parley.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.write('BEGIN EXCLUSIVE;\nSELECT 1;\n');
  await once(shell.stdout, 'data');
  return {
    async release() {
      shell.stdin.end('ROLLBACK;\n');
      await once(shell, 'close');
    },
  };
}

/** At whole multiples of which auth answers logins that fail. */
export async function failurePeriodMs(stack) {
  const log = await readFile(path.join(stack.dir, 'data/run/logs/auth1.log'), 'utf8');
  return Number(/"period_ms":(\d+)/.exec(log)[1]);
}

/** Delete users as another program would, which tells nobody. */
export async function deleteUsers(stack, ...people) {
  if (stack.mongoUri) {
    await onMongo(stack, (db) => db.collection('users').deleteMany({ _id: { $in: people.map(idOf) } }));
  } else {
    query(stack, `DELETE FROM users WHERE id IN (${people.map(({ id }) => `x'${id}'`)})`);
  }
}

/** Disable users as parley-admin does, but tell nobody. */
export async function disableUsers(stack, ...people) {
  if (stack.mongoUri) {
    await onMongo(stack, (db) => db.collection('users').updateMany({ _id: { $in: people.map(idOf) } }, { $set: { parleyDisabled: true } }));
  } else {
    query(stack, `UPDATE users SET disabled = 1 WHERE id IN (${people.map(({ id }) => `x'${id}'`)})`);
  }
}

/** Add so many users, whom another program signed up, to a stack's SQLite. */
export function storeManyUsers(stack, count) {
  query(stack, `
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO users (id, username, full_name, password_hash, profile_pic, note, gender, status, created, updated)
      SELECT randomblob(12), 'many-' || i, 'One of Many ' || i, 'x',
      'https://pictures.example/many/' || i || '.png', NULL, 'female', 'AVAILABLE', 1700000000000 + i, 1700000000000 + i FROM n`);
}
