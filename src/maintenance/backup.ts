/**
 * Writes a backup of the data of a server that may be running.
 *
 * A local KV is read from a copy as of one moment (`kv_copies.ts`). One across the network is read as it is; what changes
 * meanwhile is in the change log, and comes behind. A file is never changed once its document is there, only deleted.
 */
import { createHash } from "node:crypto";
import { ServiceError } from "../errors.ts";
import { ChangeLog } from "../collection/change_log.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import {
  CHANGES,
  DOCUMENTS,
  FORMAT,
  type Head,
  HEAD_NAME,
  lineOf,
  type Manifest,
  MANIFEST_NAME,
  MAX_MEMBER_BYTES,
  MAX_MEMBER_DOCUMENTS,
  OBJECTS,
  VERSION,
} from "./archive.ts";
import { fileNamedBy, type KeptDocument, readDocument, scanAll } from "./documents.ts";
import type { CheckProgress } from "./finding.ts";
import type { NamedFile } from "./kept.ts";
import type { Site } from "./site.ts";
import { TarWriter } from "./tar_file.ts";

/** What goes into a backup. */
export interface BackupOptions {
  hasObjects: boolean;
  progress: CheckProgress;
  signal?: AbortSignal;
}

/** How many entries of the log one read asks for. */
const LOG_BATCH = 500;

/** Where others write faster than this reads, an end has to be made. */
const MAX_LOG_ROUNDS = 1000;

/** How often a file is read on after its stream broke. */
const MAX_READS = 5;

/**
 * Writes a backup to a file that must not be there.
 *
 * @returns what is in it
 * @throws {Error} if a document is damaged: `fsck --repair` comes first then
 */
export async function backup(site: Site, path: string, options: BackupOptions): Promise<Manifest> {
  await using tar = await TarWriter.create(path);
  const writing = new Backup(site, tar, options);
  await writing.begin();
  const log = new ChangeLog(site.kv, site.collection.name);
  let position = site.config.isDbShared ? await log.end() : undefined;
  for await (const found of scanAll(site.kv, site.collection)) {
    options.signal?.throwIfAborted();
    if ("damage" in found) {
      throw new Error(
        `The ${site.collection.noun} ${found.id} ${found.damage}: run assets-server fsck --repair first.`,
      );
    }
    await writing.add(DOCUMENTS, found.id, found);
  }
  await writing.flush(DOCUMENTS);
  for (let round = 0; position !== undefined && round < MAX_LOG_ROUNDS; round++) {
    const entries = await log.read(position, LOG_BATCH);
    position = entries.at(-1)?.versionstamp;
    for (const id of new Set(entries.flatMap(({ ids }) => ids))) {
      const now = await readDocument(site.kv, site.collection, id);
      if (!now || !("damage" in now)) await writing.add(CHANGES, id, now);
    }
  }
  await writing.flush(CHANGES);
  const manifest = await writing.end();
  await tar.finish();
  return manifest;
}

