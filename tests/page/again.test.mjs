// What is asked for while the same is under way runs once more, and what failed runs again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Again } from '../../gateway/web/core/again.js';
import { settle } from './helpers.mjs';

/** Runs that end when they are told to. */
function runs() {
  const begun = [];
  const run = (name) => () => new Promise((resolve, reject) => { begun.push({ name, resolve, reject }); });
  return { begun, run, names: () => begun.map((one) => one.name).join(' ') };
}

test('of one name one runs at a time, then the last one that was asked for; try() ends with it', async () => {
  const { begun, run, names } = runs();
  const again = new Again();
  const ended = [];
  again.try('x', run('a')).then(() => ended.push('a'));
  again.try('x', run('b')).then(() => ended.push('b'));
  again.try('x', run('c')).then(() => ended.push('c'));
  again.try('y', run('d'));
  assert.equal(names(), 'a d');
  begun[0].resolve();
  await settle();
  assert.equal(names(), 'a d c');
  assert.deepEqual(ended, [], 'what they asked for is not known yet');
  begun[2].resolve();
  await settle();
  assert.deepEqual(ended, ['a', 'b', 'c']);
});

test('what failed is tried again, later each time, and at once by now(); not what took its place', async () => {
  const { begun, run, names } = runs();
  const waits = [];
  const again = new Again({ after: (ms, f) => waits.push({ ms, f }), cancel: () => {} });
  again.try('x', run('a'));
  begun[0].reject(new Error());
  await settle();
  waits[0].f();
  begun[1].reject(new Error());
  await settle();
  assert.deepEqual(waits.map(({ ms }) => ms), [2000, 4000]);
  again.now();
  assert.equal(names(), 'a a a');
  again.try('x', run('b'));
  begun[2].reject(new Error());
  await settle();
  assert.equal(names(), 'a a a b');
  assert.equal(waits.length, 2);
});

test('once it is closed nothing begins', async () => {
  const { begun, run, names } = runs();
  const again = new Again();
  again.try('x', run('a'));
  again.try('x', run('b'));
  again.close();
  begun[0].resolve();
  await again.try('y', run('c'));
  await settle();
  assert.equal(names(), 'a');
});
