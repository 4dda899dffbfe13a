/** The `Idempotency-Key` request header: a change that carries one takes effect once. */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import type { Once } from "../collection/idempotency.ts";
import type { Json } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import { rawPath } from "./app.ts";

/** The name of the header. */
export const IDEMPOTENCY_KEY = "Idempotency-Key";
/** Seven times a UUID; it is kept for a day. */
const MAX_KEY_LENGTH = 255;

/**
 * The key of a request and what tells it from others, if it has one.
 *
 * @param body its JSON; `null` for a request without
 * @throws {ServiceError} `invalid_request` if the key is empty or too long
 */
export function onceOf(context: Context, body: Json): Once | undefined {
  const key = idempotencyKey(context);
  return key === undefined ? undefined : { key, fingerprint: () => fingerprintOf(context, body) };
}

/**
 * The key of a request, if it has one.
 *
 * @throws {ServiceError} `invalid_request` if it is empty or too long
 */
export function idempotencyKey(context: Context): string | undefined {
  const key = context.req.header(IDEMPOTENCY_KEY);
  if (key === undefined || (key.length > 0 && key.length <= MAX_KEY_LENGTH)) return key;
  const message = `must have 1 to ${MAX_KEY_LENGTH} characters`;
  throw new ServiceError("invalid_request", `${IDEMPOTENCY_KEY} ${message}.`, {
    details: [{ path: IDEMPOTENCY_KEY, message }],
  });
}

/** A digest of method, path and content: equal for equal requests. */
export function fingerprintOf(context: Context, content: Json): string {
  const request = [context.req.method, rawPath(context.req.raw), JSON.stringify(content)].join("\n");
  return createHash("sha256").update(request).digest("hex");
}
