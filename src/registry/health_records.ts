/**
 * What is known of the health of every entry, in the KV: apart from the entries, so that these and their entity tags do not
 * change with every probe.
 *
 * | key                          | value                                                        |
 * | ---------------------------- | ------------------------------------------------------------ |
 * | `["registry_health", id]`    | `RecordedHealth`: how it is now                              |
 * | `["registry_history", id]`   | `HealthCheck[]`: the last checks, oldest first               |
 * | `["registry_lease", id]`     | `Lease`: which node probes it (`leases.ts`)                  |
 *
 * `id` is that of the document, so an entry that is removed and made again starts anew.
 */
import { getLogger } from "@logtape/logtape";
import type { Collection } from "../collection/collection.ts";
import { leaseKey } from "./leases.ts";

const log = getLogger(["assets-server", "registry"]);

/** The outcome of one check. */
export interface HealthCheck {
  status: "healthy" | "unhealthy";
  /** ISO 8601. */
  checked_at: string;
  /** How long it took, also to fail. */
  latency_ms: number;
  error?: string;
}

/** How an entry is, as clients see it. */
export interface Health {
  status: "healthy" | "unhealthy" | "unknown";
  checked_at: string | null;
  latency_ms: number | null;
  /** When the status became what it is. */
  since: string | null;
  consecutive_failures: number;
  error?: string;
}

/** What an Assets DB said of itself when it was healthy. */
export interface SelfDescription {
  assetsDbId?: string;
  mode?: string;
}

/** A health as it is stored. */
export interface RecordedHealth {
  /** The public URL that was asked; what is known of another one is not known of this. */
  url: string;
  health: Health;
  about: SelfDescription;
}

/** A condition of the commit that records a check, and what it writes beside. */
export interface CommitGuard {
  check: Deno.AtomicCheck;
  write: (operation: Deno.AtomicOperation) => void;
}

/** The health of what was never checked. */
export const UNKNOWN_HEALTH: Health = {
  status: "unknown",
  checked_at: null,
  latency_ms: null,
  since: null,
  consecutive_failures: 0,
};

/** How many checks the history holds: with an error in each it stays below the 64 KiB of a KV value. */
const MAX_HISTORY = 60;

/** The most characters of an error that are kept. */
const MAX_ERROR_LENGTH = 300;

/** A KV that takes longer is taken to be away. */
const READ_TIMEOUT_MS = 1000;

/** How often a record is tried whose entry or record was changed meanwhile. */
const MAX_TRIES = 20;

/** The health of the entries of one registry. */
export class HealthRecords {
  readonly #kv: Deno.Kv;
  readonly #entries: Collection;
  /** What the last reading of all found, for while the KV is away. */
  #known = new Map<string, RecordedHealth>();
  #isAway = false;

  constructor(kv: Deno.Kv, entries: Collection) {
    this.#kv = kv;
    this.#entries = entries;
  }

  /** What is known of every entry, by the id of its document; what was known last while the KV does not answer. */
  async all(): Promise<ReadonlyMap<string, RecordedHealth>> {
    if (this.#isAway) return this.#known;
    const reading = this.#readAll().then((all) => {
      this.#known = all;
    }).catch((error) => log.warn("What is known of health cannot be read: {error}", { error }));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#isAway = true;
        // A KV across a network answers when it is back, and not with an error before.
        void reading.finally(() => this.#isAway = false);
        resolve();
      }, READ_TIMEOUT_MS);
    });
    await Promise.race([reading, late]);
    clearTimeout(timer);
    return this.#known;
  }

  async #readAll(): Promise<Map<string, RecordedHealth>> {
    const all = new Map<string, RecordedHealth>();
    for await (const { key, value } of this.#kv.list<RecordedHealth>({ prefix: ["registry_health"] })) {
      if (typeof key[1] === "string") all.set(key[1], value);
    }
    return all;
  }

  /** What is known of one entry, if anything is. */
  async of(id: string): Promise<RecordedHealth | undefined> {
    const { value } = await this.#kv.get<RecordedHealth>(healthKey(id));
    return value ?? undefined;
  }

  /** The last checks of an entry, oldest first. */
  async history(id: string): Promise<HealthCheck[]> {
    const { value } = await this.#kv.get<HealthCheck[]>(historyKey(id));
    return value ?? [];
  }

  /**
   * Records a check, unless the entry is gone or has another URL by now.
   *
   * @param id of the entry's document
   * @param url that was asked
   * @returns whether it was recorded
   */
  async record(
    id: string,
    url: string,
    check: HealthCheck,
    { about, guard }: { about?: SelfDescription; guard?: CommitGuard } = {},
  ): Promise<boolean> {
    const outcome = { ...check, ...check.error && { error: check.error.slice(0, MAX_ERROR_LENGTH) } };
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const entry = await this.#entries.get(id);
      if (entry?.document.asset_registry_public_url !== url) return false;
      const known = await this.#kv.get<RecordedHealth>(healthKey(id));
      const history = await this.#kv.get<HealthCheck[]>(historyKey(id));
      const previous = known.value?.url === url ? known.value : undefined;
      const operation = this.#kv.atomic()
        // An entry that is removed meanwhile takes its records with it, and these must not come back.
        .check({ ...this.#entries.absent(id), versionstamp: entry.versionstamp })
        .check({ key: healthKey(id), versionstamp: known.versionstamp })
        .set(
          healthKey(id),
          {
            url,
            health: healthAfter(previous?.health, outcome),
            about: about ?? previous?.about ?? {},
          } satisfies RecordedHealth,
        )
        .set(historyKey(id), [...(previous && history.value) ?? [], outcome].slice(-MAX_HISTORY));
      if (guard) {
        operation.check(guard.check);
        guard.write(operation);
      }
      if ((await operation.commit()).ok) return true;
      if (guard && (await this.#kv.get(guard.check.key)).versionstamp !== guard.check.versionstamp) {
        return false;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * tries));
    }
    return false;
  }

  /** The part of a commit that removes all that is known of an entry. */
  removal(id: string): { write: (operation: Deno.AtomicOperation) => void } {
    return {
      write(operation) {
        for (const key of [healthKey(id), historyKey(id), leaseKey(id)]) operation.delete(key);
      },
    };
  }
}

/** How an entry with this public URL is, as clients see it. */
export function healthOf(url: string, recorded: RecordedHealth | undefined): Health {
  return recorded?.url === url ? recorded.health : UNKNOWN_HEALTH;
}

/** One failed check makes an entry unhealthy, one good one healthy. */
function healthAfter(previous: Health | undefined, check: HealthCheck): Health {
  const { status, checked_at, latency_ms, error } = check;
  return {
    status,
    checked_at,
    latency_ms,
    since: previous?.status === status ? previous.since : checked_at,
    consecutive_failures: status === "healthy" ? 0 : (previous?.consecutive_failures ?? 0) + 1,
    ...error === undefined ? {} : { error },
  };
}

function healthKey(id: string): Deno.KvKey {
  return ["registry_health", id];
}

function historyKey(id: string): Deno.KvKey {
  return ["registry_history", id];
}
