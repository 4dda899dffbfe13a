/**
 * The few file system calls that a durable write is made of, and what their failures mean to a client.
 *
 * A file survives a power cut once its own bytes and the folder entries that lead to it have been flushed: `fsync(2)`
 * of a file says nothing of the folder that names it (Linux manual page fsync(2), "Calling fsync() does not necessarily
 * ensure that the entry in the directory containing the file has also reached disk").
 */

import { dirname } from "node:path";
import { ServiceError } from "../errors.ts";

/** A new file that is being filled. `write` may take fewer bytes than it is given, as write(2) may. */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<number>;
  /** Flushes the bytes and the size to the disk. */
  sync(): Promise<void>;
  close(): void;
}

/** A file that grows over many calls. */
export interface GrowingFile extends WritableFile {
  /** Flushes the bytes, and of what is known of the file only what finding them again needs: fdatasync(2). */
  syncData(): Promise<void>;
}

/** The calls, so that a test can watch their order or make one of them fail. */
export interface DurableFs {
  /** Opens a new, empty file; one that is there is an error. */
  createFile(path: string): Promise<WritableFile>;
  /**
   * Opens a file that is there, cuts off what lies behind `sizeBytes`, and goes on there. Throws `storage_error` if the
   * file is shorter.
   */
  openFile(path: string, sizeBytes: number): Promise<GrowingFile>;
  /** Makes a folder and the ones above it; one that is there is no error. */
  makeFolder(path: string): Promise<void>;
  /** Gives a file another name, replacing the file that had it, at once. */
  rename(from: string, to: string): Promise<void>;
  /** Flushes the entries of a folder to the disk, where the system can do that. */
  syncFolder(path: string): Promise<void>;
}

/** The real file system. */
export const diskFs: DurableFs = {
  createFile: (path) => Deno.open(path, { write: true, createNew: true }),
  async openFile(path, sizeBytes) {
    const file = await Deno.open(path, { write: true });
    try {
      if ((await file.stat()).size < sizeBytes) {
        throw new ServiceError("storage_error", "An unfinished file has lost bytes that were flushed.");
      }
      await file.truncate(sizeBytes);
      await file.seek(sizeBytes, Deno.SeekMode.Start);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  },
  makeFolder: (path) => Deno.mkdir(path, { recursive: true }),
  rename: (from, to) => Deno.rename(from, to),
  async syncFolder(path) {
    // Windows opens no folders for this; NTFS journals its entries instead.
    if (Deno.build.os === "windows") return;
    using folder = await Deno.open(path, { read: true });
    await folder.sync();
  },
};

/** Makes `path` and flushes every folder entry that leads from the folder around `top` to it. */
export async function makeDurableFolder(fs: DurableFs, top: string, path: string): Promise<void> {
  await fs.makeFolder(path);
  const last = dirname(top);
  for (let folder = path; folder !== last; folder = dirname(folder)) await fs.syncFolder(dirname(folder));
}

/** The value of `call`, or `undefined` if there is nothing under its path. */
export async function ifThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes all of `bytes`, however many calls the system needs for it. */
export async function writeAll(file: WritableFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    written += await file.write(written === 0 ? bytes : bytes.subarray(written));
  }
}

/** The value of `call`; a failure becomes what `diskError` makes of it. */
export async function onDisk<T>(doing: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw diskError(error, doing);
  }
}

/** The system's name of an error (`ENOSPC`), or `undefined`. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Whether the error says that there is nothing under a path: no entry, or a file where a folder would have to be. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/**
 * What a failed call means to a client. `doing` completes "The disk failed while …"; the path that the system's own
 * message holds stays in `cause`, out of the sentence. A `ServiceError` passes through.
 */
export function diskError(error: unknown, doing: string): ServiceError {
  if (error instanceof ServiceError) return error;
  const code = systemErrorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new ServiceError("out_of_space", "The disk that stores the files is full.", { cause: error });
  }
  if (code === "ENAMETOOLONG") {
    return new ServiceError("invalid_request", "The object's key is too long for the disk.", {
      cause: error,
    });
  }
  const name = code ?? (error instanceof Error ? error.name : "unknown error");
  return new ServiceError("storage_error", `The disk failed while ${doing} (${name}).`, { cause: error });
}