/** A backup on its way. */
class Backup {
  readonly #site: Site;
  readonly #tar: TarWriter;
  readonly #options: BackupOptions;
  readonly #hash = createHash("sha256");
  readonly #manifest: Manifest = {
    documents: 0,
    objects: 0,
    object_bytes: 0,
    documents_sha256: "",
    removed: [],
    incomplete: [],
  };
  /** Files that were not there when it was their turn. */
  readonly #missing: { id: string; key: string }[] = [];
  /** Files that are in it, where one may come twice. */
  readonly #done = new Set<string>();
  #members = 0;
  #lines: string[] = [];
  #lineBytes = 0;
  #files: { owner: KeptDocument; file: NamedFile }[] = [];

  constructor(site: Site, tar: TarWriter, options: BackupOptions) {
    this.#site = site;
    this.#tar = tar;
    this.#options = options;
  }

  async begin(): Promise<void> {
    const head: Head = {
      format: FORMAT,
      version: VERSION,
      mode: this.#site.config.mode,
      assets_db_id: this.#site.store ? this.#site.assetsDbId ?? null : null,
      created_at: new Date().toISOString(),
      has_objects: this.#options.hasObjects,
    };
    await this.#tar.add(HEAD_NAME, json(head));
  }

  /** Adds a document, or that it was removed. */
  async add(
    folder: typeof DOCUMENTS | typeof CHANGES,
    id: string,
    found: KeptDocument | undefined,
  ): Promise<void> {
    const line = lineOf(id, found?.text);
    this.#lines.push(line);
    this.#lineBytes += line.length;
    const file = this.#options.hasObjects && found ? this.#site.collection.fileOf(found.document) : undefined;
    if (found && file && file.assetsDbId === this.#site.assetsDbId) this.#files.push({ owner: found, file });
    this.#options.progress.documents(this.#manifest.documents + this.#lines.length);
    const isFull = this.#lineBytes >= MAX_MEMBER_BYTES || this.#lines.length >= MAX_MEMBER_DOCUMENTS;
    if (isFull) await this.flush(folder);
  }

  /** Writes what has been gathered: a member of documents, then their files. */
  async flush(folder: typeof DOCUMENTS | typeof CHANGES): Promise<void> {
    if (this.#lines.length === 0) return;
    const bytes = new TextEncoder().encode(this.#lines.join(""));
    this.#hash.update(bytes);
    await this.#tar.add(`${folder}${String(++this.#members).padStart(6, "0")}.ndjson`, bytes);
    this.#manifest.documents += this.#lines.length;
    const files = this.#files;
    this.#lines = [];
    this.#lineBytes = 0;
    this.#files = [];
    for (const { owner, file } of files) await this.#addFile(owner.id, file);
  }

  async end(): Promise<Manifest> {
    if (this.#missing.length > 0) {
      const kv = await this.#site.fresh();
      for (const { id, key } of this.#missing) {
        const now = await readDocument(kv, this.#site.collection, id);
        const isNamed = fileNamedBy(now, this.#site.collection)?.key === key;
        // A server at work has removed the asset; else the file was lost before.
        this.#manifest[isNamed ? "incomplete" : "removed"].push(id);
      }
    }
    this.#manifest.documents_sha256 = this.#hash.digest("hex");
    await this.#tar.add(MANIFEST_NAME, json(this.#manifest));
    return this.#manifest;
  }

  async #addFile(id: string, file: NamedFile): Promise<void> {
    const { store, config } = this.#site;
    if (!store || this.#done.has(file.key)) return;
    if (config.isDbShared) this.#done.add(file.key);
    const { signal, progress } = this.#options;
    signal?.throwIfAborted();
    const info = await store.head(file.key);
    const first = info && await ifThere(store.get(file.key, { signal }));
    if (!first) {
      this.#missing.push({ id, key: file.key });
      return;
    }
    const hash = createHash("sha256");
    const onChunk = (chunk: Uint8Array) => {
      hash.update(chunk);
      progress.bytes(chunk.length);
    };
    const { sizeBytes } = info;
    const chunks = steadily(store, file.key, { first, sizeBytes, onChunk, signal });
    await this.#tar.addStream(OBJECTS + file.key, sizeBytes, chunks);
    this.#manifest.objects++;
    this.#manifest.object_bytes += sizeBytes;
    if (file.sha256 !== undefined && hash.digest("hex") !== file.sha256) this.#manifest.incomplete.push(id);
  }
}

/** The bytes of a file; a stream that breaks is begun again where it broke. */
async function* steadily(
  store: ObjectStore,
  key: string,
  { first, sizeBytes, onChunk, signal }: {
    first: ReadableStream<Uint8Array>;
    sizeBytes: number;
    onChunk: (chunk: Uint8Array) => void;
    signal?: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  let body = first;
  for (let reads = 1;; reads++) {
    try {
      for await (const chunk of body) {
        offset += chunk.length;
        onChunk(chunk);
        yield chunk;
      }
      if (offset >= sizeBytes) return;
      throw new Error(`${key} ended after ${offset} of ${sizeBytes} bytes.`);
    } catch (error) {
      signal?.throwIfAborted();
      if (reads === MAX_READS || offset >= sizeBytes) throw error;
    }
    body = await store.get(key, { range: { start: offset, end: sizeBytes - 1 }, signal });
  }
}

async function ifThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ServiceError && error.code === "not_found") return undefined;
    throw error;
  }
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}
