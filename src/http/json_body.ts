/** Reads JSON bodies: the right media type, a bounded size, valid UTF-8, a bounded depth. */
import type { Context } from "hono";
import { ServiceError } from "../errors.ts";
import type { Json } from "../collection/json.ts";
import type { AppEnv } from "./app.ts";
import { BodyReader } from "./body_reader.ts";
import { countIn } from "./exchange.ts";

/** The most bytes in a JSON body: four of the largest assets. It is held as a whole, and parsing it holds the thread up. */
export const MAX_JSON_BODY_BYTES = 1024 * 1024;

/** Deeper JSON could exhaust the stack of whoever walks it. */
const MAX_JSON_DEPTH = 100;

/**
 * The JSON of a request's body.
 *
 * @throws {ServiceError} `unsupported_media_type`, `too_large`, `invalid_json`; `timeout` if no byte comes for `--idle-timeout`
 */
export async function readJsonBody(context: Context<AppEnv>): Promise<Json> {
  const mediaType = context.req.header("Content-Type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (mediaType !== "application/json" && !/^application\/[^/]+\+json$/.test(mediaType)) {
    throw new ServiceError(
      "unsupported_media_type",
      `The body must be JSON (Content-Type: application/json), not ${
        mediaType === "" ? "untyped" : mediaType
      }.`,
    );
  }
  const body = new BodyReader(context.req.raw.body ?? new Blob([]).stream(), {
    idleTimeoutMs: context.env.edge.idleTimeoutMs,
    onBytes: countIn(context),
    hasLength: context.req.header("Content-Length") !== undefined,
  });
  try {
    return parseJson(await readAll(body, MAX_JSON_BODY_BYTES), "The body");
  } catch (error) {
    await body.cancel(error);
    throw error;
  }
}

/**
 * Parses JSON text that a client sent.
 *
 * @param what begins the sentence of an error: "The body", "The part asset_metadata"
 * @throws {ServiceError} `invalid_json`
 */
export function parseJson(bytes: Uint8Array, what: string): Json {
  let json: Json;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : "it is not UTF-8";
    throw new ServiceError("invalid_json", `${what} is not valid JSON: ${reason}.`);
  }
  checkJson(json, what);
  return json;
}

async function readAll(body: BodyReader, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for (
    let chunk = await body.read({ mayReuse: false });
    chunk;
    chunk = await body.read({ mayReuse: false })
  ) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      throw new ServiceError("too_large", `The body is larger than ${maxBytes} bytes, the limit for JSON.`);
    }
    chunks.push(chunk);
  }
  const whole = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** Walks without recursion, since it is here to find what is too deep for it. */
function checkJson(json: Json, what: string): void {
  const open: { value: Json; depth: number }[] = [{ value: json, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw new ServiceError("invalid_json", `${what} has a number that is too large for a 64-bit float.`);
    }
    if (typeof value !== "object" || value === null) continue;
    if (depth === MAX_JSON_DEPTH) {
      throw new ServiceError("invalid_json", `${what} is nested more than ${MAX_JSON_DEPTH} levels deep.`);
    }
    for (const child of Object.values(value)) open.push({ value: child, depth: depth + 1 });
  }
}
