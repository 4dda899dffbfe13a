/** Tries again what a lost connection or a busy server broke off. */
import { ClientError } from "../../client/client_error.ts";
import { pause } from "./interrupt.ts";

/** Tries in a row that get nowhere before it is given up; with the waits below that is one to two minutes. */
const MAX_TRIES = 10;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;

/** As long as the server itself waits for an upload that stands still. */
const DEFAULT_IDLE_MS = 60_000;

/** Counts tries that get nowhere. */
export class Retries {
  readonly #alsoPassing: readonly string[];
  #tries = 0;

  /** @param alsoPassing codes that are worth another try, beside those of a server that is away or busy */
  constructor(alsoPassing: readonly string[] = []) {
    this.#alsoPassing = alsoPassing;
  }

  /** Says that something was achieved: the count begins anew. */
  progressed(): void {
    this.#tries = 0;
  }

  /**
   * Waits for the next try.
   *
   * @throws {unknown} the error itself, if trying again would not help, or was tried often enough
   */
  async next(error: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!(error instanceof ClientError) || ++this.#tries >= MAX_TRIES) throw error;
    if (!error.isPassing && !this.#alsoPassing.includes(error.code)) throw error;
    const wait = Math.min(FIRST_WAIT_MS * 2 ** (this.#tries - 1), MAX_WAIT_MS);
    // Full jitter, so that clients that lost the same server do not come back at once.
    const waitMs = error.retryAfterSeconds === undefined
      ? wait * (0.5 + Math.random() / 2)
      : Math.min(error.retryAfterSeconds * 1000, MAX_WAIT_MS);
    await pause(waitMs, signal);
  }
}

/** Ends a transfer in which nothing moves. */
export class StallGuard implements Disposable {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #idleMs = DEFAULT_IDLE_MS;

  /** @param idleMs how long nothing may move */
  constructor(idleMs = DEFAULT_IDLE_MS) {
    this.moved(idleMs);
  }

  /** Aborts once nothing has moved for long enough; its reason is a `ClientError`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** @param idleMs how long it may take from here until something moves again, if not as long as before */
  moved(idleMs = this.#idleMs): void {
    this.#idleMs = idleMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const message = `Nothing has moved for ${Math.round(idleMs / 1000)} s.`;
      this.#controller.abort(new ClientError(message, { status: 0, code: "no_answer" }));
    }, idleMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
