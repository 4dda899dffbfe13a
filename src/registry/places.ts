/** A number of places of which each taker takes several, all at once, first come first served. */
export class Places {
  #free: number;
  readonly #waiting: { count: number; enter: () => void }[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes `count` places, at most as many as there are; give them back with `release`. Throws the signal's reason if that fires first. */
  async take(count: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && this.#free >= count) {
      this.#free -= count;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { count, enter: resolve };
    const onAbort = () => {
      const at = this.#waiting.indexOf(waiter);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      reject(signal.reason);
      this.#admit();
    };
    this.#waiting.push(waiter);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Gives places back. */
  release(count: number): void {
    this.#free += count;
    this.#admit();
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first && first.count <= this.#free; first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= first.count;
      first.enter();
    }
  }
}
