// What failed is tried again by itself: with a growing delay, and at once when now() is called,
// for the connection is back.
//
//   const again = new Again();
//   again.try('people', async () => ...);   // rejects: tried again
//
// Of one name one runs at a time. What is asked for meanwhile runs once more afterwards, for what
// is under way may know less.

const delayLeast = 2000;
const delayMost = 30000;

export class Again {
  #waiting = new Map(); // name -> {run, timer}
  #delays = new Map();
  #running = new Map(); // name -> what runs next
  #isOver = false;

  constructor({ after = (ms, f) => setTimeout(f, ms), cancel = (timer) => clearTimeout(timer) } = {}) { Object.assign(this, { after, cancel }); }

  async try(name, run) {
    this.stop(name);
    if (this.#isOver) return;
    if (this.#running.has(name)) {
      this.#running.set(name, run);
      return;
    }
    let failed;
    for (let next = run; next && !this.#isOver; next = this.#running.get(name)) {
      this.#running.set(name, null);
      run = next;
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
