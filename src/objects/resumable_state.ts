/** What the stores' resumable writes share: how often they tell where they stand, and how they read that again. */

import type { Json } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import type { ResumableState } from "./object_store.ts";

/**
 * New bytes between two checkpoints: what a crash costs a client at most, besides what was on its way. Flushing a disk
 * and writing a state this often costs little next to receiving the bytes.
 */
export const CHECKPOINT_BYTES = 64 * 2 ** 20;

/** A text of a state. Throws `internal` when the state is none of this store's. */
export function textIn(state: ResumableState, name: string): string {
  const value = state[name];
  if (typeof value !== "string") throw unreadable(name);
  return value;
}

/** A number of bytes of a state. Throws `internal` when the state is none of this store's. */
export function bytesIn(state: ResumableState, name: string): number {
  const value = state[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw unreadable(name);
  return value;
}

/** The texts of a list in a state. Throws `internal` when the state is none of this store's. */
export function textsIn(state: ResumableState, name: string): string[] {
  const value = state[name];
  if (!Array.isArray(value)) throw unreadable(name);
  return value.map((item: Json) => {
    if (typeof item !== "string") throw unreadable(name);
    return item;
  });
}

/** The error of a write whose bytes are not there any more: thrown away meanwhile, or by the store's own clean-up. */
export function writeIsGone(cause?: unknown): ServiceError {
  return new ServiceError("not_found", "There is no such unfinished write.", { cause });
}

function unreadable(name: string): ServiceError {
  return new ServiceError("internal", `The state of an unfinished write has no usable "${name}".`);
}
