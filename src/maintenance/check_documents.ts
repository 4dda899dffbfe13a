/** Checks the documents in the KV: that they are whole, and that unique keys and pieces belong to one of them. */
import { deleteLarge } from "../collection/large_value.ts";
import { Truth, uniqueKey, type UniqueValue } from "../collection/truth.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { type DamagedDocument, type KeptDocument, keyOf, readDocument, scanAll } from "./documents.ts";
import type { CheckOptions, Extent, Finding } from "./finding.ts";
import type { KeptCollection } from "./kept.ts";
import { keepAside } from "./lost_and_found.ts";
import type { Site } from "./site.ts";

/** Deno KV's limit of keys in one `getMany`. */
const MAX_KEYS_PER_READ = 10;

/** How many keys one read of a listing asks for. */
const LIST_BATCH = 500;

/** A unique value that a document should hold. */
interface Claim {
  owner: KeptDocument;
  unique: UniqueValue;
}

/** Checks every document, then every unique key and every piece. */
export async function* checkDocuments(
  site: Site,
  options: CheckOptions,
  extent: Extent,
): AsyncGenerator<Finding> {
  const { kv, collection } = site;
  const claims: Claim[] = [];
  let held = 0;
  const check = async (some: Claim[]) => {
    const { count, findings } = await checkClaims(site, some);
    held += count;
    return findings;
  };
  for await (const found of scanAll(kv, collection)) {
    options.signal?.throwIfAborted();
    extent.documents++;
    options.progress.documents(extent.documents);
    if ("damage" in found) {
      yield damagedDocument(found, collection);
      continue;
    }
    claims.push(...collection.uniqueOf(found.document).map((unique) => ({ owner: found, unique })));
    while (claims.length >= MAX_KEYS_PER_READ) yield* await check(claims.splice(0, MAX_KEYS_PER_READ));
  }
  if (claims.length > 0) yield* await check(claims);
  yield* strayUniqueKeys(site, held, options);
  yield* strayPieces(site, options);
}

/** The findings among some claims, and how many are as they should be. */
async function checkClaims(
  { kv, collection }: Site,
  claims: readonly Claim[],
): Promise<{ count: number; findings: Finding[] }> {
  const entries = await kv.getMany<unknown[]>(claims.map(({ unique }) => uniqueKey(collection.name, unique)));
  const findings: Finding[] = [];
  let count = 0;
  for (const [n, { owner, unique }] of claims.entries()) {
    const entry = entries[n];
    if (entry?.value === owner.id) {
      count++;
      continue;
    }
    // While others write, the document may have moved on since it was read.
    const now = await readDocument(kv, collection, owner.id);
    if (now?.versionstamp !== owner.versionstamp) continue;
    const holder = typeof entry?.value === "string"
      ? await readDocument(kv, collection, entry.value)
      : undefined;
    findings.push(
      holds(holder, unique, collection)
        ? contestedKey(owner, unique, holder?.id ?? "")
        : missingKey(owner, unique, entry?.versionstamp ?? null),
    );
  }
  return { count, findings };
}

/** All unique keys are only looked at where there are more of them than documents hold. */
async function* strayUniqueKeys(site: Site, held: number, options: CheckOptions): AsyncGenerator<Finding> {
  const { kv, collection } = site;
  const prefix = ["unique", collection.name];
  let keys = 0;
  for await (const _ of kv.list({ prefix }, { batchSize: LIST_BATCH })) keys++;
  if (keys === held) return;
  for await (const { key, value, versionstamp } of kv.list<unknown>({ prefix }, { batchSize: LIST_BATCH })) {
    options.signal?.throwIfAborted();
    const document = typeof value === "string" ? await readDocument(kv, collection, value) : undefined;
    if (document && "damage" in document) continue;
    const isHeld = document &&
      collection.uniqueOf(document.document).some((own) => isSameKey(uniqueKey(collection.name, own), key));
    // While others write, both are looked at once more, the key last.
    if (isHeld || (await kv.get(key)).versionstamp !== versionstamp) continue;
    const [, , field = ""] = key;
    yield {
      kind: "stray_unique_key",
      subject: `${String(field)} ${shownPart(key[3])}`,
      problem: document
        ? `is kept for ${document.id}, which does not have it`
        : `is kept for ${String(value)}, which does not exist`,
      remedy: "removes the key",
      mend: async ({ kv }) => (await kv.atomic().check({ key, versionstamp }).delete(key).commit()).ok,
    };
  }
}

