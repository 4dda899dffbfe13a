/** Text that is sent as it comes: answers too large to be held. */
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import type { AppEnv } from "./app.ts";

const log = getLogger(["assets-server", "http"]);

/** Answers are gathered into chunks of about this many characters: many small ones are slow to send. */
const CHUNK_CHARACTERS = 64 * 1024;

/**
 * Sends text as it comes. The first chunk is made before the answer begins, so that what fails early has a status of its own;
 * later the only way to say so is to break the connection off. That happens, too, when the client takes nothing for
 * `--idle-timeout`: what makes the text, a query, holds a place that others wait for.
 */
export async function streamText(
  context: Context<AppEnv>,
  pieces: AsyncGenerator<string>,
  contentType: string,
): Promise<Response> {
  const { idleTimeoutMs } = context.env.edge;
  const encoder = new TextEncoder();
  let first: string | undefined = await gather(pieces);
  let hasEnded = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(timer);
      try {
        const text = first ?? await gather(pieces);
        first = undefined;
        // The client went away meanwhile: nothing can be given to the stream any more.
        if (hasEnded) return;
        if (text === "") return controller.close();
        const bytes = encoder.encode(text);
        context.env.bytesOut += bytes.length;
        controller.enqueue(bytes);
        timer = setTimeout(() => {
          hasEnded = true;
          const reason = `nothing of it was taken for ${idleTimeoutMs / 1000} s (--idle-timeout)`;
          log.warn("An answer broke off: {reason}", { reason });
          controller.error(new Error(reason));
          void pieces.return(undefined).catch(() => {});
        }, idleTimeoutMs);
      } catch (error) {
        if (hasEnded) return;
        log.warn("An answer broke off: {error}", { error });
        controller.error(error);
      }
    },
    async cancel() {
      hasEnded = true;
      clearTimeout(timer);
      await pieces.return(undefined);
    },
  });
  return context.body(body, 200, { "Content-Type": contentType });
}

/** The next chunk; "" at the end. */
async function gather(pieces: AsyncGenerator<string>): Promise<string> {
  let text = "";
  while (text.length < CHUNK_CHARACTERS) {
    const next = await pieces.next();
    if (next.done) break;
    text += next.value;
  }
  return text;
}
