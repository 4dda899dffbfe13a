/**
 * When to ask again: exponential backoff with full jitter, and the wait a server asks for.
 *
 * Time and randomness come in as arguments, so that a test decides both.
 */

/** The time a client lives by. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The clock on the wall. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted) {
      reject(signal.reason);
      return promise;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  },
};

/** How long to wait between attempts. */
export interface BackoffOptions {
  /** Upper bound of the first wait. */
  baseMs: number;
  /** Upper bound of any wait. */
  capMs: number;
  /** Longest `Retry-After` that is waited for; a server that asks for more is not asked again. */
  maxRetryAfterMs: number;
}

/** What S3 clients commonly use: quick first repeats, never more than seconds apart. */
export const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 200, capMs: 5_000, maxRetryAfterMs: 20_000 };

/**
 * Milliseconds to wait after the `attempt`-th try (1-based) failed, or `undefined` when the server wants to be left
 * alone for longer than anybody would wait.
 *
 * Full jitter, a uniform draw between 0 and the exponential bound, spreads clients best that were refused together.
 * `random` returns a number in [0, 1), `retryAfterMs` is what the server asked for, if anything.
 */
export function retryDelayMs(
  attempt: number,
  random: () => number,
  retryAfterMs?: number,
  { baseMs, capMs, maxRetryAfterMs }: BackoffOptions = DEFAULT_BACKOFF,
): number | undefined {
  if (retryAfterMs !== undefined && retryAfterMs > maxRetryAfterMs) return undefined;
  const jittered = random() * Math.min(capMs, baseMs * 2 ** (attempt - 1));
  return Math.max(jittered, retryAfterMs ?? 0);
}

/**
 * Milliseconds that a `Retry-After` header asks for (RFC 9110 §10.2.3: seconds, or an HTTP date), `undefined` when the
 * header is missing or makes no sense. A date in the past means now.
 */
export function parseRetryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2}/.test(text)) return undefined;
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
