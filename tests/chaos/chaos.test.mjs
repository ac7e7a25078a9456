// Three seeds of `make chaos`, shortened, side by side: kills of most processes, cut connections.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { patient } from '../support/wait.mjs';
import { runSeed } from './run.mjs';

describe('nothing acknowledged is lost, doubled or late, and the order is kept', { concurrency: true }, () => {
  for (const seed of [8, 50, 54]) {
    test(`under the faults of seed ${seed}`, { timeout: patient(180000) }, async (t) => {
      const { ok, text } = await runSeed(seed, { seconds: 12, rate: 25 });
      t.diagnostic(text);
      assert.ok(ok, text);
    });
  }
});
