/**
 * Objects as plain files in a folder: `asset/<id>` lies at `<root>/asset/<id>`, so that backups and people find it.
 *
 * A write fills a file at `<root>/.tmp/<write id>/<key>`, flushes it, renames it into place and flushes the folder: a
 * reader sees the old bytes or the new ones, and a crash leaves at most the unfinished file. That file's path repeats
 * the key, instead of a name that encodes it, because only so can every key that the disk holds be told again from what
 * lies there; the write's folder carries the time of the start.
 *
 * The root must lie on one file system, because rename(2) asks for that.
 */

import { dirname, join, resolve } from "node:path";
import { ServiceError } from "../errors.ts";
import { diskFs, type DurableFs, ifThere, onDisk } from "./durable_fs.ts";
import { UNFINISHED_FOLDER } from "./file_key.ts";
import { ResumableFiles } from "./file_resumable.ts";
import { fileRange, fillFile } from "./file_stream.ts";
import { listFiles } from "./file_walk.ts";
import { ObjectFolder } from "./object_folder.ts";
import type {
  GetOptions,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  ResumableWrites,
  UnfinishedWrite,
} from "./object_store.ts";

/** A write's folder without a file, this old, was left by a crash between two calls: no running write needs it. */
const EMPTY_WRITE_AGE_MS = 60 * 60 * 1000;

/** What `check` writes: one block of a common file system, which a full disk refuses. */
const PROBE = new Uint8Array(4096);

/** An `ObjectStore` over a folder of one file system. */
export class FileStore implements ObjectStore {
  readonly description: string;
  readonly resumable: ResumableWrites;
  readonly #root: string;
  readonly #unfinished: string;
  readonly #fs: DurableFs;
  readonly #folder: ObjectFolder;

