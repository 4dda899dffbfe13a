/** Where a download goes: a file that appears when it is whole, or standard output. */
import { resolve } from "node:path";
import type { JsonObject } from "../../collection/json.ts";
import { outputError } from "./input.ts";
import { SavedStates, savedStates } from "./saved_state.ts";
import { writeAll } from "./terminal.ts";

/** What is there of a file. */
export interface PartialFile {
  /** Where its bytes can be read again; none on standard output. */
  path?: string;
  sizeBytes: number;
  /** The `ETag` under which they came, if that is known. */
  etag?: string;
}

/** Where a download goes. */
export interface DownloadTarget {
  /** What an earlier download of the same file has left. */
  partial(identity: JsonObject): Promise<PartialFile>;
  /** Says that what is written from here on has this `ETag`. */
  began(identity: JsonObject, etag: string | undefined): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  /** Begins anew. */
  restart(): Promise<void>;
  /** The file is whole, and right. */
  complete(): Promise<void>;
  /** The file is wrong. */
  discard(): Promise<void>;
  /** A sentence on what a discarded download has left. */
  readonly afterDiscard: string;
}

/** A file: `<path>.part` until it is whole. */
export class FileTarget implements DownloadTarget, Disposable {
  readonly afterDiscard = "Nothing of it was kept.";
  readonly #path: string;
  readonly #part: string;
  readonly #states: SavedStates;
  readonly #key: string;
  #file: Deno.FsFile | undefined;

  constructor(path: string, states = savedStates("downloads")) {
    this.#path = path;
    this.#part = `${path}.part`;
    this.#states = states;
    this.#key = SavedStates.keyOf(resolve(path));
  }

  async partial({ where = null, sha256 = null }: JsonObject): Promise<PartialFile> {
    const file = await this.#open();
    const saved = await this.#states.read(this.#key);
    const { size } = await file.stat();
    await file.seek(0, Deno.SeekMode.End);
    // Of another file: it can't be gone on with.
    if (saved && (saved.where !== where || saved.sha256 !== sha256)) {
      await this.restart();
      return { path: this.#part, sizeBytes: 0 };
    }
    const etag = typeof saved?.etag === "string" ? saved.etag : undefined;
    return { path: this.#part, sizeBytes: size, etag };
  }

  async began(identity: JsonObject, etag: string | undefined): Promise<void> {
    await this.#states.write(this.#key, { ...identity, etag: etag ?? null, path: resolve(this.#path) });
  }

  async write(bytes: Uint8Array): Promise<void> {
    const file = await this.#open();
    try {
      await writeAll(file, bytes);
    } catch (error) {
      throw outputError(error, this.#part);
    }
  }

  async restart(): Promise<void> {
    const file = await this.#open();
    await file.truncate(0);
    await file.seek(0, Deno.SeekMode.Start);
    await this.#states.remove(this.#key);
  }

  async complete(): Promise<void> {
    const file = await this.#open();
    await file.sync();
    this[Symbol.dispose]();
    await Deno.rename(this.#part, this.#path);
    await this.#states.remove(this.#key);
  }

  async discard(): Promise<void> {
    this[Symbol.dispose]();
    await Deno.remove(this.#part);
    await this.#states.remove(this.#key);
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }

  async #open(): Promise<Deno.FsFile> {
    if (this.#file) return this.#file;
    try {
      this.#file = await Deno.open(this.#part, { create: true, read: true, write: true });
    } catch (error) {
      throw outputError(error, this.#part);
    }
    if (await this.#file.tryLock(true)) return this.#file;
    this[Symbol.dispose]();
    throw new Error(`Another process is downloading to ${JSON.stringify(this.#part)}.`);
  }
}

/** Standard output: what is written cannot be taken back. */
export class OutputTarget implements DownloadTarget {
  readonly afterDiscard = "Don't use what was written.";
  #isDirty = false;

  partial(): Promise<PartialFile> {
    return Promise.resolve({ sizeBytes: 0 });
  }

  began(): Promise<void> {
    return Promise.resolve();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#isDirty = true;
    await writeAll(Deno.stdout, bytes);
  }

  restart(): Promise<void> {
    if (!this.#isDirty) return Promise.resolve();
    return Promise.reject(new Error(`The file has changed while it was downloaded. ${this.afterDiscard}`));
  }

  complete(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }
}
