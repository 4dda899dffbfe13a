/** Reads a stored file to its end and says what it is. */
import { createHash } from "node:crypto";
import { ServiceError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";

/** What a file is. */
export interface FileDigest {
  sizeBytes: number;
  /** In hexadecimal digits. */
  sha256: string;
}

/** How a file is read. */
export interface DigestOptions {
  /** Told of every block; it may keep the reading waiting. */
  onBytes?: (count: number) => void | Promise<void>;
  signal?: AbortSignal;
}

/**
 * The size and the checksum of a file, `undefined` if it is not there.
 *
 * @throws {ServiceError} if the store fails
 */
export async function digestOf(
  store: ObjectStore,
  key: string,
  { onBytes, signal }: DigestOptions = {},
): Promise<FileDigest | undefined> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    for await (const chunk of await store.get(key, { signal })) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      await onBytes?.(chunk.length);
    }
  } catch (error) {
    if (error instanceof ServiceError && error.code === "not_found") return undefined;
    throw error;
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}
