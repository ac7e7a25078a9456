// A list that is read page by page: fetchPage(next) gives {items, next}, next being undefined
// for the first page, and after the last.

export class Pages {
  // 'new', 'loading', 'more', 'done', 'failed'
  state = 'new';
  problem = null;
  #next;
  #turn = 0;
  #isAnew = false; // begun again, because the next page was refused

  constructor(fetchPage, take) { Object.assign(this, { fetchPage, take }); }

  get isLoading() { return this.state === 'loading'; }
  get isDone() { return this.state === 'done'; }
  get hasBegun() { return this.#next !== undefined || this.state === 'done'; }

  /** Read the next page, if there is one and none is under way. */
  async more() {
    if (this.state === 'loading' || this.state === 'done') return;
    const turn = ++this.#turn;
    const isFirst = this.#next === undefined;
    this.state = 'loading';
    try {
      const { items, next } = await this.fetchPage(this.#next);
      if (turn !== this.#turn) return;
      this.#next = next;
      this.state = next === undefined ? 'done' : 'more';
      this.problem = null;
      this.#isAnew &&= isFirst;
      this.take(items, isFirst);
    } catch (problem) {
      if (turn !== this.#turn) return;
      if (problem.status === 400 && !isFirst && !this.#isAnew) { // whom it was to follow is gone
        this.#isAnew = true;
        return this.restart();
      }
      this.state = 'failed';
      this.problem = problem;
    }
  }

  /** What is under way no longer counts; restart() follows. */
  drop() {
    this.#turn++;
    this.state = 'loading';
  }

  /** Begin again with the first page; what is under way no longer counts. */
  restart() {
    this.#turn++;
    this.#next = undefined;
    this.state = 'new';
    return this.more();
  }
}
