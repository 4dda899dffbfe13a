/** Writes the view: applies changes of documents, with the position in the change log in the same transaction. */
import { type DatabaseSync, type StatementSync } from "node:sqlite";
import { ordBetween } from "./age_order.ts";
import { kindOf, type Posting, postingsOf } from "./postings.ts";
import { openForWriting, readState, readVersion, SCHEMA_VERSION, type ViewState } from "./schema.ts";
import { forIndex } from "./shown_text.ts";

/** A document as the view keeps it. */
export interface ViewDocument {
  versionstamp: string;
  /** As `toText` made it. */
  json: string;
  /** JSON of what is stored but not shown. */
  hidden: string | null;
}

/** What a document is now; without `put` it is gone. */
export interface ViewChange {
  id: string;
  put?: ViewDocument;
}

/** Where in the change log the view is after some changes. */
export interface Reached {
  /** Where it has to be before them; without it: anywhere. */
  from?: string;
  position: string;
  /** The time, in milliseconds since the epoch. */
  currentAt: number;
}

/** How many postings one statement inserts: measured, many take half of the time of one by one; more than these gain nothing. */
const ROWS_PER_INSERT = 64;
/** Kind, value, document. */
const ROW_CELLS = 3;

/** The documents that have each value. */
type Holders = Map<string | number, number[]>;

/** How many paths are remembered; those beyond are looked up. */
const MAX_KNOWN_PATHS = 10_000;

