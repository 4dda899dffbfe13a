/** Bounds how many calls of a remote KV are under way: those that hang when it goes away are as many at most. */
import { ServiceError } from "../errors.ts";

/** Enough for some thousand calls a second at 20 ms each; what hangs when the KV goes away is bounded by it. */
const MAX_CALLS = 64;

/** How long a call waits for its turn. With the 3 s that it may take then, a client has its answer within 5 s. */
const MAX_WAIT_MS = 1500;

interface Waiting {
  go: () => void;
  refuse: (error: Error) => void;
}

/** The calls under way, and those that wait. */
export class CallQueue {
  readonly #maxWaitMs: number;
  /** When each call began, the oldest first. */
  readonly #begun: number[] = [];
  #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(options: { maxWaitMs?: number } = {}) {
    this.#maxWaitMs = options.maxWaitMs ?? MAX_WAIT_MS;
  }

  /** How long at least one call has been under way without a call having ended, in milliseconds; 0 if none is. */
  get longestMs(): number {
    return this.#begun[0] === undefined ? 0 : Math.max(1, performance.now() - this.#begun[0]);
  }

  /**
   * Waits for a turn. `leave` gives it back.
   *
   * @throws {ServiceError} `unavailable` if it does not come in time
   */
  async enter(): Promise<void> {
    if (this.#underWay >= MAX_CALLS) await this.#turn();
    else this.#underWay++;
    this.#begun.push(performance.now());
  }

  /** Ends a call. */
  leave(): void {
    // Some call has ended, so the KV answers; which one does not matter.
    this.#begun.shift();
    const next = this.#waiting.shift();
    if (next) next.go();
    else this.#underWay--;
  }

  /** Whoever waits gets this error. */
  refuseWaiting(error: Error): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }

  async #turn(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { go: resolve, refuse: reject };
    this.#waiting.push(waiting);
    const timer = setTimeout(() => {
      this.#waiting = this.#waiting.filter((one) => one !== waiting);
      reject(
        new ServiceError("unavailable", "The database has too much to do; nothing was changed. Try again.", {
          details: { may_have_happened: false },
        }),
      );
    }, this.#maxWaitMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}
