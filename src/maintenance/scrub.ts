/**
 * Reads every stored file again from time to time, slowly, and compares its checksum: what a disk loses in silence is found
 * while there is still a backup of it.
 *
 * How far a round has come is kept in the KV, so a restart goes on with it, and of several replicas one does it. What is found goes to the log and to the metrics,
 * and is kept for `fsck`, until the file is right again or its asset is gone.
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as pause } from "node:timers/promises";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Metrics } from "../observe/metrics.ts";
import { fileNamedBy, type KeptDocument, readDocument, scanDocuments } from "./documents.ts";
import { digestOf } from "./file_digest.ts";
import { keptBy, type KeptCollection, type NamedFile } from "./kept.ts";
import {
  damagedIds,
  forgetDamage,
  keepScrub,
  readScrubState,
  rememberDamage,
  type ScrubState,
  takeScrub,
} from "./scrub_records.ts";

const log = getLogger(["assets-server", "scrub"]);

/** What a scrub reads at the most: little of what a disk can do, and yet 9.6 TB a week. */
const BYTES_PER_SECOND = 16 * 2 ** 20;

/** What an empty file counts, so that many small ones are read slowly, too. */
const BYTES_PER_FILE = 128 * 1024;

/** How often the position is kept. */
const KEEP_EVERY_MS = 10_000;

/** A replica that was silent for so long scrubs no more: another one does. The clocks of replicas may differ by some minutes. */
const LEASE_MS = 15 * 60_000;

/** How long a server that starts has other things to do. */
const SETTLE_MS = 60_000;

/** Pause after a failure of the KV or the store. */
const RETRY_MS = 60_000;

/** The longest that a timer waits at once. */
const LONGEST_PAUSE_MS = 24 * 60 * 60_000;

/** What a scrub works on. */
export interface ScrubOptions {
  kv: Deno.Kv;
  store: ObjectStore;
  assetsDbId: string;
  /** From the start of one round to the start of the next, in milliseconds; a round may take longer. */
  intervalMs: number;
  metrics: Metrics;
  /** Other replicas may be scrubbing the same files. */
  isShared?: boolean;
  /** How long it lets a server that starts alone, in milliseconds. */
  settleMs?: number;
}

/** A scrub that runs in the background. */
export interface Scrub {
  /** Ends it; the next start goes on. */
  stop(): Promise<void>;
}

/** Starts to scrub when the last round has been long enough ago. A failure is logged, and tried again. */
export function startScrub(options: ScrubOptions): Scrub {
  const abort = new AbortController();
  const scrubber = new Scrubber(options, abort.signal);
  const running = scrubber.run();
  return {
    async stop() {
      abort.abort();
      await running;
    },
  };
}

class Scrubber {
  readonly #options: ScrubOptions;
  readonly #signal: AbortSignal;
  readonly #collection: KeptCollection = keptBy("assets-db");
  readonly #owner: string;
  /** Of the round under way. */
  #state: ScrubState = { after: "", startedAt: 0, finishedAt: 0 };
  #keptAtMs = 0;
  /** Another replica has taken the round over. */
  #isLost = false;
  readonly #count: (result: "right" | "damaged" | "missing") => void;
  #bytes = 0;
  #finishedAt = 0;
  #damaged = 0;
  /** When the next byte may be read. */
  #freeAtMs = 0;

