/** A stream that is read until something stops the reading. */

/**
 * Reads `body` in `work`, and returns what that returns. `stop` ends whatever listens to it, and cancels the stream: when
 * `signal` fires, and when `work` throws. A read that waits for a slow source then says "done", so `work` has to look at
 * `stop` after each read.
 */
export async function readStoppably<T>(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
  work: (reader: ReadableStreamDefaultReader<Uint8Array>, stop: AbortController) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  const reader = body.getReader();
  // Wakes a read that waits for a slow source. A source that fails to be cancelled changes nothing.
  const cancelSource = () => void reader.cancel(stop.signal.reason).catch(() => {});
  stop.signal.addEventListener("abort", cancelSource, { once: true });
  try {
    if (stop.signal.aborted) cancelSource();
    stop.signal.throwIfAborted();
    return await work(reader, stop);
  } catch (error) {
    if (!stop.signal.aborted) stop.abort(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
