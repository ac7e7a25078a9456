// Can the time of a failed login tell whether there is such a user, and of which kind?  make bench-login
//
//   SAMPLES=N    logins of each kind (300)
//
// Rounds of one login of each kind, all at once, in an order drawn anew. For each two kinds: the difference of the
// medians, which is to stay below 5 %, and Welch's t, below 4.5 in absolute value (as in dudect).
import { bcryptHash, failurePeriodMs, storeHash } from '../support/database.mjs';
import { Person, call, uniqueName } from '../support/api.mjs';
import { Stack } from '../support/stack.mjs';

const samples = Number(process.env.SAMPLES ?? 300);
const medianBar = 0.05;
const tBar = 4.5;

const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
const variance = (list) => { const m = mean(list); return list.reduce((sum, x) => sum + (x - m) ** 2, 0) / (list.length - 1); };
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const welch = (a, b) => (mean(a) - mean(b)) / Math.sqrt(variance(a) / a.length + variance(b) / b.length);

async function failedLoginMs(url, username) {
  const began = performance.now();
  const answer = await call(url, 'POST', '/api/auth/login', { username, password: 'not the password' });
  if (answer.status !== 400) throw new Error(`${answer.status} ${answer.text}`);
  return performance.now() - began;
}

async function measure(stack) {
  const imported = await Person.signUp(stack.url, 'imported');
  await storeHash(stack, imported, bcryptHash);
  const kinds = { argon2id: (await Person.signUp(stack.url, 'ann')).user.username, bcrypt: imported.user.username, unknown: uniqueName('nobody') };
  const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  for (let i = 0; i < samples; i++) {
    const order = Object.keys(kinds).map((kind) => [Math.random(), kind]).sort(([a], [b]) => a - b);
    await Promise.all(order.map(async ([, kind]) => times[kind].push(await failedLoginMs(stack.url, kinds[kind]))));
  }
  return times;
}

function report(times) {
  for (const [kind, list] of Object.entries(times)) {
    console.log(`${kind.padEnd(10)} median ${median(list).toFixed(2)} ms, deviation ${Math.sqrt(variance(list)).toFixed(2)} ms`);
  }
  const kinds = Object.keys(times);
  const pairs = kinds.flatMap((a, i) => kinds.slice(i + 1).map((b) => [a, b]));
  return pairs.map(([a, b]) => {
    const apart = Math.abs(median(times[a]) - median(times[b])) / median(times[a]);
    const t = welch(times[a], times[b]);
    console.log(`${`${a}, ${b}`.padEnd(22)} medians ${(apart * 100).toFixed(2)} % apart, t ${t.toFixed(2)}`);
    return apart < medianBar && Math.abs(t) < tBar;
  }).every(Boolean);
}

const stack = await Stack.start({});
try {
  console.log(`${samples} failed logins of each kind, period ${await failurePeriodMs(stack)} ms`);
  const isEven = report(await measure(stack));
  console.log(isEven ? 'indistinguishable' : 'DISTINGUISHABLE');
  process.exitCode = isEven ? 0 : 1;
} finally {
  await stack.stop();
}
