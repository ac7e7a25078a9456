// make chaos: many seeds, one after the other.
//   SEEDS=30            how many, or a list such as 4,8,15
//   SECONDS_EACH=60     how long people chat in each
//   FAULTS=...          only these: "kill message1,flush"
import { runSeed } from './run.mjs';

const { SEEDS = '30', SECONDS_EACH = '60', FAULTS = '' } = process.env;
const seeds = SEEDS.includes(',') ? SEEDS.split(',').filter(Boolean).map(Number) : Array.from({ length: Number(SEEDS) }, (_, i) => i + 1);
const only = FAULTS.split(',').filter(Boolean);
let failed = 0;

for (const seed of seeds) {
  try {
    const { ok, text } = await runSeed(seed, { seconds: Number(SECONDS_EACH), only });
    console.log(text);
    if (!ok) failed++;
  } catch (error) {
    console.log(`seed ${seed}: FAILED: ${error.stack}`);
    failed++;
  }
}
console.log(`chaos: ${seeds.length - failed} of ${seeds.length} seeds passed`);
process.exitCode = failed === 0 ? 0 : 1;
