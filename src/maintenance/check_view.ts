/**
 * Checks that the index of queries says what the documents say. It is derived, so mending it is removing it: the server makes
 * it anew when it starts.
 *
 * The index is read as of a moment before the KV: then everything in it is in the KV too, and whatever it lacks is in the
 * change log behind its position.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ChangeLog, LOG_REACHES_BACK_MS } from "../collection/change_log.ts";
import { isJsonObject, type JsonObject } from "../collection/json.ts";
import { kindOf, type Posting, postingsOf } from "../collection/view/postings.ts";
import { readState, readVersion, SCHEMA_VERSION, type ViewState } from "../collection/view/schema.ts";
import { forIndex } from "../collection/view/shown_text.ts";
import { isDamage } from "../collection/view/view_writer.ts";
import { type KeptDocument, scanDocuments } from "./documents.ts";
import type { CheckOptions, Finding } from "./finding.ts";
import type { KeptCollection } from "./kept.ts";
import type { Site } from "./site.ts";

/** How many entries of the log one read asks for. */
const LOG_BATCH = 500;

/** A document as the index has it. */
interface Indexed {
  ord: number;
  id: string;
  versionstamp: string;
  hidden: string | null;
  json: string;
}

/** Checks the index, if there is one that the server would go on with. */
export async function* checkView(site: Site, options: CheckOptions): AsyncGenerator<Finding> {
  if (!await isThere(site.viewPath)) return;
  const problem = await read(site, options);
  if (problem !== undefined) yield wrongIndex(site, problem);
}

async function read(site: Site, options: CheckOptions): Promise<string | undefined> {
  const db = new DatabaseSync(site.viewPath, { readOnly: true });
  try {
    db.exec("PRAGMA busy_timeout = 5000; BEGIN");
    return await problemOf(db, site, options);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return `is damaged: ${error instanceof Error ? error.message : error}`;
  } finally {
    db.close();
  }
}

async function problemOf(db: DatabaseSync, site: Site, options: CheckOptions): Promise<string | undefined> {
  // The server makes one of another version anew.
  if (readVersion(db) !== SCHEMA_VERSION) return undefined;
  const state = readState(db);
  const kv = await site.fresh();
  const { value: identity } = await kv.get<string>(["identity"]);
  const isTooOld = Date.now() - state.currentAt > LOG_REACHES_BACK_MS;
  if (state.identity !== identity || state.position === undefined || isTooOld) return undefined;
  const [quick] = Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {});
  if (quick !== "ok") return `is damaged: ${quick}`;
  return await compare(new IndexedDocuments(db), { kv, state, collection: site.collection, options });
}

/** Goes through both side by side: the ids are in the same order, that of their UTF-8. */
async function compare(
  index: IndexedDocuments,
  { kv, state, collection, options }: {
    kv: Deno.Kv;
    state: ViewState;
    collection: KeptCollection;
    options: CheckOptions;
  },
): Promise<string | undefined> {
  const behind = await idsBehind(kv, collection, state.position ?? "");
  const wrong: string[] = [];
  let counted = 0;
  const note = (id: string, what: string) => {
    if (!behind.has(id)) wrong.push(`${id} ${what}`);
  };
  const next = () => {
    const document = index.next();
    if (document) counted++;
    return document;
  };
  const gone = (indexed: Indexed) => {
    index.differenceTo(indexed, undefined, collection);
    note(indexed.id, "is gone");
  };
  let indexed = next();
  for await (const kept of scanDocuments(kv, collection)) {
    options.signal?.throwIfAborted();
    for (; indexed && indexed.id < kept.id; indexed = next()) gone(indexed);
    if (indexed?.id !== kept.id) {
      note(kept.id, "is not in it");
      continue;
    }
    const difference = index.differenceTo(indexed, kept, collection);
    if (difference !== undefined) note(kept.id, difference);
    indexed = next();
  }
  for (; indexed; indexed = next()) gone(indexed);
  if (counted !== state.documents) wrong.push(`it counts ${state.documents} documents and has ${counted}`);
  const strays = index.postings - index.postingsSeen;
  if (wrong.length === 0 && strays > 0) wrong.push(`${strays} values in it belong to no document`);
  const [first] = wrong;
  if (first === undefined) return undefined;
  return `disagrees with the documents: ${first}${wrong.length === 1 ? "" : ` and ${wrong.length - 1} more`}`;
}

