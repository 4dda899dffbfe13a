/**
 * The journal of objects that are being written or deleted: what makes a crash harmless.
 *
 * An entry goes in before the first byte of an upload, and out in the commit that makes the asset. A deletion puts one in
 * with the commit that takes the asset away. So an object without an asset always has an entry, and `sweep` removes what
 * the entries name that nobody is working on any more.
 *
 * | key                                    | value                           |
 * | -------------------------------------- | ------------------------------- |
 * | `["pending", assets_db_id, asset_id]`  | `{objectKey, touchedAt, owner}` |
 */
import type { Alongside } from "../collection/truth.ts";
import { CommitUnknown, kvAway } from "../kv/unavailable.ts";
import type { ObjectStore } from "../objects/object_store.ts";

/** How often a running write says that it is still running. */
const HEARTBEAT_MS = 60_000;

/** An entry of another process that was not touched for this long belongs to nobody. */
const STALE_AFTER_MS = 15 * 60_000;

/**
 * An entry of this process that it does not work on: what became of its commit was not known, or its object could not be
 * deleted. After this long nobody works on it any more.
 */
const GIVEN_UP_AFTER_MS = 2 * HEARTBEAT_MS;

interface Entry {
  objectKey: string;
  /** Milliseconds since the epoch. */
  touchedAt: number;
  /** The process that works on it. */
  owner: string;
}

/** An entry that this process holds. */
export interface JournalEntry {
  readonly objectKey: string;
  /** For the commit that makes the asset: it fails if the entry was swept, and takes it out. */
  settle(): Promise<Alongside>;
  /**
   * Removes whatever the write left in the store, then the entry. If that fails, the sweeper does it later.
   *
   * @param options.isWhole the object is there whole, so nothing unfinished can be
   */
  undo(store: ObjectStore, options?: { isWhole: boolean }): Promise<void>;
}

/** The journal of one Assets DB in its KV. */
export class Journal {
  readonly #kv: Deno.Kv;
  readonly #assetsDbId: string;
  readonly #owner = crypto.randomUUID();
  /** Whether other processes may be writing to the same store through the same KV. */
  readonly #isShared: boolean;
  readonly #kvUpSince: () => number;
  /** The ids of the writes that are running here. */
  readonly #running = new Set<string>();

  constructor(
    options: { kv: Deno.Kv; assetsDbId: string; isShared: boolean; kvUpSince?: () => number },
  ) {
    this.#kvUpSince = options.kvUpSince ?? (() => 0);
    this.#kv = options.kv;
    this.#assetsDbId = options.assetsDbId;
    this.#isShared = options.isShared;
  }

  /**
   * Enters a write that is about to begin. Release it by one of the entry's methods.
   *
   * @throws {ServiceError} `unavailable`; nothing of the write has happened then
   */
  async begin(id: string, objectKey: string): Promise<JournalEntry> {
    const key = this.#key(id);
    let versionstamp = await this.#enter(key, objectKey);
    let isDoubtful = false;
    this.#running.add(id);
    let beating = Promise.resolve();
    const heartbeat = setInterval(() => {
      beating = beating.then(async () => {
        versionstamp = await this.#beat(key, objectKey, versionstamp) ?? versionstamp;
        isDoubtful = false;
      }).catch(() => {
        // The KV is away; the next beat tries again.
        isDoubtful = true;
      });
    }, HEARTBEAT_MS);
    const stop = async () => {
      clearInterval(heartbeat);
      await beating;
      this.#running.delete(id);
    };
    return {
      objectKey,
      settle: async () => {
        await stop();
        if (isDoubtful) versionstamp = await this.#beat(key, objectKey, versionstamp) ?? versionstamp;
        return {
          checks: [{ key, versionstamp }],
          write: (operation) => void operation.delete(key),
        };
      },
      undo: async (store, options) => {
        await stop();
        // Taken over, it makes a commit fail that may still be on its way; gone, that has happened and the object is in use.
        const taken = await this.#kv.atomic().check({ key, versionstamp }).set(key, this.#entry(objectKey))
          .commit();
        if (taken.ok) await this.#clear(key, objectKey, store, options);
      },
    };
  }

