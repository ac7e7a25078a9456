// What developers are given, held against the running stack and the source: openapi.json,
// docs/events.md, docs/parley.d.ts.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import ts from 'typescript';
import { Person, call, password } from '../support/api.mjs';
import { root, useStack } from '../support/stack.mjs';

const read = (name) => readFile(path.join(root, name), 'utf8');
const openapi = JSON.parse(await read('gateway/openapi.json'));
const events = await read('docs/events.md');
const types = await read('docs/parley.d.ts');

async function sources(...folders) {
  const found = [];
  for (const folder of folders)
    for (const entry of await readdir(path.join(root, folder), { recursive: true }))
      if (/\.[ch]$/.test(entry)) found.push(await read(path.join(folder, entry)));
  return found.join('\n');
}
const own = await sources('services', 'shared');
const all = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]);
const sorted = (items) => [...new Set(items)].sort();
const rows = (text, heading) => all(text.split(`## ${heading}\n`)[1].split('\n## ')[0], /^\| `(\w+)` \|/gm);

describe('openapi.json', () => {
  test('is OpenAPI 3.1', async () => {
    const schemas = path.dirname(createRequire(import.meta.url).resolve('@seriousme/openapi-schema-validator/package.json'));
    const validator = new Ajv2020({ strict: false, allErrors: true });
    addFormats(validator);
    validator.addFormat('media-range', true);
    const isValid = validator.compile(JSON.parse(await readFile(path.join(schemas, 'schemas/v3.1/schema.json'), 'utf8')));
    assert.ok(isValid(openapi), JSON.stringify(isValid.errors, null, 1));
  });

  test('has the routes that the services have, and no other', () => {
    const built = [...own.matchAll(/\{"([A-Z]+)",\s+"(\/api\/[^"]+)"/g)].map(([, method, route]) =>
      `${method} ${route.replace(/:(\w+)/g, '{$1}')}`);
    const written = Object.entries(openapi.paths).flatMap(([route, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${route}`));
    assert.deepEqual(written.filter((route) => route !== 'GET /api/openapi.json').sort(), sorted(built));
  });
});

describe('docs/events.md and parley.d.ts', () => {
  test('name every error code that the source has, and no other', async () => {
    const inSource = [
      ...all(own, /\{\d{3}, "([A-Z_]+)",/g),
      ...all(own, /pl_invalid_set\(\s*\w+, "([A-Z_]+)"/g), ...all(own, /pl_invalid_set\(\s*&\w+, "([A-Z_]+)"/g),
      ...all(own, /\\"code\\":\\"([A-Z_]+)\\"/g),
      ...all(await read('gateway/errors.conf'), /"code":"([A-Z_]+)"/g),
    ];
    assert.deepEqual(all(events.split('codes: begin')[1], /^\| `([A-Z_]+)` \|/gm), sorted(inSource));
    const inOpenApi = Object.values(openapi.components.responses).flatMap(({ content }) =>
      content['application/json'].schema.allOf[1].properties.code.enum);
    for (const code of inOpenApi) assert.ok(inSource.includes(code), code);
  });

  test('name every event, alike', () => {
    const block = (name) => types.split(`interface ${name} {`)[1].split('\n}')[0];
    const fromServer = all(block('ServerToClientEvents'), /^ {2}(\w+)\(/gm);
    const fromClient = all(block('ClientToServerEvents'), /^ {2}(\w+)\(/gm);
    assert.deepEqual(sorted(rows(events, 'From the server').filter((name) => name !== 'offset')), sorted(fromServer));
    assert.deepEqual(rows(events, 'From clients').sort(), fromClient.sort());
    const handled = own.split('} events[] = {')[1].split('};')[0];
    assert.deepEqual(all(handled, /\{"(\w+)",/g).sort(), fromClient.sort());
    for (const name of fromServer) assert.ok(own.includes(`"${name}"`) || own.includes(`["${name}`) || own.includes(`[\\"${name}\\"`), name);
  });

  test('compile with the stock client, and refuse what is wrong', () => {
    const program = ts.createProgram([path.join(root, 'tests/fixtures/client.ts')], {
      strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
      target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
    });
    const found = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) =>
      `${file?.fileName}:${start}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
    assert.deepEqual(found, []);
  });
});

describe('the running stack answers as openapi.json says', () => {
  const hold = useStack({ before, after, afterEach }, { LIMIT_LOGIN_ADDRESS: '0', LIMIT_BLOCKS: '1' });
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema(openapi, 'api');
  const point = (part) => part.replace(/~/g, '~0').replace(/\//g, '~1');
  const seen = new Set();

  /** One request; its answer must be one of those that the document has. */
  async function ask(person, method, route, { id, body, query = '', headers = {} } = {}, expected = 200) {
    const at = route.replace('{id}', id?._id ?? id?.id ?? id) + query;
    const answer = await call(hold.stack.url, method, at, body, { ...(person && { cookie: person.cookie }), ...headers });
    assert.equal(answer.status, expected, `${method} ${at}: ${answer.text}`);
    const operation = openapi.paths[route][method.toLowerCase()];
    let pointer = ['paths', route, method.toLowerCase(), 'responses', `${expected}`];
    let response = operation.responses[expected];
    assert.ok(response, `${method} ${route} may answer ${expected}`);
    if (response.$ref) {
      pointer = response.$ref.slice(2).split('/');
      response = openapi.components.responses[pointer.at(-1)];
    }
    seen.add(`${operation.operationId} ${expected}`);
    for (const name of Object.keys(response.headers ?? {}))
      if (name !== 'Link' && name !== 'Idempotent-Replayed') assert.ok(answer.headers.has(name), `${method} ${route} has ${name}`);
    const type = answer.headers.get('content-type')?.split(';')[0];
    if (expected === 304) return answer;
    assert.ok(response.content[type], `${method} ${route} ${expected}: ${type}`);
    if (type !== 'application/json') return answer;
    const schema = ajv.getSchema(`api#/${[...pointer, 'content', type, 'schema'].map(point).join('/')}`);
    assert.ok(schema(answer.json), `${method} ${route} ${expected}: ${answer.text}\n${JSON.stringify(schema.errors, null, 1)}`);
    return answer;
  }
  const nobody = '0'.repeat(24);
  /** The smallest picture there is. */
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==', 'base64');

  test('every operation, and what it refuses', async () => {
    const document = await ask(null, 'GET', '/api/openapi.json');
    assert.deepEqual(document.json, openapi);

    const fields = { fullName: 'Ann Test', username: `ann-${process.pid}`, password, confirmPassword: password, gender: 'female' };
    const { json: annUser, cookies } = await ask(null, 'POST', '/api/auth/signup', { body: fields }, 201);
    const ann = new Person(hold.stack.url, annUser, cookies[0].split(';')[0]);
    const [bob, eve] = [await Person.signUp(hold.stack.url, 'bob'), await Person.signUp(hold.stack.url, 'eve')];
    await ask(null, 'POST', '/api/auth/signup', { body: fields }, 400);
    await ask(null, 'POST', '/api/auth/login', { body: { username: fields.username, password } });
    await ask(null, 'POST', '/api/auth/login', { body: { username: fields.username, password: 'another one' } }, 400);

    // messages
    const to = { id: bob };
    const { json: first } = await ask(ann, 'POST', '/api/messages/send/{id}', { ...to, body: { message: 'one' }, headers: { 'idempotency-key': 'k' } }, 201);
    await ask(ann, 'POST', '/api/messages/send/{id}', { ...to, body: { message: 'one' }, headers: { 'idempotency-key': 'k' } }, 201);
    await ask(ann, 'POST', '/api/messages/send/{id}', { ...to, body: { message: 'two' }, headers: { 'idempotency-key': 'k' } }, 422);
    await ask(ann, 'POST', '/api/messages/send/{id}', { ...to, body: { message: ' ' } }, 400);
    await ask(ann, 'POST', '/api/messages/send/{id}', { id: nobody, body: { message: 'one' } }, 404);
    await ask(null, 'POST', '/api/messages/send/{id}', { ...to, body: { message: 'one' } }, 401);
    await ask(ann, 'POST', '/api/messages/send/{id}', { ...to, body: { message: 'x'.repeat(200000) } }, 413);
    const { json: second } = await ask(ann, 'POST', '/api/messages/send/{id}', { ...to, body: { message: 'two' } }, 201);
    await ask(ann, 'PATCH', '/api/messages/message/{id}', { id: first, body: { message: 'one, edited' } });
    await ask(bob, 'PATCH', '/api/messages/message/{id}', { id: first, body: { message: 'not mine' } }, 403);
    await ask(ann, 'PATCH', '/api/messages/message/{id}', { id: nobody, body: { message: 'none' } }, 404);
    await ask(ann, 'DELETE', '/api/messages/message/{id}', { id: first });
    await ask(ann, 'PATCH', '/api/messages/message/{id}', { id: first, body: { message: 'gone' } }, 410);
    await ask(bob, 'DELETE', '/api/messages/message/{id}', { id: second }, 403);
    const { json: history } = await ask(ann, 'GET', '/api/messages/{id}', to);
    assert.equal(history.length, 2);
    await ask(ann, 'GET', '/api/messages/{id}', { ...to, query: '?limit=1' });
    await ask(ann, 'GET', '/api/messages/{id}', { ...to, query: '?limit=none' }, 400);
    await ask(bob, 'POST', '/api/messages/read/{id}', { id: ann, body: { upTo: second._id } });
    await ask(bob, 'POST', '/api/messages/read/{id}', { id: ann, body: { upTo: nobody } }, 400);
    const { json: inbox } = await ask(ann, 'GET', '/api/conversations', { query: '?limit=5' });
    assert.equal(inbox.length, 1);
    await ask(ann, 'GET', '/api/conversations', { query: '?limit=0' }, 400);
    await ask(ann, 'GET', '/api/conversations/{id}', { id: eve });
    await ask(ann, 'GET', '/api/conversations/{id}', { id: nobody }, 404);

    // users
    await ask(bob, 'POST', '/api/users/status/{id}', { ...to, body: { status: 'BUSY', note: 'in a meeting' } });
    await ask(bob, 'POST', '/api/users/status/{id}', { ...to, body: { status: 'AWAY' } }, 400);
    await ask(bob, 'POST', '/api/users/status/{id}', { id: ann, body: { status: 'BUSY' } }, 403);
    await ask(ann, 'GET', '/api/users/{id}', to);
    await ask(ann, 'GET', '/api/users/{id}', { id: nobody }, 404);
    await ask(ann, 'GET', '/api/users/profile/{id}', to);
    const { headers } = await ask(ann, 'GET', '/api/users');
    await ask(ann, 'GET', '/api/users', { headers: { 'if-none-match': headers.get('etag') } }, 304);
    await ask(ann, 'GET', '/api/users', { query: '?limit=1&q=bob' });
    await ask(ann, 'GET', '/api/users', { query: '?limit=101' }, 400);
    await ask(ann, 'POST', '/api/users/block/{id}', to);
    await ask(ann, 'POST', '/api/users/block/{id}', { id: ann }, 400);
    await ask(ann, 'POST', '/api/users/block/{id}', { id: eve }, 409);
    await ask(bob, 'POST', '/api/messages/send/{id}', { id: ann, body: { message: 'blocked' } }, 403);
    await ask(ann, 'GET', '/api/users/blocked');
    await ask(ann, 'DELETE', '/api/users/block/{id}', to);

    // the account
    await ask(bob, 'GET', '/api/auth/me');
    await ask(null, 'GET', '/api/auth/me', {}, 401);
    await ask(ann, 'GET', '/api/auth/settings');
    await ask(ann, 'PATCH', '/api/auth/me', { body: { fullName: 'Ann Other' } });
    await ask(ann, 'PATCH', '/api/auth/me', { body: { fullName: '' } }, 400);
    await ask(ann, 'PUT', '/api/auth/avatar', { body: png, headers: { 'content-type': 'image/png' } });
    await ask(ann, 'PUT', '/api/auth/avatar', { body: Buffer.from('no picture') }, 400);
    const picture = await ask(null, 'GET', '/api/users/avatar/{id}', { id: ann });
    await ask(null, 'GET', '/api/users/avatar/{id}', { id: ann, headers: { 'if-none-match': picture.headers.get('etag') } }, 304);
    await ask(ann, 'DELETE', '/api/auth/avatar');
    await ask(null, 'GET', '/api/users/avatar/{id}', { id: ann }, 404);
    const { json: sessions } = await ask(ann, 'GET', '/api/auth/sessions');
    await ask(ann, 'DELETE', '/api/auth/sessions/{id}', { id: sessions.find(({ current }) => !current) });
    await ask(ann, 'DELETE', '/api/auth/sessions/{id}', { id: 'f'.repeat(32) }, 404);
    const fresh = 'another good password';
    await ask(ann, 'POST', '/api/auth/password', { body: { password: 'wrong one', newPassword: fresh, confirmPassword: fresh } }, 403);
    await ask(ann, 'POST', '/api/auth/password', { body: { password, newPassword: fresh, confirmPassword: fresh } });
    const { json: whole } = await ask(ann, 'GET', '/api/auth/export');
    assert.deepEqual([whole.messages.length, whole.readMarks.length], [2, 0]);
    const { json: bobs } = await ask(bob, 'GET', '/api/auth/export');
    assert.deepEqual([bobs.messages.length, bobs.readMarks.length], [2, 1]);
    await ask(eve, 'POST', '/api/auth/logout');
    await ask(eve, 'POST', '/api/auth/logout-all', {}, 401);
    await ask(bob, 'POST', '/api/auth/logout-all');
    await ask(ann, 'DELETE', '/api/auth/me', { body: { password } }, 403);
    await ask(ann, 'DELETE', '/api/auth/me', { body: { password: fresh } });

    const never = Object.values(openapi.paths).flatMap((item) => Object.values(item)).map(({ operationId }) => operationId)
      .filter((id) => !seen.has(`${id} 200`) && !seen.has(`${id} 201`));
    assert.deepEqual(never, [], 'each operation was answered well once');
  });
});
