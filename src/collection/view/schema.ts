/**
 * The view's tables, and what it knows of itself.
 *
 * | table     | rows                                                                                     |
 * | --------- | ---------------------------------------------------------------------------------------- |
 * | `doc`     | a document as clients see it (`shown_text.ts`); `ord` rises with the age of its id        |
 * | `path`    | a number for each path, and how many documents have it                                   |
 * | `posting` | every value that a filter can reach, by its path and type in one number (`kindOf`)       |
 * | `meta`    | how far the change log is applied, of which KV, by which version of this file             |
 */
import { DatabaseSync } from "node:sqlite";

/** Another version of the tables, or of what stands in them, is another number: the view is made anew then. */
export const SCHEMA_VERSION = 3;

const TABLES = `
  CREATE TABLE doc (
    ord INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    versionstamp TEXT NOT NULL,
    hidden TEXT,
    json TEXT NOT NULL
  );
  CREATE TABLE path (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE,
    documents INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE posting (kind INTEGER, value, ord INTEGER, PRIMARY KEY (kind, value, ord)) WITHOUT ROWID;
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
`;

/** SQLite's page cache of one connection, in KiB. */
const READ_CACHE_KIB = 16 * 1024;
const WRITE_CACHE_KIB = 64 * 1024;

/** How much the log in front of the file grows before it is moved into it, in pages of 4 KiB: seldom, in large steps. */
const LOG_PAGES = 8192;

/** How much of the file a connection may map into its memory, in bytes: the pages belong to the system and go when it needs them. */
const MAP_BYTES = 2 ** 30;

/** What the view knows of itself. */
export interface ViewState {
  /** The KV that it was made from. */
  identity: string;
  /** The last commit of the change log that is in it; undefined while it is being made. */
  position: string | undefined;
  /** When it was last known to be up to date, in milliseconds since the epoch. */
  currentAt: number;
  documents: number;
}

/** Opens the view for writing; makes the tables if the file is new. The view can be made anew, so nothing waits for the disk. */
export function openForWriting(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  db.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;
     PRAGMA cache_size = -${WRITE_CACHE_KIB}; PRAGMA mmap_size = ${MAP_BYTES};
     PRAGMA wal_autocheckpoint = ${LOG_PAGES}; PRAGMA busy_timeout = 5000`,
  );
  if (readVersion(db) === 0) db.exec(`BEGIN; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  return db;
}

/** Opens the view for reading. */
export function openForReading(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true });
  db.exec(
    `PRAGMA temp_store = MEMORY; PRAGMA cache_size = -${READ_CACHE_KIB}; PRAGMA mmap_size = ${MAP_BYTES};
     PRAGMA busy_timeout = 5000; PRAGMA query_only = ON`,
  );
  return db;
}

/** The version of the tables; 0 if there are none. */
export function readVersion(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.user_version);
}

/** What the view knows of itself. */
export function readState(db: DatabaseSync): ViewState {
  const found = new Map(
    db.prepare("SELECT key, value FROM meta").all().map(({ key, value }) => [key, value]),
  );
  const position = found.get("position");
  return {
    identity: String(found.get("identity") ?? ""),
    position: typeof position === "string" ? position : undefined,
    currentAt: Number(found.get("currentAt") ?? 0),
    documents: Number(found.get("documents") ?? 0),
  };
}
