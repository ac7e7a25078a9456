// Would the checker notice? Five broken builds, each without one of the things that the guarantees stand
// on, must fail under faults that need that thing.
//
// A mutant is a copy of the tree with some text replaced, built on top of what is built here. Text that is
// not found exactly once is an error: then the mutant has to follow the code.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../support/stack.mjs';
import { patience, patient } from '../support/wait.mjs';
import { runSeed } from './run.mjs';

const run = promisify(execFile);
const folder = path.join(root, 'build/mutants');
const SEEDS = 3 * patience; // a fault may meet nobody whom the mutant harms; on a slow machine fewer are there
const SECONDS = 15;
const parts = ['services', 'shared', 'deploy', 'gateway'];
const programs = ['auth.so', 'message.so', 'presence.so', 'llm-responder']; // those that a mutant changes

const mutants = [
  {
    name: 'a 201 and an event before the commit', rule: 'lost', only: ['kill message1', 'kill message2'],
    edits: [
      ['shared/sending/send.c', 'static void\nwrite_it(struct sending *s)\n{\n', `static void
commit_late(struct pl_timer *t)
{
	struct sending *s = t->arg;

	if (pl_store_async_write(s->by->store, &s->call) != PL_OK)
		sending_end(s);
}

static void
write_it(struct sending *s)
{
	struct pl_write_send *sent = &s->call.write.u.send;

	if (!sent->only_replay) {
		pl_oid_new(&sent->message.id);
		sent->message.created_unix_ms = pl_clock_unix_ms();
		sent->message.updated_unix_ms = sent->message.created_unix_ms;
		struct pl_json_out o;

		pl_jo_init(&o, &s->json);
		pl_message_write(&o, &sent->message);
		pl_publish_message(&s->by->publisher, &sent->message, pl_buf_str(&s->json), &sent->trace, PL_STR_NONE, NULL, NULL);
		tell(s, &(struct pl_send_outcome){.sent = sent, .json = pl_buf_str(&s->json)});
		sent->idem_key = PL_STR_NONE;
		s->patience = (struct pl_timer){.on_fire = commit_late, .arg = s};
		pl_timer_start(s->by->loop, &s->patience, 500);
		return;
	}
`],
      ['shared/sending/send.c', '	switch (call->write.err) {\n', `	if (s->done == NULL) {
		if (call->write.u.send.busy)
			pl_wake_send(s->by->redis, &call->write.u.send.message.id);
		sending_end(s);
		return;
	}
	switch (call->write.err) {
`],
      ['shared/store/sqlite/messages.c', '	enum pl_err err = next_pos(s, &pos);\n\n	if (err == PL_OK)\n', `	enum pl_err err = next_pos(s, &pos);

	if (m->created_unix_ms != 0)
		pos = (struct pl_message_pos){m->created_unix_ms, m->id};
	if (err == PL_OK)
`],
    ],
  },
  {
    name: 'no gap closing', rule: 'lost', only: ['kill redis', 'cut service-redis', 'stop redis'],
    edits: [['services/presence/delivery/tail.c', 'doubt_since(struct tail *t, int64_t unix_ms)\n{\n', 'doubt_since(struct tail *t, int64_t unix_ms)\n{\n	if (unix_ms != 0)\n		return;\n']],
  },
  {
    name: 'a read mark that goes back', rule: 'backward', only: ['cut client-gateway'],
    edits: [['shared/store/sqlite/correspondents.c', 'if (pl_message_pos_compare(mark, to) >= 0)', 'if (pl_message_pos_compare(mark, to) == 0)']],
  },
  {
    name: 'a recovery without edits and deletions', rule: 'lost', only: ['cut client-gateway'],
    edits: [['services/presence/delivery/recovery.c', 'if (err == PL_OK && missed.changes > 0) {', 'if (err == PL_OK && missed.changes > RECOVERY_MESSAGES_MAX) {']],
  },
  {
    name: 'no unique index on replies', rule: 'doubled', only: ['stop responder1', 'stop responder2'],
    model: { silent: 0.2, broken: 0, slow: 0.2 },
    edits: [['shared/store/sqlite/schema.c', 'CREATE UNIQUE INDEX messages_in_reply_to', 'CREATE INDEX messages_in_reply_to']],
  },
];

/** What is built here; all of it is older than what a mutant changes. */
async function built() {
  const all = await readdir(path.join(root, 'build'), { withFileTypes: true });
  const isUsed = (one) => one.isFile() || one.name === 'nginx' || parts.includes(one.name);
  return all.filter(isUsed).map(({ name }) => `build/${name}`);
}

/** The mutant's build folder. */
async function build({ name, edits }) {
  const dir = path.join(folder, name.replaceAll(' ', '-'));
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const options = { recursive: true, preserveTimestamps: true, filter: (from) => !from.endsWith('node_modules') };
  for (const part of ['Makefile', ...parts, ...await built()]) {
    await cp(path.join(root, part), path.join(dir, part), options).catch((error) => { if (error.code !== 'ENOENT') throw error; });
  }
  for (const [file, from, to] of edits) {
    const text = await readFile(path.join(dir, file), 'utf8');
    if (text.split(from).length !== 2) throw new Error(`${name}: ${file} does not hold once: ${from}`);
    await writeFile(path.join(dir, file), text.replace(from, () => to));
  }
  await run('make', ['-s', '-C', dir, '-j2', ...programs.map((name) => `build/${name}`)]);
  return path.join(dir, 'build');
}

describe('the checker finds', { concurrency: true }, () => {
  for (const mutant of mutants) {
    test(mutant.name, { timeout: patient(180000 + SEEDS * 60000) }, async (t) => {
      const settings = { BUILD_DIR: await build(mutant) };
      let found;
      for (let seed = 1; seed <= SEEDS && !(found?.counts[mutant.rule] > 0); seed++) {
        found = await runSeed(seed, { seconds: SECONDS, only: mutant.only, model: mutant.model, settings, keeps: false });
        t.diagnostic(Object.entries(found.counts).map(([rule, n]) => `${rule} ${n}`).join(', '));
      }
      assert.ok(found.counts[mutant.rule] > 0, found.text);
    });
  }
});