/** The writer of one view. Every method may throw what SQLite throws. */
export class ViewWriter {
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #paths = new Map<string, number>();
  /** The youngest document, which most new ones follow. */
  #last: { id: string; ord: number } | undefined;
  #documents: number;
  /** Where in the change log the view is. */
  #position: string | undefined;
  /** By how much the documents of each path have grown in the transaction. */
  readonly #grown = new Map<number, number>();
  /** Postings that are still to be inserted, by their kinds, before anything is removed and at the end of a transaction. */
  readonly #added = new Map<number, Holders>();
  /** What one statement inserts: filled again and again. */
  readonly #cells: (string | number)[] = Array(ROWS_PER_INSERT * ROW_CELLS).fill(0);

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#statements = prepare(db);
    const { documents, position } = readState(db);
    this.#documents = documents;
    this.#position = position;
    this.#last = this.#youngest();
  }

  /**
   * Opens a view. A file that is damaged, or was made by another version, goes.
   *
   * @param isTrusted the file was closed well, or the machine has not been restarted since
   */
  static open(path: string, { isTrusted }: { isTrusted: boolean }): ViewWriter {
    if (isTrusted) {
      try {
        const db = openForWriting(path);
        if (readVersion(db) === SCHEMA_VERSION) return new ViewWriter(db);
        db.close();
      } catch (error) {
        if (!isDamage(error)) throw error;
      }
    }
    for (const file of [path, `${path}-wal`, `${path}-shm`]) removeIfThere(file);
    return new ViewWriter(openForWriting(path));
  }

  get state(): ViewState {
    return readState(this.#db);
  }

  /** Takes everything out, and says of which KV the view is going to be. */
  clear(identity: string): void {
    this.#transaction(() => {
      this.#db.exec("DELETE FROM posting; DELETE FROM doc; DELETE FROM path; DELETE FROM meta");
      this.#statements.setMeta.run("identity", identity);
    });
    this.#paths.clear();
    this.#last = undefined;
    this.#documents = 0;
    this.#position = undefined;
  }

  /**
   * Applies changes, all or none. A document that is there already in this writing or a newer one is left alone.
   *
   * @param reached where in the change log the view is then
   * @throws {Error} if changes are missing in between
   */
  apply(changes: readonly ViewChange[], reached?: Reached): void {
    if (reached?.from !== undefined && reached.from !== this.#position) {
      throw new Error(`The index is at ${this.#position} of the change log, not at ${reached.from}`);
    }
    const documents = this.#documents;
    const last = this.#last;
    try {
      this.#transaction(() => {
        for (const change of changes) this.#applyOne(change);
        this.#insertAdded();
        this.#countPaths();
        if (this.#documents !== documents) this.#statements.setMeta.run("documents", this.#documents);
        if (!reached) return;
        this.#statements.setMeta.run("position", reached.position);
        this.#statements.setMeta.run("currentAt", reached.currentAt);
      });
      this.#position = reached?.position ?? this.#position;
    } catch (error) {
      this.#documents = documents;
      this.#last = last;
      this.#paths.clear();
      this.#grown.clear();
      this.#added.clear();
      throw error;
    }
  }

  /** Everything into the file itself, so that the next start finds no log to read. */
  close(): void {
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#db.close();
  }

  #transaction(work: () => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      work();
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
    this.#db.exec("COMMIT");
  }

  #applyOne({ id, put }: ViewChange): void {
    const { byId, insertDoc, updateDoc, deleteDoc } = this.#statements;
    const found = this.#last && id > this.#last.id ? undefined : byId.get(id);
    const known = found && { ord: Number(found.ord), postings: postingsOf(forIndex(String(found.json))) };
    if (!put) {
      if (!known) return;
      for (const posting of known.postings) this.#removePosting(posting, known.ord);
      this.#count(known.postings, -1);
      deleteDoc.run(known.ord);
      this.#documents--;
      if (this.#last?.id === id) this.#last = this.#youngest();
      return;
    }
    // Versionstamps rise; an older writing of a document comes late where the newer one was read before its turn.
    if (found && String(found.versionstamp) >= put.versionstamp) return;
    const postings = postingsOf(forIndex(put.json));
    if (known) {
      this.#exchange(known.postings, postings, known.ord);
      this.#count(known.postings, -1);
      this.#count(postings, 1);
      updateDoc.run(put.versionstamp, put.hidden, put.json, known.ord);
      return;
    }
    const ord = this.#place(id);
    insertDoc.run(ord, id, put.versionstamp, put.hidden, put.json);
    for (const posting of postings) this.#addPosting(posting, ord);
    this.#count(postings, 1);
    this.#documents++;
    if (!this.#last || id > this.#last.id) this.#last = { id, ord };
  }

  /** Only what differs is written. */
  #exchange(before: readonly Posting[], after: readonly Posting[], ord: number): void {
    const keyOf = (posting: Posting) => JSON.stringify(posting);
    const kept = new Set(after.map(keyOf));
    const known = new Set(before.map(keyOf));
    for (const posting of before) if (!kept.has(keyOf(posting))) this.#removePosting(posting, ord);
    for (const posting of after) if (!known.has(keyOf(posting))) this.#addPosting(posting, ord);
  }

  /** A document counts once for each of its paths. */
  #count(postings: readonly Posting[], sign: 1 | -1): void {
    for (const path of new Set(postings.map(([path]) => path))) {
      const id = this.#pathId(path);
      this.#grown.set(id, (this.#grown.get(id) ?? 0) + sign);
    }
  }

  #countPaths(): void {
    for (const [id, grown] of this.#grown) if (grown !== 0) this.#statements.countPath.run(grown, id);
    this.#grown.clear();
  }

  #addPosting([path, type, value]: Posting, ord: number): void {
    const kind = kindOf(this.#pathId(path), type);
    let holders = this.#added.get(kind);
    if (!holders) this.#added.set(kind, holders = new Map());
    const ords = holders.get(value);
    if (!ords) holders.set(value, [ord]);
    else if (ords[ords.length - 1] !== ord) ords.push(ord);
  }

  /** In the order of the table, so that neighbours meet in one of its pages. */
  #insertAdded(): void {
    const kinds = [...this.#added].sort(([a], [b]) => a - b);
    this.#added.clear();
    const { insertPosting, insertPostings } = this.#statements;
    const cells = this.#cells;
    let filled = 0;
    for (const [kind, holders] of kinds) {
      for (const [value, ords] of [...holders].sort(compareValues)) {
        for (const ord of ords) {
          cells[filled++] = kind;
          cells[filled++] = value;
          cells[filled++] = ord;
          if (filled < cells.length) continue;
          insertPostings.run(...cells);
          filled = 0;
        }
      }
    }
    for (let at = 0; at < filled; at += ROW_CELLS) insertPosting.run(...cells.slice(at, at + ROW_CELLS));
  }

  #removePosting([path, type, value]: Posting, ord: number): void {
    if (this.#added.size > 0) this.#insertAdded();
    this.#statements.deletePosting.run(kindOf(this.#pathId(path), type), value, ord);
  }

  #pathId(path: string): number {
    const known = this.#paths.get(path);
    if (known !== undefined) return known;
    this.#statements.insertPath.run(path);
    const id = Number(this.#statements.pathId.get(path)?.id);
    if (this.#paths.size < MAX_KNOWN_PATHS) this.#paths.set(path, id);
    return id;
  }

  /** The number of a new document. Makes room for it where there is none. */
  #place(id: string): number {
    if (!this.#last || id > this.#last.id) {
      return ordBetween(id, { before: this.#last?.ord, behind: undefined }) ?? 1;
    }
    const ordOf = (row: Record<string, unknown> | undefined) => row && Number(row.ord);
    const before = ordOf(this.#statements.before.get(id));
    const behind = this.#statements.behind.get(id);
    const ord = ordBetween(id, { before, behind: ordOf(behind) });
    if (ord !== undefined || !behind) return ord ?? 1;
    this.#moveOn(Number(behind.ord));
    return Number(behind.ord);
  }

  /** Gives a document, and those right behind it, the next number each. */
  #moveOn(ord: number): void {
    let free = ord + 1;
    while (this.#statements.byOrd.get(free)) free++;
    for (let from = free - 1; from >= ord; from--) {
      const row = this.#statements.byOrd.get(from);
      if (!row) continue;
      const postings = postingsOf(forIndex(String(row.json)));
      for (const posting of postings) this.#removePosting(posting, from);
      this.#statements.moveDoc.run(from + 1, from);
      for (const posting of postings) this.#addPosting(posting, from + 1);
      if (this.#last?.ord === from) this.#last.ord = from + 1;
    }
  }

  #youngest(): { id: string; ord: number } | undefined {
    const row = this.#statements.youngest.get();
    return row && { id: String(row.id), ord: Number(row.ord) };
  }
}

/** About the order of the table: strings by UTF-16, which is enough to bring neighbours together. */
function compareValues([a]: [string | number, number[]], [b]: [string | number, number[]]): number {
  return a < b ? -1 : 1;
}

function prepare(db: DatabaseSync): Record<StatementName, StatementSync> {
  const of = (sql: string) => db.prepare(sql);
  return {
    byId: of("SELECT ord, versionstamp, json FROM doc WHERE id = ?"),
    byOrd: of("SELECT json FROM doc WHERE ord = ?"),
    before: of("SELECT ord FROM doc WHERE id < ? ORDER BY id DESC LIMIT 1"),
    behind: of("SELECT ord FROM doc WHERE id > ? ORDER BY id LIMIT 1"),
    youngest: of("SELECT id, ord FROM doc ORDER BY ord DESC LIMIT 1"),
    insertDoc: of("INSERT INTO doc (ord, id, versionstamp, hidden, json) VALUES (?, ?, ?, ?, ?)"),
    updateDoc: of("UPDATE doc SET versionstamp = ?, hidden = ?, json = ? WHERE ord = ?"),
    moveDoc: of("UPDATE doc SET ord = ? WHERE ord = ?"),
    deleteDoc: of("DELETE FROM doc WHERE ord = ?"),
    insertPosting: of("INSERT OR IGNORE INTO posting (kind, value, ord) VALUES (?, ?, ?)"),
    insertPostings: of(
      `INSERT OR IGNORE INTO posting (kind, value, ord) VALUES ${
        Array(ROWS_PER_INSERT).fill("(?, ?, ?)").join(", ")
      }`,
    ),
    deletePosting: of("DELETE FROM posting WHERE kind = ? AND value = ? AND ord = ?"),
    insertPath: of("INSERT OR IGNORE INTO path (text) VALUES (?)"),
    pathId: of("SELECT id FROM path WHERE text = ?"),
    countPath: of("UPDATE path SET documents = documents + ? WHERE id = ?"),
    setMeta: of("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"),
  };
}

type StatementName =
  | "byId"
  | "byOrd"
  | "before"
  | "behind"
  | "youngest"
  | "insertDoc"
  | "updateDoc"
  | "moveDoc"
  | "deleteDoc"
  | "insertPosting"
  | "insertPostings"
  | "deletePosting"
  | "insertPath"
  | "pathId"
  | "countPath"
  | "setMeta";

/** Whether SQLite says that the file is not what it should be (SQLITE_CORRUPT, SQLITE_NOTADB, a table that is missing). */
export function isDamage(error: unknown): boolean {
  return error instanceof Error &&
    /malformed|not a database|no such table|no such column|disk image/i.test(error.message);
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
