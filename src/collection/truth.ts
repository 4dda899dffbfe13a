/**
 * The documents of a collection in Deno KV: the truth that everything else is derived from.
 *
 * | key                                       | value                                                      |
 * | ----------------------------------------- | ---------------------------------------------------------- |
 * | `["doc", collection, id]`                 | the document (`large_value.ts`)                            |
 * | `["chunk", collection, id, n]`            | a piece of a document too large for one value              |
 * | `["unique", collection, field, value]`    | the id of the document that holds this value               |
 * | `["log", collection, versionstamp]`       | what a commit changed (`change_log.ts`)                    |
 *
 * Ids are UUIDv7, so the order of the keys is the order of creation. Every change is one atomic commit of all of these.
 */
import { createHash } from "node:crypto";
import { ChangeLog } from "./change_log.ts";
import {
  completeLarge,
  deleteLarge,
  getLarge,
  type LargeKey,
  MAX_KEYS_PER_READ,
  setLarge,
} from "./large_value.ts";

/** Deno KV's limit for a key is 2,048 bytes; a unique value longer than this stands in its key as a SHA-256. */
const MAX_UNIQUE_VALUE_BYTES = 1024;

/** How many documents one read of a scan asks for: measured, more is hardly faster and holds the thread for longer. */
const SCAN_BATCH = 500;

/** How many reads are under way at once when many documents are asked for: a KV across the network takes its time for each. */
const READS_AT_ONCE = 8;

/** A document as the truth has it. */
export interface StoredText {
  id: string;
  /** The document as JSON text. */
  text: string;
  /** Of the commit that wrote it: changes with every change of the document. */
  versionstamp: string;
  pieces: number;
}

/** A value that no two documents of a collection may share. */
export interface UniqueValue {
  field: string;
  value: string;
}

/** Further conditions and writes of the same commit: a journal entry, an idempotency record. */
export interface Alongside {
  checks?: Deno.AtomicCheck[];
  write?: (operation: Deno.AtomicOperation) => void;
}

/** One change of one document. Without `next` it is a removal, without `previous` an insertion. */
export interface Change {
  id: string;
  previous?: { versionstamp: string; pieces: number; unique: UniqueValue[] };
  next?: { bytes: Uint8Array<ArrayBuffer>; unique: UniqueValue[] };
  /** The id was made for this change. */
  isNewId?: boolean;
  /** The same change may have been made before, as a part of a request that is repeated. */
  mayBeThere?: boolean;
}

/** The documents, unique values and change log of one collection. */
export class Truth {
  readonly log: ChangeLog;
  readonly #kv: Deno.Kv;
  readonly #collection: string;

  constructor(kv: Deno.Kv, collection: string) {
    this.#kv = kv;
    this.#collection = collection;
    this.log = new ChangeLog(kv, collection);
  }

