/**
 * How long a source of a search is waited for: the time-out in all, of which it gains back by what it sends.
 *
 * A time-out of the whole answer would cut long answers off, one of each read would let a source hold up a search for ever by
 * sending a little now and then. So what is waited for is taken from an account, and every document and every byte puts a
 * little back: a source that keeps up 200 documents or 1 MiB a second may go on as long as it likes.
 */

const EARNED_MS_PER_DOCUMENT = 5;
const EARNED_MS_PER_BYTE = 1000 / 2 ** 20;

/** The account of one source. */
export class Patience {
  /** Whether there was none left. */
  isOut = false;
  readonly #mostMs: number;
  readonly #abort: AbortController;
  #leftMs: number;

  /** @param abort aborted when no patience is left */
  constructor(timeoutMs: number, abort: AbortController) {
    this.#mostMs = timeoutMs;
    this.#leftMs = timeoutMs;
    this.#abort = abort;
  }

  /** Waits for a step that ends when the signal fires. */
  async spend<T>(step: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const timer = setTimeout(() => {
      this.isOut = true;
      this.#abort.abort(new Error("timed out"));
    }, this.#leftMs);
    try {
      return await step();
    } finally {
      clearTimeout(timer);
      this.#leftMs = Math.max(0, this.#leftMs - (performance.now() - startedAt));
    }
  }

  /** Gives back some of what was spent. */
  earn(documents: number, bytes: number): void {
    const earnedMs = documents * EARNED_MS_PER_DOCUMENT + bytes * EARNED_MS_PER_BYTE;
    this.#leftMs = Math.min(this.#mostMs, this.#leftMs + earnedMs);
  }
}
