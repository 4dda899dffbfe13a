/**
 * Makes the data of a server from a backup: documents with their ids, and files.
 *
 * The backup is read twice: once to see that it is whole, then to restore it. So nothing is made of half a backup, and what
 * an interrupted restore has left can be told by a mark in the KV, and is completed by the next one.
 */
import { type Config, ConfigError } from "../cli/config.ts";
import { jsonBytes } from "../collection/large_value.ts";
import { type Change, Truth } from "../collection/truth.ts";
import { CHANGES, DOCUMENTS, type Line, OBJECTS, parseLines } from "./archive.ts";
import { keyOf } from "./documents.ts";
import type { CheckProgress } from "./finding.ts";
import type { NamedFile } from "./kept.ts";
import { type Site, takeSite } from "./site.ts";
import { readMember, readTar, type TarMember } from "./tar_file.ts";
import { MAX_HELD_BYTES, type VerifiedBackup } from "./verify_backup.ts";

/** There while a restore is under way. */
const MARK: Deno.KvKey = ["restoring"];

/** Of one commit: Deno KV takes 100 checks and 800 KiB, and a document has up to three checks. */
const MAX_COMMIT_DOCUMENTS = 25;
const MAX_COMMIT_BYTES = 300 * 1024;

/** What came of a restore. */
export interface Restored {
  documents: number;
  files: number;
  /** Ids of documents that were not restored, because another holds one of their unique values. */
  contested: string[];
}

/**
 * Restores a backup that was verified.
 *
 * @throws {ConfigError} if it belongs elsewhere
 * @throws {Error} if a server has the data folder, or there are documents already
 */
export async function restore(
  config: Config,
  path: string,
  backup: VerifiedBackup,
  options: { progress: CheckProgress; onBytes: (count: number) => void; signal?: AbortSignal },
): Promise<Restored> {
  const { head } = backup;
  if (head.mode !== config.mode) {
    throw new ConfigError(`${path} is of --mode ${head.mode}, not ${config.mode}`);
  }
  const assetsDbId = head.assets_db_id ?? undefined;
  if (config.assetsDbId !== undefined && assetsDbId !== undefined && config.assetsDbId !== assetsDbId) {
    throw new ConfigError(
      `${path} is of the Assets DB ${assetsDbId}, not of ${config.assetsDbId} (--assets-db-id)`,
    );
  }
  await using site = await takeSite(config, assetsDbId);
  await begin(site);
  await site.keepAssetsDbId?.();
  const restoring = new Restoring(site, backup, options.progress);
  for await (const member of readTar(path, options.onBytes)) {
    options.signal?.throwIfAborted();
    await restoring.take(member, options.signal);
  }
  const restored = await restoring.end();
  await site.kv.delete(MARK);
  return restored;
}

async function begin({ kv, collection, config }: Site): Promise<void> {
  const isGoingOn = (await kv.get(MARK)).versionstamp !== null;
  for await (const _ of kv.list({ prefix: ["doc", collection.name] }, { limit: 1 })) {
    if (isGoingOn) break;
    throw new Error(
      `There are ${collection.plural} in ${config.db} already; restore into an empty --data-dir and --db.`,
    );
  }
  await kv.set(MARK, true);
}

class Restoring {
  readonly #site: Site;
  readonly #truth: Truth;
  readonly #progress: CheckProgress;
  readonly #changes: Map<string, Line>;
  readonly #removed: Set<string>;
  readonly #result: Restored = { documents: 0, files: 0, contested: [] };
  /** The documents of the last member, which come after their files. */
  #lines: Line[] = [];
  #files = new Map<string, NamedFile>();

  constructor(site: Site, { manifest, changes }: VerifiedBackup, progress: CheckProgress) {
    this.#site = site;
    this.#truth = new Truth(site.kv, site.collection.name);
    this.#progress = progress;
    this.#changes = new Map(changes);
    this.#removed = new Set(manifest.removed);
  }

  async take(member: TarMember, signal?: AbortSignal): Promise<void> {
    const { name } = member;
    if (name.startsWith(OBJECTS)) return await this.#takeFile(member, signal);
    await this.#insertAll();
    const bytes = await readMember(member, MAX_HELD_BYTES);
    if (name.startsWith(DOCUMENTS)) {
      this.#hold(parseLines(bytes, name).map((line) => this.#lastOf(line)));
    } else if (name.startsWith(CHANGES)) {
      // Those whose document came before have been taken there.
      this.#hold(
        parseLines(bytes, name).filter(({ id }) => this.#changes.has(id)).map((line) => this.#lastOf(line)),
      );
    }
  }

  async end(): Promise<Restored> {
    await this.#insertAll();
    return this.#result;
  }

  /** What a document was in the end. */
  #lastOf(line: Line): Line {
    const last = this.#changes.get(line.id) ?? line;
    this.#changes.delete(line.id);
    return last;
  }

  #hold(lines: Line[]): void {
    this.#lines = lines.filter(({ id, document }) => document && !this.#removed.has(id));
    this.#files = new Map();
    for (const { document } of this.#lines) {
      const file = document && this.#site.collection.fileOf(document);
      if (file) this.#files.set(file.key, file);
    }
  }

  async #takeFile({ name, body }: TarMember, signal?: AbortSignal): Promise<void> {
    const file = this.#files.get(name.slice(OBJECTS.length));
    const { store } = this.#site;
    if (!file || !store) return await body.cancel();
    const counted = body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          this.#progress.bytes(chunk.length);
          controller.enqueue(chunk);
        },
      }),
    );
    await store.put(file.key, counted, { contentType: file.fileType, signal });
    this.#result.files++;
  }

  async #insertAll(): Promise<void> {
    let batch: Change[] = [];
    let batchBytes = 0;
    for (const { id, document } of this.#lines) {
      if (!document) continue;
      const bytes = jsonBytes(document);
      if (batch.length >= MAX_COMMIT_DOCUMENTS || batchBytes + bytes.length > MAX_COMMIT_BYTES) {
        await this.#insert(batch);
        batch = [];
        batchBytes = 0;
      }
      batch.push({ id, next: { bytes, unique: this.#site.collection.uniqueOf(document) } });
      batchBytes += bytes.length;
    }
    if (batch.length > 0) await this.#insert(batch);
    this.#lines = [];
  }

  async #insert(batch: Change[]): Promise<void> {
    if (await this.#truth.commit(batch)) {
      this.#result.documents += batch.length;
    } else {
      for (const change of batch) await this.#insertOne(change);
    }
    this.#progress.documents(this.#result.documents);
  }

  async #insertOne(change: Change): Promise<void> {
    const { kv, collection } = this.#site;
    // An interrupted restore may have come to here.
    const isThere = (await kv.get(keyOf(collection, change.id).key)).versionstamp !== null;
    if (isThere || await this.#truth.commit([change])) this.#result.documents++;
    else this.#result.contested.push(change.id);
  }
}
