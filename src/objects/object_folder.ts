/** Where the files of a store lie in its folder, and how they get there durably. */

import { dirname, join } from "node:path";
import { ServiceError } from "../errors.ts";
import { type DurableFs, ifThere, makeDurableFolder, onDisk, type WritableFile } from "./durable_fs.ts";
import { keySegments, UNFINISHED_FOLDER } from "./file_key.ts";

/** How often a call is made again because the folder it needs was removed under it, having become empty. */
const FOLDER_ATTEMPTS = 5;

/** The folder of one store. */
export class ObjectFolder {
  /** Absolute. */
  readonly root: string;
  /** Holds a folder for each write that is not finished. */
  readonly unfinished: string;
  readonly #fs: DurableFs;
  /** Folders whose own entries have been flushed since they were made. */
  readonly #durable = new Set<string>();

  constructor(root: string, fs: DurableFs) {
    this.root = root;
    this.unfinished = join(root, UNFINISHED_FOLDER);
    this.#fs = fs;
  }

  /** Where an object lies. Throws `invalid_request` for a key that no folder can hold. */
  pathOf(key: string): string {
    return join(this.root, ...keySegments(key));
  }

  /** Where a write fills its file. Throws `invalid_request` for such a key and for an id that is no folder's name. */
  temporaryPathOf(key: string, writeId: string): string {
    return join(this.#folderOf(writeId), ...keySegments(key));
  }

  /** Creates a file, and the folders above it. */
  async create(path: string): Promise<WritableFile> {
    return await retryMissing(async () => {
      await this.#fs.makeFolder(dirname(path));
      return await this.#fs.createFile(path);
    });
  }

  /** Gives a temporary file its object's name. That is durable once the folder of `target` has been flushed. */
  async place(temporary: string, target: string): Promise<void> {
    const folder = dirname(target);
    await retryMissing(async () => {
      if (!this.#durable.has(folder)) await makeDurableFolder(this.#fs, this.root, folder);
      this.#durable.add(folder);
      try {
        await this.#fs.rename(temporary, target);
      } catch (error) {
        this.#durable.delete(folder);
        throw error;
      }
    });
  }

  /** Removes folders that became empty, but not those right in the root: these are few and soon needed again. */
  async removeEmpty(folder: string): Promise<void> {
    while (folder !== this.root && dirname(folder) !== this.root) {
      this.#durable.delete(folder);
      try {
        await Deno.remove(folder);
      } catch {
        return;
      }
      folder = dirname(folder);
    }
  }

  /** Removes what a write has left; one that is gone is no error. Throws `invalid_request` for an impossible id. */
  async removeWrite(writeId: string): Promise<void> {
    const removal = Deno.remove(this.#folderOf(writeId), { recursive: true });
    await onDisk("an unfinished file was removed", ifThere(removal));
  }

  #folderOf(writeId: string): string {
    if (keySegments(writeId).length !== 1) {
      throw new ServiceError("invalid_request", "The write's id is no name of a folder.");
    }
    return join(this.unfinished, writeId);
  }
}

/** Makes the call again while it fails because a folder comes or goes at the same time. */
async function retryMissing<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await call();
    } catch (error) {
      // To make a folder that another call makes and removes meanwhile fails with "already exists".
      const isFleeting = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.AlreadyExists;
      if (attempt === FOLDER_ATTEMPTS || !isFleeting) throw error;
    }
  }
}
