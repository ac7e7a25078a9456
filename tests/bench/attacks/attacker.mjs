// An attack in a process of its own: begins when its parent says which, ends when told, and says what it did.
import { Run, kinds } from './kinds.mjs';

let run;
process.on('uncaughtException', (error) => { run?.count(error.code ?? error.message); });
process.on('disconnect', () => process.exit());
process.on('message', ({ kind, given }) => {
  if (kind) {
    run = new Run(given);
    kinds[kind](run).catch(() => {});
    return;
  }
  run.end();
  process.send(run.counts, () => process.exit(0));
});
