// What failed is tried again by itself: with a growing delay, and at once when now() is called,
// for the connection is back.
//
//   const again = new Again();
//   again.try('people', async () => ...);   // rejects: tried again
//
// Of one name one runs at a time. What is asked for meanwhile runs once more afterwards, for what
// is under way may know less; try() resolves after that, too.

const delayLeast = 2000;
const delayMost = 30000;

export class Again {
  #waiting = new Map(); // name -> {run, timer}
  #delays = new Map();
  #running = new Map(); // name -> {next: what runs then, done}
  #isOver = false;

  constructor({ after = (ms, f) => setTimeout(f, ms), cancel = (timer) => clearTimeout(timer) } = {}) { Object.assign(this, { after, cancel }); }

  try(name, run) {
    this.stop(name);
    const running = this.#running.get(name) ?? {};
    running.next = run;
    if (this.#running.has(name)) return running.done;
    this.#running.set(name, running);
    return running.done = this.#run(name, running);
  }

  async #run(name, running) {
    let run;
    let failed;
    while (running.next && !this.#isOver) {
      run = running.next;
      running.next = null;
      failed = await run().then(() => false, () => true);
    }
    this.#running.delete(name);
    if (failed) this.#wait(name, run);
    else this.#delays.delete(name);
  }

  #wait(name, run) {
    if (this.#isOver) return;
    const delay = this.#delays.get(name) ?? delayLeast;
    this.#delays.set(name, Math.min(delayMost, delay * 2));
    this.#waiting.set(name, { run, timer: this.after(delay, () => { this.#waiting.delete(name); this.try(name, run); }) });
  }

  stop(name) {
    const waiting = this.#waiting.get(name);
    if (waiting) this.cancel(waiting.timer);
    this.#waiting.delete(name);
  }

  now() {
    for (const [name, { run }] of [...this.#waiting]) this.try(name, run);
  }

  close() {
    this.#isOver = true;
    for (const name of [...this.#waiting.keys()]) this.stop(name);
  }
}