async function* strayPieces(site: Site, options: CheckOptions): AsyncGenerator<Finding> {
  const { kv, collection } = site;
  let last: { id: string; pieces: number; versionstamp: string; isDamaged: boolean } | undefined;
  // The values are as large as they get, so few at a time.
  const list = kv.list({ prefix: ["chunk", collection.name] }, { batchSize: MAX_KEYS_PER_READ });
  for await (const { key, versionstamp } of list) {
    options.signal?.throwIfAborted();
    const [, , id, n] = key;
    if (typeof id !== "string" || typeof n !== "number") continue;
    if (last?.id !== id) {
      const found = await readDocument(kv, collection, id);
      last = found && "damage" in found
        ? { id, pieces: 0, versionstamp: "", isDamaged: true }
        : { id, pieces: found?.pieces ?? 0, versionstamp: found?.versionstamp ?? "", isDamaged: false };
    }
    const isPart = n < last.pieces && versionstamp === last.versionstamp;
    // Pieces of a damaged document go with it; while others write, one that has gone or changed is no finding.
    if (isPart || last.isDamaged || (await kv.get(key)).versionstamp !== versionstamp) continue;
    if ((await readDocument(kv, collection, id))?.versionstamp === versionstamp) continue;
    yield {
      kind: "stray_piece",
      subject: `${id} piece ${n}`,
      problem: "belongs to no document",
      remedy: "removes it",
      mend: async ({ kv }) => (await kv.atomic().check({ key, versionstamp }).delete(key).commit()).ok,
    };
  }
}

function damagedDocument({ id, damage, versionstamp }: DamagedDocument, collection: KeptCollection): Finding {
  return {
    kind: "damaged_document",
    subject: id,
    problem: `${damage} in the KV, and no index can be built with it`,
    remedy: "puts what is left of it into lost+found and removes it",
    async mend({ kv, aside }) {
      const at = keyOf(collection, id);
      const pieces = await savePieces(kv, aside, collection, id);
      const operation = kv.atomic().check({ key: at.key, versionstamp });
      deleteLarge(operation, at, pieces);
      new Truth(kv, collection.name).log.append(operation, [id]);
      return (await operation.commit()).ok;
    },
  };
}

/** Saves what bytes of a document there are; returns how many pieces may have to go. */
async function savePieces(
  kv: Deno.Kv,
  aside: ObjectStore,
  collection: KeptCollection,
  id: string,
): Promise<number> {
  const { key, piecePrefix } = keyOf(collection, id);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const { value } = await kv.get<unknown>(key);
  if (value instanceof Uint8Array) parts.push(new Uint8Array(value));
  let pieces = 0;
  for await (const entry of kv.list<unknown>({ prefix: piecePrefix }, { batchSize: MAX_KEYS_PER_READ })) {
    const n = entry.key.at(-1);
    if (typeof n === "number") pieces = Math.max(pieces, n + 1);
    if (entry.value instanceof Uint8Array) parts.push(new Uint8Array(entry.value));
  }
  await keepAside(aside, `${collection.name}/${id}.damaged`, new Blob(parts));
  return pieces;
}

function missingKey(owner: KeptDocument, unique: UniqueValue, versionstamp: string | null): Finding {
  return {
    kind: "missing_unique_key",
    subject: owner.id,
    problem: `is not found by its ${unique.field} ${JSON.stringify(unique.value)}`,
    remedy: "sets the key",
    async mend({ kv, collection }) {
      const key = uniqueKey(collection.name, unique);
      const result = await kv.atomic()
        .check({ key: keyOf(collection, owner.id).key, versionstamp: owner.versionstamp })
        .check({ key, versionstamp })
        .set(key, owner.id)
        .commit();
      return result.ok;
    },
  };
}

function contestedKey(owner: KeptDocument, unique: UniqueValue, holder: string): Finding {
  return {
    kind: "contested_unique_key",
    subject: owner.id,
    problem: `has the same ${unique.field} ${JSON.stringify(unique.value)} as ${holder}`,
    remedy: "leaves both: rename or remove one of them by its id",
  };
}

function holds(
  found: KeptDocument | DamagedDocument | undefined,
  unique: UniqueValue,
  collection: KeptCollection,
): boolean {
  if (!found || "damage" in found) return false;
  return collection.uniqueOf(found.document).some(({ field, value }) =>
    field === unique.field && value === unique.value
  );
}

function isSameKey(a: Deno.KvKey, b: Deno.KvKey): boolean {
  return a.length === b.length && a.every((part, n) => shownPart(part) === shownPart(b[n]));
}

/** A part of a key as text; a long value stands in it as its digest. */
function shownPart(part: Deno.KvKeyPart | undefined): string {
  return part instanceof Uint8Array ? `sha256:${part.toHex()}` : JSON.stringify(String(part));
}
