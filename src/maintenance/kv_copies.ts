/**
 * Copies of the local KV as of one moment, to read beside a running server.
 *
 * A KV on this machine is an SQLite file in WAL mode, and one process writes it. A second one that opened it as a KV would
 * write, too (what has expired goes by itself), and commits of the server would fail. SQLite's own backup only reads, in one
 * read transaction: it takes the file as it is at that moment, and no writer waits for it (sqlite.org, "Online Backup API").
 */
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";

/** What the folders of copies begin with. */
const FOLDER_PREFIX = "maintenance-";

/** The lock that tells a copy in use from one that a crash left. */
const LOCK_FILE = "lock";

/** How long SQLite waits for a moment in which it may read. */
const BUSY_TIMEOUT_MS = 30_000;

/** All pages in one step, so in one transaction. */
const ALL_PAGES = -1;

/** Copies of one KV, one after the other, in a folder that goes in the end. */
export class KvCopies implements AsyncDisposable {
  readonly #source: string;
  readonly #folder: string;
  readonly #lock: Deno.FsFile;
  #kv: Deno.Kv | undefined;
  #copies = 0;

  private constructor(source: string, folder: string, lock: Deno.FsFile) {
    this.#source = source;
    this.#folder = folder;
    this.#lock = lock;
  }

  /** Makes the folder of the copies in the data folder: that is on a disk that has room for the KV. */
  static async open(source: string, dataDir: string): Promise<KvCopies> {
    await removeAbandoned(dataDir);
    const folder = await Deno.makeTempDir({ dir: dataDir, prefix: FOLDER_PREFIX });
    const lock = await Deno.open(join(folder, LOCK_FILE), { create: true, write: true });
    await lock.lock(true);
    return new KvCopies(source, folder, lock);
  }

  /** A copy of the KV as it is now; the one before is closed. */
  async next(): Promise<Deno.Kv> {
    await this.#drop();
    const path = join(this.#folder, `${++this.#copies}.kv`);
    const db = new DatabaseSync(this.#source, { readOnly: true });
    try {
      db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      await backup(db, path, { rate: ALL_PAGES });
    } finally {
      db.close();
    }
    this.#kv = await Deno.openKv(path);
    return this.#kv;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drop();
    this.#lock.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #drop(): Promise<void> {
    this.#kv?.close();
    this.#kv = undefined;
    for await (const { name } of Deno.readDir(this.#folder)) {
      if (name !== LOCK_FILE) await Deno.remove(join(this.#folder, name));
    }
  }
}

async function removeAbandoned(dataDir: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(dataDir)) {
    if (!isDirectory || !name.startsWith(FOLDER_PREFIX)) continue;
    const folder = join(dataDir, name);
    try {
      using lock = await Deno.open(join(folder, LOCK_FILE), { write: true });
      if (!await lock.tryLock(true)) continue;
    } catch (error) {
      // One that is being made, or removed, by another command.
      if (error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
    await Deno.remove(folder, { recursive: true });
  }
}