/** What has changed since the index was written. */
async function idsBehind(kv: Deno.Kv, { name }: KeptCollection, position: string): Promise<Set<string>> {
  const log = new ChangeLog(kv, name);
  const ids = new Set<string>();
  for (let after = position;;) {
    const entries = await log.read(after, LOG_BATCH);
    for (const entry of entries) for (const id of entry.ids) ids.add(id);
    const last = entries.at(-1);
    if (!last) return ids;
    after = last.versionstamp;
  }
}

/** The documents of an index, in the order of their ids. */
class IndexedDocuments {
  /** Held, because a statement that nobody has is closed, also while it is read. */
  readonly #statement: StatementSync;
  readonly #rows: Iterator<Record<string, unknown>>;
  readonly #posting: StatementSync;
  readonly #pathId: StatementSync;
  readonly #paths = new Map<string, number>();
  /** How many values the index has in all. */
  readonly postings: number;
  /** How many of them belong to documents that were compared. */
  postingsSeen = 0;

  constructor(db: DatabaseSync) {
    this.#statement = db.prepare("SELECT ord, id, versionstamp, hidden, json FROM doc ORDER BY id");
    this.#rows = this.#statement.iterate();
    this.#posting = db.prepare("SELECT 1 FROM posting WHERE kind = ? AND value = ? AND ord = ?");
    this.#pathId = db.prepare("SELECT id FROM path WHERE text = ?");
    this.postings = Number(Object.values(db.prepare("SELECT count(*) FROM posting").get() ?? {})[0]);
  }

  next(): Indexed | undefined {
    const { done, value } = this.#rows.next();
    if (done) return undefined;
    const indexed = {
      ord: Number(value.ord),
      id: String(value.id),
      versionstamp: String(value.versionstamp),
      hidden: value.hidden === null ? null : String(value.hidden),
      json: String(value.json),
    };
    return indexed;
  }

  /** How the index differs from a document, if it does; of one that is gone, from itself. */
  differenceTo(
    indexed: Indexed,
    kept: KeptDocument | undefined,
    collection: KeptCollection,
  ): string | undefined {
    const postings = unique(postingsOf(forIndex(indexed.json)));
    this.postingsSeen += postings.length;
    if (!postings.every((posting) => this.#has(posting, indexed.ord))) {
      return "is not found by all its values";
    }
    if (!kept) return undefined;
    if (indexed.versionstamp !== kept.versionstamp) return "is another version";
    const { document, hidden } = collection.viewOf(kept.document);
    const isSame = hidden === indexed.hidden &&
      textWithout(document, collection.liveField) ===
        textWithout(parse(indexed.json), collection.liveField);
    return isSame ? undefined : "has other fields";
  }

  #has([path, type, value]: Posting, ord: number): boolean {
    return this.#posting.get(kindOf(this.#idOf(path), type), value, ord) !== undefined;
  }

  #idOf(path: string): number {
    const known = this.#paths.get(path);
    if (known !== undefined) return known;
    const id = Number(this.#pathId.get(path)?.id ?? -1);
    if (this.#paths.size < MAX_PATHS) this.#paths.set(path, id);
    return id;
  }
}

/** How many paths are remembered. */
const MAX_PATHS = 10_000;

/** An array may hold a value twice; the index has it once. */
function unique(postings: readonly Posting[]): Posting[] {
  // JSON has no -0, and neither has SQLite.
  return [...new Map(postings.map((posting) => [JSON.stringify(posting), posting])).values()];
}

function parse(json: string): JsonObject {
  const document: unknown = forIndex(json);
  return isJsonObject(document) ? document : {};
}

function textWithout(document: JsonObject, field: string | undefined): string {
  return JSON.stringify(field === undefined ? document : { ...document, [field]: null });
}

function wrongIndex({ viewPath }: Site, problem: string): Finding {
  return {
    kind: "wrong_index",
    subject: viewPath,
    problem,
    remedy: "removes it; the server builds it anew when it starts",
    async mend() {
      for (const end of ["", "-wal", "-shm", ".open"]) await removeIfThere(`${viewPath}${end}`);
      return true;
    },
  };
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
