// make chaos: many seeds, one after the other.
//   SEEDS=30            how many, or a list such as 4,8,15
//   SECONDS_EACH=60     how long people chat in each
//   RATE=50             messages a second
//   STORE=sqlite        or mongo, or both
//   FAULTS=...          only these: "kill message1,flush"
import { runSeed } from './run.mjs';

const { SEEDS = '30', SECONDS_EACH = '60', RATE = '50', STORE = 'sqlite', FAULTS = '' } = process.env;
const seeds = SEEDS.includes(',') ? SEEDS.split(',').filter(Boolean).map(Number) : Array.from({ length: Number(SEEDS) }, (_, i) => i + 1);
const only = FAULTS.split(',').filter(Boolean);
const stores = STORE === 'both' ? ['sqlite', 'mongo'] : [STORE];
const sums = {};
let failed = 0;

for (const store of stores) {
  for (const seed of seeds) {
    try {
      const { ok, text, summary, counts } = await runSeed(seed, { seconds: Number(SECONDS_EACH), rate: Number(RATE), store, only });
      console.log(text);
      if (!ok) failed++;
      for (const [name, count] of Object.entries({ ...summary, ...counts })) sums[name] = (sums[name] ?? 0) + count;
    } catch (error) {
      console.log(`seed ${seed}, ${store}: FAILED: ${error.stack}`);
      failed++;
    }
  }
}
const runs = seeds.length * stores.length;
console.log(`chaos: ${runs - failed} of ${runs} passed: ${Object.entries(sums).map(([name, count]) => `${name} ${count}`).join(', ')}`);
process.exitCode = failed === 0 ? 0 : 1;