  async #enter(key: Deno.KvKey, objectKey: string): Promise<string> {
    try {
      return (await this.#kv.set(key, this.#entry(objectKey))).versionstamp;
    } catch (error) {
      // An entry without a write harms nobody: the sweeper takes it.
      throw error instanceof CommitUnknown ? kvAway(error) : error;
    }
  }

  /** Says that a write is still running. Returns the versionstamp of its entry; `undefined` if another process has taken it. */
  async #beat(key: Deno.KvKey, objectKey: string, versionstamp: string): Promise<string | undefined> {
    const entry = this.#entry(objectKey);
    const beat = await this.#kv.atomic().check({ key, versionstamp }).set(key, entry).commit();
    if (beat.ok) return beat.versionstamp;
    // An earlier beat whose answer was lost may have happened.
    const now = await this.#kv.get<Entry>(key);
    return now.value?.owner === this.#owner ? now.versionstamp ?? undefined : undefined;
  }

  /** For the commit that takes an asset away: its object is to be deleted. */
  deletion(id: string, objectKey: string): Alongside {
    return { write: (operation) => void operation.set(this.#key(id), this.#entry(objectKey)) };
  }

  /** Removes an object whose asset is gone, then its entry. */
  async finishDeletion(id: string, objectKey: string, store: ObjectStore): Promise<void> {
    await store.delete(objectKey);
    await this.#kv.delete(this.#key(id));
  }

  /** A store that failed may have kept what it was to throw away, so it is asked again. */
  async #clear(
    key: Deno.KvKey,
    objectKey: string,
    store: ObjectStore,
    { isWhole } = { isWhole: false },
  ): Promise<void> {
    // The object first: not every key that may write may also list what is unfinished.
    await store.delete(objectKey);
    if (!isWhole) {
      for await (const write of store.listUnfinished(objectKey)) await store.discardUnfinished(write);
    }
    await this.#kv.delete(key);
  }

  /**
   * Removes what entries name that nobody works on: objects, temporary files, multipart uploads. Returns how many entries
   * were cleared.
   *
   * @param options.now milliseconds since the epoch
   */
  async sweep(store: ObjectStore, options: { now?: number; signal?: AbortSignal } = {}): Promise<number> {
    const { now = Date.now() } = options;
    let cleared = 0;
    for await (
      const { key, value, versionstamp } of this.#kv.list<Entry>({ prefix: ["pending", this.#assetsDbId] })
    ) {
      options.signal?.throwIfAborted();
      if (!this.#isNobodys(String(key[2]), value, now)) continue;
      // Taking it over makes a commit that still waits for it fail, so the object is nobody's from here on.
      const taken = await this.#kv.atomic().check({ key, versionstamp }).set(
        key,
        this.#entry(value.objectKey),
      ).commit();
      if (!taken.ok) continue;
      await this.#clear(key, value.objectKey, store);
      cleared++;
    }
    return cleared;
  }

  #isNobodys(id: string, { owner, touchedAt }: Entry, now: number): boolean {
    const ageMs = now - touchedAt;
    if (owner === this.#owner) return !this.#running.has(id) && ageMs >= GIVEN_UP_AFTER_MS;
    // Where nothing shares the KV, another process can only be a dead one.
    if (!this.#isShared) return true;
    // While the KV was away, others could not say that they were running; they get the time to do so.
    return ageMs >= STALE_AFTER_MS && now - this.#kvUpSince() >= GIVEN_UP_AFTER_MS;
  }

  #key(id: string): Deno.KvKey {
    return ["pending", this.#assetsDbId, id];
  }

  #entry(objectKey: string): Entry {
    return { objectKey, touchedAt: Date.now(), owner: this.#owner };
  }
}
