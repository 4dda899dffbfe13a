/** Work that goes on though whoever asked for it may be gone. */

/** Keeps an eye on it, so that what it works on is not closed under it. */
export class OngoingWork {
  readonly #works = new Set<Promise<unknown>>();

  /** Adds a work; returns it as it is. */
  add<T>(work: Promise<T>): Promise<T> {
    this.#works.add(work);
    const done = () => void this.#works.delete(work);
    work.then(done, done);
    return work;
  }

  /** Waits until there is none, at most so long. */
  async ended(mostMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      resolve();
    }, mostMs);
    // One that ends may be followed by another.
    while (this.#works.size > 0 && !isLate) {
      await Promise.race([late, Promise.allSettled(this.#works)]);
    }
    clearTimeout(timer);
  }
}
