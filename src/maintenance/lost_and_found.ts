/** Where a repair puts what it takes away: `lost+found/` in the object store, beside `asset/`. Nothing is deleted. */
import type { ObjectStore } from "../objects/object_store.ts";

/** What the keys of things put aside begin with. */
const LOST_AND_FOUND = "lost+found/";

/** What it says to those who read the bucket directly. */
const CONTENT_TYPE = "application/octet-stream";

/**
 * Puts some bytes aside.
 *
 * @param name where, within `lost+found`
 */
export async function keepAside(store: ObjectStore, name: string, bytes: Blob): Promise<void> {
  await store.put(LOST_AND_FOUND + name, bytes.stream(), { contentType: CONTENT_TYPE });
}

/** Moves a file aside; `false` if it is not there. */
export async function moveAside(store: ObjectStore, key: string): Promise<boolean> {
  const info = await store.head(key);
  if (!info) return false;
  const { sizeBytes } = await store.put(LOST_AND_FOUND + key, await store.get(key), {
    contentType: CONTENT_TYPE,
  });
  if (sizeBytes !== info.sizeBytes) {
    throw new Error(
      `${key} was not moved to ${LOST_AND_FOUND}: it has ${info.sizeBytes} bytes, and ${sizeBytes} came`,
    );
  }
  await store.delete(key);
  return true;
}