  /** The document with this id, if there is one. */
  async get(id: string): Promise<StoredText | undefined> {
    if (!fitsInKey(id)) return undefined;
    const found = await getLarge(this.#kv, this.#at(id));
    return found && { id, ...found };
  }

  /** The documents with these ids, in this order; `undefined` where there is none. */
  async getMany(ids: string[]): Promise<(StoredText | undefined)[]> {
    const found: (StoredText | undefined)[] = [];
    for (let first = 0; first < ids.length; first += READS_AT_ONCE * MAX_KEYS_PER_READ) {
      const reads = Array.from({ length: READS_AT_ONCE }, (_, n) => {
        const start = first + n * MAX_KEYS_PER_READ;
        return this.#getSome(ids.slice(start, start + MAX_KEYS_PER_READ));
      });
      for (const some of await Promise.all(reads)) found.push(...some);
    }
    return found;
  }

  /** The id of the document that holds this unique value, if there is one. */
  async idOf(unique: UniqueValue): Promise<string | undefined> {
    const entry = await this.#kv.get<string>(this.#uniqueKey(unique));
    return entry.value ?? undefined;
  }

  /** The ids of the documents that hold these unique values, in this order; `undefined` where nobody does. */
  async idsOf(unique: readonly UniqueValue[]): Promise<(string | undefined)[]> {
    const entries = await this.#entries(unique.map((one) => this.#uniqueKey(one)));
    return entries.map(({ value }) => typeof value === "string" ? value : undefined);
  }

  /** Which of these ids are those of documents. */
  async idsThere(ids: readonly string[]): Promise<Set<string>> {
    const possible = ids.filter(fitsInKey);
    const entries = await this.#entries(possible.map((id) => this.#at(id).key));
    return new Set(possible.filter((_, n) => (entries[n]?.versionstamp ?? null) !== null));
  }

  /** A condition for `Alongside.checks`: no document has this id. */
  absent(id: string): Deno.AtomicCheck {
    return { key: this.#at(id).key, versionstamp: null };
  }

  /**
   * Commits changes whole, or not at all. `false` means that a document, one of its unique values or something alongside
   * is no longer what the changes were made for; nothing was written then.
   *
   * @param changes of different documents, all of them insertions or replacements, or all of them removals
   * @returns the versionstamp of the commit, and how many pieces each document has now
   */
  async commit(
    changes: readonly Change[],
    alongside?: Alongside,
  ): Promise<{ versionstamp: string; pieces: number[] } | false> {
    const operation = this.#kv.atomic();
    if (alongside?.checks) operation.check(...alongside.checks);
    const pieces = changes.map((change) => this.#addChange(operation, change));
    this.log.append(operation, changes.map(({ id }) => id));
    alongside?.write?.(operation);
    const result = await operation.commit();
    return result.ok ? { versionstamp: result.versionstamp, pieces } : false;
  }

  /** Every document, oldest first, beginning behind the id `after`. Documents that change meanwhile come as they are then. */
  async *scan(after?: string): AsyncGenerator<StoredText> {
    const prefix = ["doc", this.#collection];
    const selector = after === undefined ? { prefix } : { prefix, start: [...prefix, `${after}\u0000`] };
    for await (const entry of this.#kv.list<unknown>(selector, { batchSize: SCAN_BATCH })) {
      const id = entry.key[2];
      if (typeof id !== "string") continue;
      const found = await completeLarge(this.#kv, this.#at(id), entry);
      if (found) yield { id, ...found };
    }
  }

  async #entries(keys: Deno.KvKey[]): Promise<Deno.KvEntryMaybe<unknown>[]> {
    const found: Deno.KvEntryMaybe<unknown>[] = [];
    for (let first = 0; first < keys.length; first += MAX_KEYS_PER_READ) {
      found.push(...await this.#kv.getMany<unknown[]>(keys.slice(first, first + MAX_KEYS_PER_READ)));
    }
    return found;
  }

  async #getSome(ids: string[]): Promise<(StoredText | undefined)[]> {
    if (ids.length === 0) return [];
    const entries = await this.#kv.getMany<unknown[]>(ids.map((id) => this.#at(id).key));
    return await Promise.all(ids.map(async (id, n) => {
      const entry = entries[n];
      const whole = entry && await completeLarge(this.#kv, this.#at(id), entry);
      return whole && { id, ...whole };
    }));
  }

  #addChange(operation: Deno.AtomicOperation, change: Change): number {
    const { id, previous, next } = change;
    const at = this.#at(id);
    // Nobody else makes a document of a new id, so its key needs no check; a commit has a limited number of them.
    if (previous || !change.isNewId || change.mayBeThere) {
      operation.check({ key: at.key, versionstamp: previous?.versionstamp ?? null });
    }
    this.#moveUniqueValues(operation, change);
    if (next) return setLarge(operation, at, next.bytes, { previousPieces: previous?.pieces });
    deleteLarge(operation, at, previous?.pieces ?? 0);
    return 0;
  }

  #at(id: string): LargeKey {
    return { key: ["doc", this.#collection, id], piecePrefix: ["chunk", this.#collection, id] };
  }

  #uniqueKey(unique: UniqueValue): Deno.KvKey {
    return uniqueKey(this.#collection, unique);
  }

  #moveUniqueValues(operation: Deno.AtomicOperation, { id, previous, next, isNewId }: Change): void {
    const before = previous?.unique ?? [];
    const after = next?.unique ?? [];
    const isIn = (list: UniqueValue[], one: UniqueValue) =>
      list.some((other) => other.field === one.field && other.value === one.value);
    for (const unique of before) {
      if (!isIn(after, unique)) operation.delete(this.#uniqueKey(unique));
    }
    for (const unique of after) {
      if (isIn(before, unique)) continue;
      const key = this.#uniqueKey(unique);
      // Nor can anybody know a new id, to take it for a value.
      if (!isNewId || unique.value !== id) operation.check({ key, versionstamp: null });
      operation.set(key, id);
    }
  }
}

/** Where a collection keeps which document holds a unique value. */
export function uniqueKey(collection: string, { field, value }: UniqueValue): Deno.KvKey {
  const part = fitsInKey(value) ? value : createHash("sha256").update(value).digest();
  return ["unique", collection, field, part];
}

function fitsInKey(value: string): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (value.length * 3 <= MAX_UNIQUE_VALUE_BYTES) return true;
  // A NUL takes two bytes in a key, so that the end of a text can be told (Deno KV's encoding, that of FoundationDB's tuples).
  const nulBytes = value.split("\0").length - 1;
  return new TextEncoder().encode(value).length + nulBytes <= MAX_UNIQUE_VALUE_BYTES;
}
