/**
 * Idempotency keys: a change and the record of its outcome are one commit, so a repeated request finds the outcome
 * instead of doing the change again, however the first answer was lost.
 *
 * | key                       | value                                                  |
 * | ------------------------- | ------------------------------------------------------ |
 * | `["once", key]`           | `{fingerprint, outcome}` (`large_value.ts`), kept 24 h |
 * | `["once-chunk", key, n]`  | a piece of a record too large for one value            |
 */
import { createHash } from "node:crypto";
import { ServiceError } from "../errors.ts";
import { AlongsideChanged } from "./collection.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { CommitUnknown } from "../kv/unavailable.ts";
import { getLarge, jsonBytes, type LargeKey, setLarge } from "./large_value.ts";
import type { Alongside } from "./truth.ts";

/** How long an outcome is kept. */
const RETENTION_MS = 24 * 60 * 60 * 1000;

/** A request that must take effect once. */
export interface Once {
  /** The client's `Idempotency-Key`. */
  key: string;
  /** What tells this request from another one with the same key: method, path, body. Asked for once there is need. */
  fingerprint: () => string | Promise<string>;
}

/** Makes the part of a commit that records its outcome. */
export type Recorder = (outcome: JsonObject) => Promise<Alongside>;

/**
 * Runs a change once: when its key has an outcome already, that is returned and nothing is done.
 *
 * @param change must commit what `record(outcome)` gives in the commit of the change itself, and return that outcome
 * @throws {ServiceError} `invalid_request` if the key was used for another request
 */
export async function runOnce<T extends JsonObject>(
  kv: Deno.Kv,
  once: Once | undefined,
  change: (record: Recorder) => Promise<T>,
): Promise<T | JsonObject> {
  const known = once && await recall(kv, once);
  if (known) return known;
  try {
    return await change(async (outcome) => once ? await recording(once, outcome) : {});
  } catch (error) {
    // There is nobody to ask, and that it may have happened is what the client must hear.
    if (error instanceof CommitUnknown) throw error;
    // The same request, sent twice at once: the other one was first, and this one met what that has done.
    const outcome = once && await recall(kv, once);
    if (outcome) return outcome;
    if (!(error instanceof AlongsideChanged)) throw error;
    throw new ServiceError("unavailable", "The change took too long and was given up; try again.", {
      cause: error,
    });
  }
}

/**
 * What the first request with a key has recorded as it began; that is done for the first. For a change of many commits, which
 * then sees to it by itself that none of them is made twice.
 *
 * @throws {ServiceError} `invalid_request` if the key was used for another request
 */
export async function beginOnce(kv: Deno.Kv, once: Once, outcome: JsonObject): Promise<JsonObject> {
  return await runOnce(kv, once, async (record) => {
    const { checks = [], write } = await record(outcome);
    const operation = kv.atomic().check(...checks);
    write?.(operation);
    if (!(await operation.commit()).ok) throw new AlongsideChanged();
    return outcome;
  });
}

/** Two parts of one commit as one. */
export function together(a: Alongside, b: Alongside): Alongside {
  return {
    checks: [...a.checks ?? [], ...b.checks ?? []],
    write(operation) {
      a.write?.(operation);
      b.write?.(operation);
    },
  };
}

/**
 * The outcome of a request that was done, if it was.
 *
 * @throws {ServiceError} `invalid_request` if the key was used for another request
 */
export async function recall(kv: Deno.Kv, { key, fingerprint }: Once): Promise<JsonObject | undefined> {
  const found = await getLarge(kv, at(key));
  if (!found) return undefined;
  const record: unknown = JSON.parse(found.text);
  if (!isJsonObject(record) || !isJsonObject(record.outcome)) {
    throw new TypeError("Not an idempotency record");
  }
  if (record.fingerprint !== await fingerprint()) throw differentRequest();
  return record.outcome;
}

/** The error of a key that was used for another request. */
export function differentRequest(): ServiceError {
  return new ServiceError("invalid_request", "This Idempotency-Key was used for a different request.", {
    details: [{ path: "Idempotency-Key", message: "was used for a different request" }],
  });
}

async function recording({ key, fingerprint: fingerprintOf }: Once, outcome: JsonObject): Promise<Alongside> {
  const place = at(key);
  const fingerprint = await fingerprintOf();
  return {
    checks: [{ key: place.key, versionstamp: null }],
    write(operation) {
      setLarge(operation, place, jsonBytes({ fingerprint, outcome }), { expireInMs: RETENTION_MS });
    },
  };
}

/** A key may be up to 255 characters of any kind; as a digest it always fits. */
function at(key: string): LargeKey {
  const digest = createHash("sha256").update(key).digest("hex");
  return { key: ["once", digest], piecePrefix: ["once-chunk", digest] };
}
