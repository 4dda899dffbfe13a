/** Request bodies that must keep moving. */
import { idleError } from "./body_reader.ts";

/**
 * The same body, which errors with `timeout` when a read has waited for longer than `idleMs` for its next byte. The time the
 * consumer takes between reads does not count.
 *
 * The connection itself stays open until its client closes it: Deno.serve offers no way to cut one whose body is waited for.
 */
export function withIdleTimeout(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const idle = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          const error = idleError(idleMs);
          reject(error);
          void reader.cancel(error).catch(() => {});
        }, idleMs);
      });
      try {
        const { done, value } = await Promise.race([reader.read(), idle]);
        if (done) controller.close();
        else controller.enqueue(value);
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
