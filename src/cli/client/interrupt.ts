/** Ctrl-C: the work stops where it can go on, and the user learns how. */

/** The work was ended by the user. The message says what is kept, and how to go on. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Exit code of a process that Ctrl-C ended: 128 and the number of SIGINT, as shells have it. */
const INTERRUPTED = 130;

/**
 * Runs work that a signal can end. A first signal ends `signal`, with an `Interrupted` as its reason; a second one ends the
 * process.
 *
 * @param message what is said if there is nothing better
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  message = "Interrupted.",
): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) Deno.exit(INTERRUPTED);
    controller.abort(new Interrupted(message));
  };
  // Windows knows no SIGTERM and SIGHUP; Deno offers SIGINT there.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const name of signals) Deno.addSignalListener(name, onSignal);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of signals) Deno.removeSignalListener(name, onSignal);
  }
}

/** Waits; the signal ends it. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