  /** `root` is made with the first write. `options.fs` replaces the calls that writes are made of. */
  constructor(root: string, options: { fs?: DurableFs } = {}) {
    this.#fs = options.fs ?? diskFs;
    this.#folder = new ObjectFolder(resolve(root), this.#fs);
    this.#root = this.#folder.root;
    this.#unfinished = this.#folder.unfinished;
    this.resumable = new ResumableFiles(this.#folder, this.#fs);
    this.description = `folder ${this.#root}`;
  }

  async put(
    key: string,
    body: ReadableStream<Uint8Array>,
    options: PutOptions,
  ): Promise<{ sizeBytes: number }> {
    const { signal } = options;
    const writeId = crypto.randomUUID();
    try {
      const target = this.#folder.pathOf(key);
      signal?.throwIfAborted();
      const temporary = this.#folder.temporaryPathOf(key, writeId);
      const sizeBytes = await this.#fillTemporary(temporary, body, signal);
      signal?.throwIfAborted();
      await onDisk("a file was moved into place", this.#moveIntoPlace(temporary, target));
      return { sizeBytes };
    } catch (error) {
      // A write that failed before it read: whoever feeds the stream must learn that nobody will.
      if (!body.locked) body.cancel(error).catch(() => {});
      throw error;
    } finally {
      // A disk that fails here has either failed before, which is what the caller hears, or stored the object.
      await this.#folder.removeWrite(writeId).catch(() => {});
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const { range, signal } = options;
    signal?.throwIfAborted();
    const file = await this.#openObject(key);
    try {
      const { isFile, size } = await onDisk("a file was looked at", file.stat());
      if (!isFile) throw objectNotFound();
      signal?.throwIfAborted();
      if (range !== undefined) {
        if (range.start > range.end || range.end >= size) {
          throw new ServiceError("range_not_satisfiable", "The range lies outside of the object.");
        }
        await onDisk("a file was read", file.seek(range.start, Deno.SeekMode.Start));
        return fileRange(file, range.end - range.start + 1, signal);
      }
      signal?.addEventListener("abort", () => closeIfOpen(file), { once: true });
      // The file's own stream, unwrapped: Deno.serve sends it without a detour through JavaScript.
      return file.readable;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const info = await onDisk("a file was looked at", ifThere(Deno.stat(this.#folder.pathOf(key))));
    if (!info?.isFile) return undefined;
    return { key, sizeBytes: info.size, lastModified: info.mtime ?? new Date(0) };
  }

  async delete(key: string): Promise<void> {
    const path = this.#folder.pathOf(key);
    const info = await onDisk("a file was looked at", ifThere(Deno.lstat(path)));
    if (info === undefined || info.isDirectory) return;
    await onDisk("a file was removed", ifThere(Deno.remove(path)));
    // Else a crash may bring the object back after its journal entry is gone, and nothing would ever remove it.
    await onDisk("a file was removed", ifThere(this.#fs.syncFolder(dirname(path))));
    await this.#folder.removeEmpty(dirname(path));
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    for await (const found of listFiles(this.#root, prefix, { skip: UNFINISHED_FOLDER })) {
      yield { key: found.key, sizeBytes: found.info.size, lastModified: found.info.mtime ?? new Date(0) };
    }
  }

  async *listUnfinished(prefix: string): AsyncIterable<UnfinishedWrite> {
    const entries = onDisk("a folder was listed", ifThere(Array.fromAsync(Deno.readDir(this.#unfinished))));
    for (const { name: writeId, isDirectory } of await entries ?? []) {
      if (!isDirectory) continue;
      const folder = join(this.#unfinished, writeId);
      const info = await onDisk("a folder was looked at", ifThere(Deno.stat(folder)));
      if (info === undefined) continue;
      const startedAt = info.mtime ?? new Date(0);
      let empty = true;
      for await (const { key } of listFiles(folder, "")) {
        empty = false;
        if (key.startsWith(prefix)) yield { key, writeId, startedAt };
      }
      if (empty && Date.now() - startedAt.getTime() > EMPTY_WRITE_AGE_MS) {
        await this.#folder.removeWrite(writeId);
      }
    }
  }

  async discardUnfinished(write: UnfinishedWrite): Promise<void> {
    await this.#folder.removeWrite(write.writeId);
  }

  async check(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const probe = onDisk("a file was written to test it", this.#probe());
    if (signal === undefined) return await probe;
    // A call to a hung network disk cannot be taken back; the caller is let go nevertheless.
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(new ServiceError("unavailable", "The disk did not answer in time."));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([probe, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #openObject(key: string): Promise<Deno.FsFile> {
    const file = await onDisk(
      "a file was opened",
      ifThere(Deno.open(this.#folder.pathOf(key), { read: true })),
    );
    if (file === undefined) throw objectNotFound();
    return file;
  }

  /** Writes and flushes a new file; the caller removes it. Returns its size in bytes. */
  async #fillTemporary(
    path: string,
    body: ReadableStream<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number> {
    const file = await onDisk("a file was created", this.#folder.create(path));
    try {
      const sizeBytes = await fillFile(file, body, signal);
      await onDisk("a file was flushed", file.sync());
      return sizeBytes;
    } finally {
      file.close();
    }
  }

  /** Gives the object its name for good, or takes it away again. */
  async #moveIntoPlace(temporary: string, target: string): Promise<void> {
    await this.#folder.place(temporary, target);
    try {
      await this.#fs.syncFolder(dirname(target));
    } catch (error) {
      // The caller will hear that nothing was stored.
      await Deno.remove(target).catch(() => {});
      throw error;
    }
  }

  async #probe(): Promise<void> {
    await this.#fs.makeFolder(this.#unfinished);
    // One name for all: a crash leaves one small file, and the next check removes it.
    const path = join(this.#unfinished, "check");
    try {
      await Deno.writeFile(path, PROBE);
    } finally {
      await Deno.remove(path).catch(() => {});
    }
  }
}

function objectNotFound(): ServiceError {
  return new ServiceError("not_found", "There is no such object.");
}

/** Ends a stream that is being read; one that has ended has closed its file. */
function closeIfOpen(file: Deno.FsFile): void {
  try {
    file.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
