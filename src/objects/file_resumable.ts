/**
 * Writes to a folder that go on over many calls: the file grows at `<root>/.tmp/<write id>/<key>`, and `finish` renames
 * it into place. A checkpoint counts what fdatasync(2) has flushed; what lies behind it is cut off by the next call.
 */

import { dirname } from "node:path";
import { type DurableFs, ifThere, makeDurableFolder, onDisk } from "./durable_fs.ts";
import { fillFile } from "./file_stream.ts";
import type { ObjectFolder } from "./object_folder.ts";
import type { AppendOptions, ResumableState, ResumableWrites } from "./object_store.ts";
import { bytesIn, CHECKPOINT_BYTES, textIn, writeIsGone } from "./resumable_state.ts";

/** What a state holds: nothing else is needed to find the file and its durable end. */
interface FileState extends ResumableState {
  /** The name of the write's own folder. */
  writeId: string;
}

/** The resumable writes of a `FileStore`. */
export class ResumableFiles implements ResumableWrites {
  readonly #folder: ObjectFolder;
  readonly #fs: DurableFs;

  constructor(folder: ObjectFolder, fs: DurableFs) {
    this.#folder = folder;
    this.#fs = fs;
  }

  /** Creates the file, durably: a checkpoint flushes its bytes alone. */
  async begin(key: string): Promise<ResumableState> {
    const writeId = crypto.randomUUID();
    const path = this.#folder.temporaryPathOf(key, writeId);
    try {
      await onDisk("a file was created", this.#create(path));
    } catch (error) {
      // A disk that fails here has failed before, which is what the caller hears.
      await this.#folder.removeWrite(writeId).catch(() => {});
      throw error;
    }
    return { writeId, offset: 0 };
  }

  /**
   * Throws the signal's reason when it fires; the last checkpoint holds then. Throws `not_found` when the write is gone.
   */
  async append(
    key: string,
    state: ResumableState,
    body: ReadableStream<Uint8Array>,
    options: AppendOptions,
  ): Promise<ResumableState> {
    const { digest, checkpoint, signal } = options;
    let reached: FileState;
    let file;
    try {
      reached = fileState(state);
      signal?.throwIfAborted();
      file = await this.#open(this.#folder.temporaryPathOf(key, reached.writeId), reached.offset);
    } catch (error) {
      // Whoever feeds the stream must learn that nobody will read it.
      body.cancel(error).catch(() => {});
      throw error;
    }
    const { writeId, offset } = reached;
    const growing = file;
    try {
      await fillFile(growing, body, signal, {
        onBlock: (bytes) => digest.update(bytes),
        pauseBytes: CHECKPOINT_BYTES,
        keepsBrokenOff: true,
        async onPause(sizeBytes) {
          await onDisk("a file was flushed", growing.syncData());
          reached = { writeId, offset: offset + sizeBytes };
          await checkpoint(reached);
        },
      });
      return reached;
    } finally {
      growing.close();
    }
  }

  async finish(key: string, state: ResumableState): Promise<void> {
    const { writeId, offset } = fileState(state);
    const temporary = this.#folder.temporaryPathOf(key, writeId);
    const target = this.#folder.pathOf(key);
    if (await isFile(temporary)) {
      const file = await this.#open(temporary, offset);
      try {
        await onDisk("a file was flushed", file.sync());
      } finally {
        file.close();
      }
      await onDisk("a file was moved into place", this.#folder.place(temporary, target));
    } else if (!await isFile(target, offset)) throw writeIsGone();
    // Also when the file is in place already: the call before may have failed just here.
    await onDisk("a file was moved into place", this.#fs.syncFolder(dirname(target)));
    // An empty folder that stays is cleared away by the store's listing of unfinished writes.
    await this.#folder.removeWrite(writeId).catch(() => {});
  }

  async discard(_key: string, state: ResumableState): Promise<void> {
    await this.#folder.removeWrite(fileState(state).writeId);
  }

  async #create(path: string): Promise<void> {
    const file = await this.#folder.create(path);
    file.close();
    await makeDurableFolder(this.#fs, this.#folder.root, dirname(path));
    await this.#fs.syncFolder(dirname(path));
  }

  async #open(path: string, sizeBytes: number) {
    const file = await onDisk("a file was opened", ifThere(this.#fs.openFile(path, sizeBytes)));
    if (file === undefined) throw writeIsGone();
    return file;
  }
}

function fileState(state: ResumableState): FileState {
  return { writeId: textIn(state, "writeId"), offset: bytesIn(state, "offset") };
}

/** Whether there is a file, of that size if one is given. */
async function isFile(path: string, sizeBytes?: number): Promise<boolean> {
  const info = await onDisk("a file was looked at", ifThere(Deno.stat(path)));
  return info?.isFile === true && (sizeBytes === undefined || info.size === sizeBytes);
}
