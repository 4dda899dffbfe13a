/** Reads the documents of a collection as they lie in the KV, the damaged ones too. */
import { isJsonObject, type JsonObject } from "../collection/json.ts";
import { completeLarge, DamagedValue, type LargeKey } from "../collection/large_value.ts";
import type { KeptCollection, NamedFile } from "./kept.ts";

/** How many documents one read asks for. */
const SCAN_BATCH = 500;

/** A document of a collection. */
export interface KeptDocument {
  id: string;
  document: JsonObject;
  /** The same as JSON. */
  text: string;
  versionstamp: string;
  pieces: number;
}

/** What should be a document. */
export interface DamagedDocument {
  id: string;
  /** What is wrong with it. */
  damage: string;
  versionstamp: string;
}

/** Where a document of a collection stands. */
export function keyOf({ name }: KeptCollection, id: string): LargeKey {
  return { key: ["doc", name, id], piecePrefix: ["chunk", name, id] };
}

/** Everything that should be a document, in the order of the ids, beginning behind the id `after`. */
export async function* scanAll(
  kv: Deno.Kv,
  collection: KeptCollection,
  after?: string,
): AsyncGenerator<KeptDocument | DamagedDocument> {
  const prefix = ["doc", collection.name];
  const selector = after === undefined ? { prefix } : { prefix, start: [...prefix, `${after}\u0000`] };
  const list = kv.list<unknown>(selector, { batchSize: SCAN_BATCH });
  for await (const entry of list) {
    const id = entry.key[2];
    if (typeof id !== "string") continue;
    const found = await complete(kv, collection, id, entry);
    if (found) yield found;
  }
}

/** Every whole document, in the order of the ids, beginning behind the id `after`. */
export async function* scanDocuments(
  kv: Deno.Kv,
  collection: KeptCollection,
  after?: string,
): AsyncGenerator<KeptDocument> {
  for await (const found of scanAll(kv, collection, after)) if (!("damage" in found)) yield found;
}

/** One document. */
export async function readDocument(
  kv: Deno.Kv,
  collection: KeptCollection,
  id: string,
): Promise<KeptDocument | DamagedDocument | undefined> {
  return await complete(kv, collection, id, await kv.get<unknown>(keyOf(collection, id).key));
}

/** The file that a document names; of one that is damaged nothing is known. */
export function fileNamedBy(
  found: KeptDocument | DamagedDocument | undefined,
  collection: KeptCollection,
): NamedFile | undefined {
  return found && !("damage" in found) ? collection.fileOf(found.document) : undefined;
}

async function complete(
  kv: Deno.Kv,
  collection: KeptCollection,
  id: string,
  entry: Deno.KvEntryMaybe<unknown>,
): Promise<KeptDocument | DamagedDocument | undefined> {
  const damaged = (damage: string) => ({ id, damage, versionstamp: entry.versionstamp ?? "" });
  try {
    const found = await completeLarge(kv, keyOf(collection, id), entry);
    if (!found) return undefined;
    const document = parse(found.text);
    if (!document) return damaged("is no JSON object");
    return isOfItsKind(document, collection)
      ? { id, document, ...found }
      : damaged(`is no ${collection.noun}`);
  } catch (error) {
    if (error instanceof DamagedValue) return damaged("is not whole");
    throw error;
  }
}

/** Whether the server itself would know what to do with it. */
function isOfItsKind(document: JsonObject, collection: KeptCollection): boolean {
  try {
    return collection.uniqueOf(document).every(({ value }) => typeof value === "string");
  } catch {
    return false;
  }
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
