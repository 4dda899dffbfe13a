/** An object store whose calls are measured. */
import type { ObjectStore } from "../objects/object_store.ts";
import { observed, type Operations } from "./observed.ts";

/** The same store, measured. Of `put` and `append` the time includes that of the client that sends the bytes. */
export function observedStore(store: ObjectStore, operations: Operations): ObjectStore {
  const resumable = observed(store.resumable, operations, ["begin", "append", "finish", "discard"]);
  return observed(store, operations, ["put", "get", "head", "delete", "check"], { resumable });
}
