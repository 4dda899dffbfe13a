/** Checks that what lies unfinished in the object store is known to the journal or to the resumable uploads. */
import { ServiceError } from "../errors.ts";
import type { ObjectStore, UnfinishedWrite } from "../objects/object_store.ts";
import { TAILS_FOLDER } from "../objects/s3_tails.ts";
import type { CheckOptions, Extent, Finding } from "./finding.ts";
import { strayTail, unfinishedWrite } from "./file_findings.ts";
import { FILES_PREFIX } from "./kept.ts";
import type { Site } from "./site.ts";
import { readUnderWay } from "./under_way.ts";

/** Checks the unfinished writes. MinIO tells of none here: it wants to be asked for each key. */
export async function* checkWrites(
  site: Site,
  store: ObjectStore,
  options: CheckOptions,
  extent: Extent,
): AsyncGenerator<Finding> {
  const writes: UnfinishedWrite[] = [];
  for await (const write of store.listUnfinished(FILES_PREFIX)) writes.push(write);
  const tails: string[] = [];
  const tailsPrefix = `${TAILS_FOLDER}/${FILES_PREFIX}`;
  for await (const { key } of store.list(tailsPrefix)) tails.push(key);
  options.signal?.throwIfAborted();
  // The journal after the store: what began in between is in both.
  const isAnythingThere = writes.length + tails.length > 0;
  const underWay = await readUnderWay(isAnythingThere ? await site.fresh() : site.kv);
  extent.pending = underWay.pending;
  extent.uploads = underWay.uploads;
  for (const write of writes) {
    if (underWay.ids.has(write.key.slice(FILES_PREFIX.length))) continue;
    // It may have been finished since; then it is not there any more.
    if (await isStillThere(store, write)) yield unfinishedWrite(write);
  }
  for (const key of tails) {
    const [id = ""] = key.slice(tailsPrefix.length).split("/");
    if (!underWay.ids.has(id) && await store.head(key)) yield strayTail(key);
  }
}

async function isStillThere(store: ObjectStore, { key, writeId }: UnfinishedWrite): Promise<boolean> {
  try {
    for await (const write of store.listUnfinished(key)) if (write.writeId === writeId) return true;
    return false;
  } catch (error) {
    if (error instanceof ServiceError && error.code === "not_found") return false;
    throw error;
  }
}