  constructor(options: ScrubOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    // Where nobody shares the KV, whoever had it before is dead.
    this.#owner = options.isShared ? crypto.randomUUID() : "only";
    const { metrics } = options;
    const files = metrics.counter(
      "assets_server_scrub_files_total",
      "Stored files that were read to check them.",
    );
    this.#count = (result) => files.of({ result }).value++;
    metrics.read(
      { name: "assets_server_scrub_bytes_total", help: "Bytes read to check files.", type: "counter" },
      () => [[{}, this.#bytes]],
    );
    metrics.read(
      {
        name: "assets_server_scrub_damaged_files",
        help: "Files that the scrub found missing or damaged.",
        type: "gauge",
      },
      () => [[{}, this.#damaged]],
    );
    metrics.read(
      {
        name: "assets_server_scrub_finished_time_seconds",
        help: "When the last round of the scrub ended, as Unix time; 0 for never.",
        type: "gauge",
      },
      () => [[{}, this.#finishedAt / 1000]],
    );
  }

  async run(): Promise<void> {
    const { intervalMs, settleMs = Math.min(SETTLE_MS, intervalMs) } = this.#options;
    await this.#pause(settleMs);
    while (!this.#signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        if (this.#signal.aborted) return;
        log.warn("The scrub was interrupted and goes on later: {error}", { error });
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Waits for the time of the next round, and makes it, from where the last one was interrupted; or waits while another does. */
  async #round(): Promise<void> {
    const { kv, assetsDbId, intervalMs } = this.#options;
    const { after, startedAt, finishedAt } = await readScrubState(kv, assetsDbId);
    this.#finishedAt = finishedAt;
    this.#damaged = (await damagedIds(kv, assetsDbId)).length;
    const dueMs = after === "" ? startedAt + intervalMs - Date.now() : 0;
    // Another may have made it meanwhile.
    if (dueMs > 0) return await this.#pause(dueMs);
    const state = await takeScrub(kv, assetsDbId, { name: this.#owner, leaseMs: LEASE_MS });
    if (!state) return await this.#pause(LEASE_MS);
    this.#state = state;
    this.#isLost = false;
    if (state.after === "") {
      if (state.startedAt + intervalMs > Date.now()) return await this.#keep({ leaseMs: 0 });
      state.startedAt = Date.now();
    }
    this.#keptAtMs = performance.now();
    try {
      await this.#lookAtAll();
    } finally {
      await this.#keep({ leaseMs: 0 });
    }
  }

  async #lookAtAll(): Promise<void> {
    const { kv, assetsDbId } = this.#options;
    for await (const owner of scanDocuments(kv, this.#collection, this.#state.after || undefined)) {
      const file = this.#collection.fileOf(owner.document);
      if (file?.assetsDbId === assetsDbId) await this.#look(owner, file);
      if (this.#signal.aborted || this.#isLost) return;
      this.#state.after = owner.id;
      await this.#keepNowAndThen();
    }
    await this.#forgetRemoved();
    this.#state.after = "";
    this.#state.finishedAt = this.#finishedAt = Date.now();
  }

  async #keepNowAndThen(): Promise<void> {
    if (performance.now() - this.#keptAtMs < KEEP_EVERY_MS) return;
    await this.#keep({ leaseMs: LEASE_MS });
  }

  async #keep({ leaseMs }: { leaseMs: number }): Promise<void> {
    const { kv, assetsDbId } = this.#options;
    this.#isLost ||= !await keepScrub(kv, assetsDbId, this.#state, { name: this.#owner, leaseMs });
    this.#keptAtMs = performance.now();
  }

  async #look(owner: KeptDocument, file: NamedFile): Promise<void> {
    const { kv, store, assetsDbId } = this.#options;
    const { id } = owner;
    await this.#spend(BYTES_PER_FILE);
    const found = await digestOf(store, file.key, {
      onBytes: async (count) => {
        this.#bytes += count;
        await this.#spend(count);
        // A large file takes longer than a lease.
        await this.#keepNowAndThen();
      },
      signal: this.#signal,
    });
    const isRight = found && (file.sha256 === undefined || found.sha256 === file.sha256);
    if (isRight) {
      this.#count("right");
      if (this.#damaged > 0) await this.#forget(id);
      return;
    }
    // It may have been removed since its document was read.
    if (fileNamedBy(await readDocument(kv, this.#collection, id), this.#collection)?.key !== file.key) return;
    const problem = found ? "damaged" : "missing";
    this.#count(problem);
    log.error("The file {key} of {uri} is {problem}: assets-server fsck tells more", {
      key: file.key,
      uri: owner.document.asset_uri || id,
      problem,
    });
    await rememberDamage(kv, assetsDbId, id, { problem, foundAt: Date.now() });
    this.#damaged = (await damagedIds(kv, assetsDbId)).length;
  }

  /** Forgets what was found of assets that are gone, or have no file any more. */
  async #forgetRemoved(): Promise<void> {
    const { kv, assetsDbId } = this.#options;
    for (const id of await damagedIds(kv, assetsDbId)) {
      if (!fileNamedBy(await readDocument(kv, this.#collection, id), this.#collection)) {
        await this.#forget(id);
      }
    }
  }

  async #forget(id: string): Promise<void> {
    const { kv, assetsDbId } = this.#options;
    await forgetDamage(kv, assetsDbId, id);
    this.#damaged = (await damagedIds(kv, assetsDbId)).length;
  }

  /** Waits as long as so many bytes may take; what was not read while nothing was to do is not made up for. */
  async #spend(bytes: number): Promise<void> {
    const nowMs = performance.now();
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + bytes / BYTES_PER_SECOND * 1000;
    // Timers are coarse: a wait below some milliseconds is gathered.
    if (this.#freeAtMs - nowMs > 20) await this.#pause(this.#freeAtMs - nowMs);
  }

  async #pause(ms: number): Promise<void> {
    for (let left = ms; left > 0 && !this.#signal.aborted; left -= LONGEST_PAUSE_MS) {
      await pause(Math.min(left, LONGEST_PAUSE_MS), undefined, { signal: this.#signal }).catch(() => {});
    }
  }
}
