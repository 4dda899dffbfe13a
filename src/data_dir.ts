/** The folder of everything that a server keeps on its own machine, in the hands of one process. */
import { basename, dirname, join } from "node:path";

const ASSETS_DB_ID_FILE = "assets_db_id";

/** What names this folder among those of other nodes. */
const NODE_ID_FILE = "node_id";

/** Another process has the folder, or its KV. */
export class DataDirInUse extends Error {
  override readonly name = "DataDirInUse";
}

/** An open data folder. */
export class DataDir {
  readonly #path: string;
  readonly #locks: Deno.FsFile[];

  private constructor(path: string, locks: Deno.FsFile[]) {
    this.#path = path;
    this.#locks = locks;
  }

  /**
   * Makes the folder if need be, and takes it for this process. Servers of different modes keep different things, so
   * they may share a folder.
   *
   * @param kvFile a KV of this machine, which is taken, too: it may lie elsewhere, and what one process commits to it the
   * index of another would not hear of
   * @throws {DataDirInUse} if another process has it
   * @throws {Error} if it cannot be written to
   */
  static async open(path: string, mode: string, kvFile?: string): Promise<DataDir> {
    const lock = await openLock(path, `${mode}.lock`);
    // The lock goes with the process, however it ends.
    if (!await lock.tryLock(true)) {
      lock.close();
      throw new DataDirInUse(
        `The folder ${path} is in use by another assets-server of mode ${mode} (--data-dir)`,
      );
    }
    try {
      const kvLock = kvFile === undefined ? undefined : await lockKv(kvFile, join(path, `${mode}.lock`));
      return new DataDir(path, kvLock ? [lock, kvLock] : [lock]);
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** The id of this Assets DB: the one given, else the one kept here, else a new one that is kept from now on. */
  async assetsDbId(given: string | undefined): Promise<string> {
    return given ?? await this.#keptId(ASSETS_DB_ID_FILE);
  }

  /** The id of this node: made once, kept here. Replicas of one Assets DB have different ones. */
  async nodeId(): Promise<string> {
    return await this.#keptId(NODE_ID_FILE);
  }

  /** Makes this folder that of the Assets DB with this id. */
  async keepAssetsDbId(id: string): Promise<void> {
    await this.#keep(ASSETS_DB_ID_FILE, id);
  }

  /** Gives the folder free. */
  async close(): Promise<void> {
    for (const lock of this.#locks) {
      await lock.unlock();
      lock.close();
    }
  }

  async #keptId(file: string): Promise<string> {
    const kept = await readId(join(this.#path, file));
    if (kept !== undefined) return kept;
    const id = crypto.randomUUID();
    await this.#keep(file, id);
    return id;
  }

  async #keep(file: string, id: string): Promise<void> {
    const path = join(this.#path, file);
    const temporary = `${path}.new`;
    await writeDurably(temporary, `${id}\n`);
    await Deno.rename(temporary, path);
    await syncFolder(dirname(path));
  }
}

/** The id of the Assets DB that a folder is of, if there is one. */
export async function keptAssetsDbId(dataDir: string): Promise<string | undefined> {
  return await readId(join(dataDir, ASSETS_DB_ID_FILE));
}

async function readId(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(path)).trim() || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function openLock(path: string, lockFile: string): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(path, { recursive: true });
    return await Deno.open(join(path, lockFile), { create: true, write: true });
  } catch (error) {
    throw new Error(
      `The folder ${path} cannot be used (--data-dir): ${error instanceof Error ? error.message : error}`,
    );
  }
}

/**
 * Takes a KV of this machine: that of `a/x.kv` is `a/x.lock`, so that `<data-dir>/<mode>.kv` goes with its folder.
 *
 * @param held the lock that this process has already
 * @returns none if that is the one
 */
async function lockKv(kvFile: string, held: string): Promise<Deno.FsFile | undefined> {
  let lock: Deno.FsFile;
  try {
    // By whichever links the two are named.
    const path = join(await Deno.realPath(dirname(kvFile)), `${basename(kvFile).replace(/\.kv$/, "")}.lock`);
    if (path === await Deno.realPath(held)) return undefined;
    lock = await Deno.open(path, { create: true, write: true });
  } catch (error) {
    throw new Error(
      `The KV ${kvFile} cannot be opened (--db): ${error instanceof Error ? error.message : error}`,
    );
  }
  if (await lock.tryLock(true)) return lock;
  lock.close();
  throw new DataDirInUse(`The KV ${kvFile} is in use by another assets-server (--db)`);
}

async function writeDurably(path: string, text: string): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true, truncate: true });
  await file.write(new TextEncoder().encode(text));
  await file.sync();
}

/** A rename is durable once its folder is; Windows has no such call and needs none. */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}
