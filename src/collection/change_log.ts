/**
 * The change log of a collection in Deno KV: which documents each commit changed, in the order of the commits.
 *
 * | key                                  | value                                                        |
 * | ------------------------------------ | ------------------------------------------------------------ |
 * | `["log", collection, versionstamp]`  | `{ids}` of the documents that the commit wrote or removed    |
 * | `["head", collection]`               | written with every commit, so that `kv.watch` tells of it    |
 * | `["identity"]`                       | a random id of this KV: what was derived from it knows it    |
 *
 * Versionstamps order the commits of all nodes (Deno manual, "Key-value store", versioning).
 */

/** How long an entry is kept at least. */
const RETENTION_MS = 7 * 24 * 60 * 60 * 1000;

/** Who was up to date this long ago still finds every later entry; a day is left for clocks that differ. */
export const LOG_REACHES_BACK_MS = RETENTION_MS - 24 * 60 * 60 * 1000;

/** How many entries one read of the log asks for. */
const READ_BATCH = 500;

/** What one commit changed. */
export interface LogEntry {
  /** Of the commit. */
  versionstamp: string;
  /** The documents it wrote or removed. */
  ids: string[];
}

/** The change log of one collection. */
export class ChangeLog {
  readonly #kv: Deno.Kv;
  readonly #collection: string;

  constructor(kv: Deno.Kv, collection: string) {
    this.#kv = kv;
    this.#collection = collection;
  }

  /** Adds the entry of a commit to the commit. */
  append(operation: Deno.AtomicOperation, ids: string[]): void {
    operation
      .set(["log", this.#collection, this.#kv.commitVersionstamp()], { ids }, { expireIn: RETENTION_MS })
      .set(["head", this.#collection], Date.now());
  }

  /** The entries behind a versionstamp ("" for all), oldest first, at most `limit`. */
  async read(after: string, limit: number): Promise<LogEntry[]> {
    const prefix = ["log", this.#collection];
    const selector = { prefix, start: [...prefix, `${after}\u0000`] };
    const entries: LogEntry[] = [];
    const list = this.#kv.list<unknown>(selector, { limit, batchSize: Math.min(limit, READ_BATCH) });
    for await (const { key, value } of list) {
      const versionstamp = key[2];
      if (typeof versionstamp === "string") entries.push({ versionstamp, ids: idsOf(value) });
    }
    return entries;
  }

  /** The versionstamp of the last entry; "" if there is none. */
  async end(): Promise<string> {
    const list = this.#kv.list({ prefix: ["log", this.#collection] }, { limit: 1, reverse: true });
    for await (const { key } of list) if (typeof key[2] === "string") return key[2];
    return "";
  }

  /** A stream that has an item after commits, at least one after the last. To be cancelled. */
  changes(): ReadableStream<unknown> {
    return this.#kv.watch([["head", this.#collection]]);
  }

  /** The id of this KV, made by whoever asks first. */
  async identity(): Promise<string> {
    const key = ["identity"];
    for (;;) {
      const { value } = await this.#kv.get<string>(key);
      if (value !== null) return value;
      await this.#kv.atomic().check({ key, versionstamp: null }).set(key, crypto.randomUUID()).commit();
    }
  }
}

function idsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return "ids" in value && Array.isArray(value.ids) ? value.ids.filter((id) => typeof id === "string") : [];
}
