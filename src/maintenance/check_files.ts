/**
 * Checks that every file that a document names is in the object store, and the other way round.
 *
 * Documents come in the order of their ids, files in the order of their keys, and a file is named after the id of its asset:
 * both go by once, side by side, so that millions need no memory. What does not match then is looked at again, because a
 * server may be at work: a file comes before its document and goes after it, and the journal names it meanwhile.
 */
import type { ObjectInfo, ObjectStore } from "../objects/object_store.ts";
import { fileNamedBy, type KeptDocument, readDocument, scanDocuments } from "./documents.ts";
import type { CheckOptions, Extent, Finding } from "./finding.ts";
import { damagedFile, missingFile, strayFile } from "./file_findings.ts";
import { digestOf, type FileDigest } from "./file_digest.ts";
import { FILES_PREFIX, type NamedFile } from "./kept.ts";
import { damagedIds } from "./scrub_records.ts";
import type { Site } from "./site.ts";
import { readUnderWay } from "./under_way.ts";

/** A document and the file it names. */
interface Pair {
  owner: KeptDocument;
  file: NamedFile;
}

/** A file that is not what its document says: what it is, or nothing if it is not there. */
interface Suspect extends Pair {
  found: FileDigest | undefined;
}

/** So many missing files are not suspected to be those of another store. */
const USUAL_MISSING = 10;

/** Checks the files of an Assets DB. */
export async function* checkFiles(
  site: Site,
  store: ObjectStore,
  options: CheckOptions,
  extent: Extent,
): AsyncGenerator<Finding> {
  const { collection, assetsDbId = "" } = site;
  const damaged = new Set(await damagedIds(site.kv, assetsDbId));
  const suspects: Suspect[] = [];
  const strays: string[] = [];
  for await (const { pair, object } of sideBySide(site, store)) {
    options.signal?.throwIfAborted();
    if (object) {
      extent.files++;
      extent.fileBytes += object.sizeBytes;
    }
    if (!pair) strays.push(object.key);
    // Another Assets DB of the same KV may have another store.
    else if (pair.file.assetsDbId === assetsDbId) {
      const readsFile = options.readsFiles || damaged.has(pair.owner.id);
      const suspect = await look(store, pair, object, { ...options, readsFile });
      if (suspect) suspects.push(suspect);
    }
  }
  if (suspects.length + strays.length === 0) return;
  const kv = await site.fresh();
  const isNamed = async (id: string, key: string) =>
    fileNamedBy(await readDocument(kv, collection, id), collection)?.key === key;
  const missing = suspects.filter(({ found }) => !found).length;
  const isSuspicious = missing > USUAL_MISSING && missing > extent.files && !options.isForced;
  for (const { owner, file, found } of suspects) {
    if (!await isNamed(owner.id, file.key)) continue;
    yield found ? damagedFile(owner, file, found) : missingFile(owner, file, { isSuspicious });
  }
  const underWay = await readUnderWay(kv);
  for (const key of strays) {
    const id = key.slice(FILES_PREFIX.length);
    if (!underWay.ids.has(id) && !await isNamed(id, key) && await store.head(key)) yield strayFile(key);
  }
}

/** Documents and objects with the same key together, in the order of the keys; one may lack the other. */
async function* sideBySide(
  { kv, collection }: Site,
  store: ObjectStore,
): AsyncGenerator<{ pair: Pair; object?: ObjectInfo } | { pair?: undefined; object: ObjectInfo }> {
  const objects = store.list(FILES_PREFIX)[Symbol.asyncIterator]();
  let object = await objects.next();
  try {
    for await (const owner of scanDocuments(kv, collection)) {
      const file = collection.fileOf(owner.document);
      if (!file) continue;
      while (!object.done && object.value.key < file.key) {
        yield { object: object.value };
        object = await objects.next();
      }
      if (object.done || object.value.key !== file.key) {
        yield { pair: { owner, file } };
        continue;
      }
      yield { pair: { owner, file }, object: object.value };
      object = await objects.next();
    }
    for (; !object.done; object = await objects.next()) yield { object: object.value };
  } finally {
    await objects.return?.();
  }
}

/** Looks at the file of a document, and reads it if that is wanted or its size is wrong. */
async function look(
  store: ObjectStore,
  pair: Pair,
  listed: ObjectInfo | undefined,
  { readsFile, progress, signal }: CheckOptions & { readsFile: boolean },
): Promise<Suspect | undefined> {
  const { file } = pair;
  // What was not listed may have been stored since.
  const info = listed ?? await store.head(file.key);
  if (!info) return { ...pair, found: undefined };
  const hasItsSize = file.sizeBytes === undefined || info.sizeBytes === file.sizeBytes;
  if (!readsFile && hasItsSize) return undefined;
  const found = await digestOf(store, file.key, { onBytes: progress.bytes, signal });
  const isRight = found && (file.sizeBytes === undefined || found.sizeBytes === file.sizeBytes) &&
    (file.sha256 === undefined || found.sha256 === file.sha256);
  return isRight ? undefined : { ...pair, found };
}
