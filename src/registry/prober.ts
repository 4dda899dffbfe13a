/**
 * Probes every entry of a registry in the background, and records what it finds.
 *
 * Of several registries on one KV each probes the entries that it has the leases of.
 */
import { getLogger } from "@logtape/logtape";
import type { Collection } from "../collection/collection.ts";
import { compileFilter } from "../collection/filter.ts";
import type { ProbeOutcome } from "./health.ts";
import { healthOf, type HealthRecords, type RecordedHealth } from "./health_records.ts";
import { Leases } from "./leases.ts";

const log = getLogger(["assets-server", "registry"]);

/** What a prober works with. */
export interface ProberOptions {
  kv: Deno.Kv;
  entries: Collection;
  records: HealthRecords;
  /** Asks the Assets DB at a public URL. */
  probe: (publicUrl: string, signal: AbortSignal) => Promise<ProbeOutcome>;
  /** The time between two probes of an entry, ± 10 %. */
  intervalMs: number;
  /** How long a node that died keeps its entries; by default three intervals and the time of two probes. */
  leaseMs?: number;
  /** In [0, 1). */
  random?: () => number;
}

/** The most probes at the same time. */
const MAX_CONCURRENT = 20;

/** Two probes that run into their timeouts. */
const PROBE_ALLOWANCE_MS = 10_000;

/** The longest between two looks at what is due. */
const MAX_TICK_MS = 1000;

/** How many leases are asked for at once. */
const LEASE_BATCH = 20;

/** How long a stop waits for a KV that does not answer. */
const STOP_TIMEOUT_MS = 2000;

/** How long a query for all entries may take. */
const LIST_TIMEOUT_MS = 30_000;

/** An entry that this node probes. */
interface Own {
  url: string;
  /** By `performance.now()`. */
  dueAt: number;
  isBeingProbed: boolean;
}

/** The background probes of one node. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #leases: Leases;
  readonly #own = new Map<string, Own>();
  readonly #probes = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #reconcileAt = 0;
  #wake: () => void = () => {};

  constructor(options: ProberOptions) {
    const { kv, intervalMs, leaseMs = 3 * intervalMs + PROBE_ALLOWANCE_MS } = options;
    this.#options = options;
    this.#leases = new Leases({ kv, owner: crypto.randomUUID(), durationMs: leaseMs });
  }

  /** Begins. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Tells that an entry was made or changed, so that it is looked at now. */
  wake(): void {
    this.#reconcileAt = 0;
    this.#wake();
  }

  /** Ends, and gives the leases back. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake();
    const ended = (async () => {
      await this.#running;
      await Promise.all(this.#probes);
      for (const id of this.#own.keys()) await this.#leases.release(id);
    })().catch((error) => log.warn("The leases of probes were not given back: {error}", { error }));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_TIMEOUT_MS);
    });
    await Promise.race([ended, late]);
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { intervalMs } = this.#options;
    for (;;) {
      try {
        const now = performance.now();
        if (now >= this.#reconcileAt) {
          this.#reconcileAt = now + intervalMs / 3;
          await this.#reconcile();
        }
      } catch (error) {
        if (!this.#abort.signal.aborted) log.warn("The entries to probe cannot be read: {error}", { error });
      }
      if (this.#abort.signal.aborted) return;
      this.#probeWhatIsDue();
      await this.#pause(Math.min(MAX_TICK_MS, intervalMs / 10, this.#msUntilDue()));
    }
  }

  /** Looks at which entries there are, and takes those that nobody probes. */
  async #reconcile(): Promise<void> {
    const { entries, records } = this.#options;
    const [leases, known] = await Promise.all([this.#leases.all(), records.all()]);
    const everything = { filter: compileFilter({}), timeoutMs: LIST_TIMEOUT_MS, signal: this.#abort.signal };
    const seen = new Set<string>();
    const free: { id: string; url: string }[] = [];
    for await (const { id, document } of entries.query(everything).matches) {
      seen.add(id);
      const url = String(document.asset_registry_public_url);
      const own = this.#own.get(id);
      if (!own) free.push({ id, url });
      else if (own.url !== url) Object.assign(own, { url, dueAt: performance.now() });
    }
    for (const id of this.#own.keys()) if (!seen.has(id)) this.#own.delete(id);
    for (let first = 0; first < free.length; first += LEASE_BATCH) {
      await Promise.all(
        free.slice(first, first + LEASE_BATCH).map(async ({ id, url }) => {
          if (!await this.#leases.take(id, leases.get(id))) return;
          this.#own.set(id, { url, dueAt: this.#firstDue(url, known.get(id)), isBeingProbed: false });
        }),
      );
    }
  }

  /** At once, unless somebody else has probed it not long ago. */
  #firstDue(url: string, recorded: RecordedHealth | undefined): number {
    const { checked_at } = healthOf(url, recorded);
    const ageMs = checked_at === null ? Infinity : Math.max(0, Date.now() - Date.parse(checked_at));
    return performance.now() + Math.max(0, this.#jittered() - ageMs);
  }

  #jittered(): number {
    const { intervalMs, random = Math.random } = this.#options;
    return intervalMs * (0.9 + 0.2 * random());
  }

  #probeWhatIsDue(): void {
    const now = performance.now();
    const due = [...this.#own].filter(([, own]) => own.dueAt <= now && !own.isBeingProbed)
      .sort(([, a], [, b]) => a.dueAt - b.dueAt);
    for (const [id, own] of due) {
      if (this.#probes.size >= MAX_CONCURRENT) return;
      own.isBeingProbed = true;
      own.dueAt = now + this.#jittered();
      const probe = this.#probe(id, own).catch((error) => {
        if (!this.#abort.signal.aborted) {
          log.warn("The health of {url} was not recorded: {error}", { url: own.url, error });
        }
      }).finally(() => {
        own.isBeingProbed = false;
        this.#probes.delete(probe);
        this.#wake();
      });
      this.#probes.add(probe);
    }
  }

  /** What waits for a free place is woken by the end of a probe. */
  #msUntilDue(): number {
    const now = performance.now();
    const waits = [...this.#own.values()].map(({ dueAt }) => dueAt - now).filter((wait) => wait > 0);
    return waits.reduce((least, wait) => Math.min(least, wait), Infinity);
  }

  async #probe(id: string, own: Own): Promise<void> {
    const { url } = own;
    const guard = await this.#leases.renewal(id);
    if (!guard) {
      this.#own.delete(id);
      return;
    }
    const { check, about } = await this.#options.probe(url, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    const wasRecorded = await this.#options.records.record(id, url, check, { about, guard });
    // It is gone, has another URL, or another node has it: the next look will tell.
    if (!wasRecorded && this.#own.get(id) === own && own.url === url) this.#own.delete(id);
  }

  /** Resolves after a time, or when something is to be done. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
