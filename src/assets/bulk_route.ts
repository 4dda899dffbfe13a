/** `POST /assets/bulk`: NDJSON in, NDJSON out, both as streams. */
import { setImmediate, setTimeout } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import { ServiceError } from "../errors.ts";
import type { AppEnv } from "../http/app.ts";
import { BodyReader } from "../http/body_reader.ts";
import { countIn } from "../http/exchange.ts";
import { onceOf } from "../http/idempotency_key.ts";
import { createFromLines } from "./bulk.ts";
import { LineIds } from "./line_ids.ts";
import type { AssetService } from "./service.ts";

const log = getLogger(["assets-server", "assets"]);

const NDJSON = "application/x-ndjson";

/**
 * So much of the answers waits for a client that sends all its lines before it reads (about 65,000 of them, beside what the
 * sockets hold). Then no more lines are read.
 */
const ANSWER_BUFFER_BYTES = 8 * 2 ** 20;

/** The database has this long to show that it is there: later, a failure has no status of its own. */
const CHECK_TIMEOUT_MS = 4000;

/**
 * So long after the answer has begun, and after each piece of it, no byte is read, so that it is written first. Deno 2.9.6 wakes
 * either who reads from a connection or who writes to it when the client goes away, whoever waited last (`libs/http_h1/conn.rs`,
 * `poll_peer_closed_with`): if it is the writer, the read that is under way never ends, and the connection's descriptor and half a
 * MiB are lost. After an answer that is written while the next lines are waited for, nothing helps against it; so `bulk.ts` does
 * that for clients alone that stop sending in the middle of a stream.
 */
const ANSWER_BEGINS_MS = 1;

/**
 * Answers `POST /assets/bulk`.
 *
 * @param options.idleTimeoutMs how long a client may send nothing that is waited for, or take no answers
 * @throws {ServiceError} `unsupported_media_type`; `unavailable` if the KV is away before the first line
 */
export async function createAssets(
  context: Context<AppEnv>,
  service: AssetService,
  { idleTimeoutMs }: { idleTimeoutMs: number },
): Promise<Response> {
  const { req, env } = context;
  checkMediaType(req.header("Content-Type"));
  await checkDatabase(service);
  // The lines are not among what tells the request from others: none of them has been read.
  const once = onceOf(context, null);
  const ids = once && await LineIds.begin(service.options.kv, once);
  const body = new BodyReader(req.raw.body ?? new Blob([]).stream(), {
    idleTimeoutMs,
    hasLength: req.header("Content-Length") !== undefined,
    isAnsweredMeanwhile: true,
    onBytes: countIn(context),
  });
  env.signal = req.raw.signal;
  /** Of answers, when the last read began; none has begun before the first. */
  let answeredBytes = -1;
  const read = async () => {
    if (env.bytesOut !== answeredBytes) await setTimeout(ANSWER_BEGINS_MS);
    answeredBytes = env.bytesOut;
    return await body.read({ mayReuse: true }) ?? await endOf(env.signal);
  };
  const answers = createFromLines(service, read, ids);
  const stream = answerStream(answers, {
    idleTimeoutMs,
    onBytes: (count) => env.bytesOut += count,
    onEnd: (reason) => body.cancel(reason),
  });
  return context.body(stream, 200, { "Content-Type": NDJSON });
}

/** Deno 2.9.6 takes a body in HTTP chunks that broke off for one that has ended: its last line may not be whole. */
async function endOf(signal: AbortSignal | undefined): Promise<undefined> {
  await setImmediate();
  if (signal?.aborted) throw new ServiceError("invalid_request", "The body of the request broke off.");
  return undefined;
}

function checkMediaType(contentType: string | undefined): void {
  const mediaType = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (mediaType === NDJSON) return;
  throw new ServiceError(
    "unsupported_media_type",
    `The body must be NDJSON (Content-Type: ${NDJSON}), not ${mediaType === "" ? "untyped" : mediaType}.`,
  );
}

async function checkDatabase({ assets }: AssetService): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = globalThis.setTimeout(() => reject(new Error("no answer in time")), CHECK_TIMEOUT_MS);
  try {
    await Promise.race([assets.idsThere(["-"]), late]);
  } catch (cause) {
    throw new ServiceError("unavailable", "The database does not answer; nothing was stored.", { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** The answers as bytes. A client that takes none for a while, though there are some, is given up. */
function answerStream(
  answers: AsyncGenerator<string>,
  { idleTimeoutMs, onBytes, onEnd }: {
    idleTimeoutMs: number;
    onBytes: (count: number) => void;
    onEnd: (reason: unknown) => Promise<void>;
  },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof globalThis.setTimeout> | undefined;
  let isCancelled = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(timer);
      try {
        const { done, value } = await answers.next();
        // The client went away meanwhile: nothing can be given to the stream any more.
        if (isCancelled) return;
        if (done) {
          await onEnd("Every line is answered.");
          return controller.close();
        }
        const bytes = encoder.encode(value);
        onBytes(bytes.length);
        controller.enqueue(bytes);
        if ((controller.desiredSize ?? 0) > 0) return;
        timer = globalThis.setTimeout(() => {
          const reason = new Error(`no answer was taken for ${idleTimeoutMs / 1000} s (--idle-timeout)`);
          log.warn("A bulk creation broke off: {reason}", { reason: reason.message });
          controller.error(reason);
          void answers.return(undefined).then(() => onEnd(reason));
        }, idleTimeoutMs);
      } catch (error) {
        log.error("A bulk creation broke off: {error}", { error });
        controller.error(error);
        await onEnd(error);
      }
    },
    async cancel(reason) {
      isCancelled = true;
      clearTimeout(timer);
      // The end of the body wakes a reading that the answers may be waiting for.
      await onEnd(reason);
      await answers.return(undefined);
    },
  }, new ByteLengthQueuingStrategy({ highWaterMark: ANSWER_BUFFER_BYTES }));
}
