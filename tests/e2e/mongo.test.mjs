// What MONGO_DB_URI may say, and what is said of a database that cannot be served.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { Person } from '../support/api.mjs';
import { ExpressApp } from '../support/express_app.mjs';
import { newDatabase } from '../support/mongo_server.mjs';
import { Stack } from '../support/stack.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

let dir;
before(async () => { dir = await mkdtemp(path.join(tmpdir(), 'parley-mongo-')); });
after(() => rm(dir, { recursive: true, force: true }));

/** A certificate of its own authority, for 127.0.0.1. */
async function makeCertificate(name) {
  const [key, cert] = [path.join(dir, `${name}.key`), path.join(dir, `${name}.pem`)];
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']);
  return { key, cert };
}

test('a URI with TLS is served over TLS, and only by whom its authority knows', async (t) => {
  const [good, other] = [await makeCertificate('good'), await makeCertificate('other')];
  const uri = new URL(await newDatabase());
  let greeted = 0;
  const front = tls.createServer({ key: await readFile(good.key), cert: await readFile(good.cert) }, (socket) => {
    greeted++;
    const server = net.connect(Number(uri.port), uri.hostname);
    for (const [from, to] of [[socket, server], [server, socket]]) from.on('error', () => {}).on('close', () => to.destroy()).pipe(to);
  }).on('tlsClientError', () => {}).listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => front.close());
  const at = (ca) => ({ MONGO_DB_URI: `mongodb://127.0.0.1:${front.address().port}${uri.pathname}?tls=true&tlsCAFile=${ca}` });

  const refused = await Stack.spawn(at(other.cert));
  t.after(() => refused.stop());
  await waitUntil('the wait', () => refused.output.includes('waiting for MongoDB'), { within: 30000 });
  assert.equal(greeted, 0, 'nobody trusts it');

  const stack = await Stack.start(at(good.cert));
  t.after(() => stack.stop());
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(stack.url, name)));
  assert.equal((await ann.send(bob, 'over TLS')).status, 201);
  assert.deepEqual((await bob.history(ann)).json.map(({ message }) => message), ['over TLS']);
  assert.ok(greeted > 0);
});

test('a URI may come by its other name, and from a file', async (t) => {
  const uri = await newDatabase();
  const file = path.join(dir, 'uri');
  await writeFile(file, `${uri}\n`, { mode: 0o600 });
  const stack = await Stack.start({ MONGODB_URI_FILE: file });
  t.after(() => stack.stop());
  assert.ok(stack.output.includes(`MongoDB at ${uri.slice('mongodb://'.length)}`), stack.output);
  const ann = await Person.signUp(stack.url, 'ann');
  const app = await ExpressApp.connect(uri);
  t.after(() => app.close());
  assert.equal(await app.User.countDocuments({ _id: ann.id }), 1);
});

test('two users of one username end the start with a line that names them', async (t) => {
  const uri = await newDatabase();
  const app = await ExpressApp.connect(uri);
  t.after(() => app.close());
  await app.User.collection.dropIndexes();
  for (let i = 0; i < 2; i++) await app.User.collection.insertOne({ username: 'twin', fullName: `Twin ${i}`, password: '' });
  const stack = await Stack.spawn({ MONGO_DB_URI: uri });
  t.after(() => stack.stop());
  const { code } = await withDeadline('the end', stack.ended, 30000);
  assert.equal(code, 78, stack.output);
  assert.match(stack.output, /same username.*twin/);
  assert.equal(await app.User.countDocuments({ username: 'twin' }), 2, 'both are left alone');
});
