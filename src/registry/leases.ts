/**
 * Leases: of several registries on one KV, one probes an entry.
 *
 * A lease is `{owner, expires_at}` at `["registry_lease", id]`. The time is in the value, because the KV removes what has
 * expired whenever it finds the time to. Whoever finds a lease that ran out takes it over in a commit that checks its
 * versionstamp, so of many one succeeds. Clocks that differ between nodes make a takeover early or late, never double: every
 * commit of an owner checks that the lease is still its own.
 */
import type { CommitGuard } from "./health_records.ts";

/** Who probes an entry, and until when. */
interface Lease {
  owner: string;
  /** Milliseconds since 1970. */
  expires_at: number;
}

/** What makes the leases of one node. */
export interface LeaseOptions {
  kv: Deno.Kv;
  /** Another one for every node and every start. */
  owner: string;
  durationMs: number;
}

/** The key of an entry's lease. */
export function leaseKey(id: string): Deno.KvKey {
  return ["registry_lease", id];
}

/** The leases that one node has or wants. */
export class Leases {
  readonly #options: LeaseOptions;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Every lease there is, by the id of its entry's document. */
  async all(): Promise<Map<string, Deno.KvEntry<Lease>>> {
    const all = new Map<string, Deno.KvEntry<Lease>>();
    for await (const entry of this.#options.kv.list<Lease>({ prefix: ["registry_lease"] })) {
      if (typeof entry.key[1] === "string") all.set(entry.key[1], entry);
    }
    return all;
  }

  /** Takes the lease of an entry if nobody else has it. Returns whether this node has it now. */
  async take(id: string, found: Deno.KvEntry<Lease> | undefined): Promise<boolean> {
    const { kv, owner } = this.#options;
    if (found && found.value.owner !== owner && found.value.expires_at > Date.now()) return false;
    const result = await kv.atomic()
      .check({ key: leaseKey(id), versionstamp: found?.versionstamp ?? null })
      .set(leaseKey(id), this.#lease())
      .commit();
    return result.ok;
  }

  /** The part of a commit that holds only while this node has the lease, and renews it; `undefined` if another has it. */
  async renewal(id: string): Promise<CommitGuard | undefined> {
    const { kv, owner } = this.#options;
    const key = leaseKey(id);
    const { value, versionstamp } = await kv.get<Lease>(key);
    if (value?.owner !== owner) return undefined;
    return { check: { key, versionstamp }, write: (operation) => void operation.set(key, this.#lease()) };
  }

  /** Gives a lease back, so that another node need not wait for its end. */
  async release(id: string): Promise<void> {
    const { kv, owner } = this.#options;
    const key = leaseKey(id);
    const { value, versionstamp } = await kv.get<Lease>(key);
    if (value?.owner === owner) await kv.atomic().check({ key, versionstamp }).delete(key).commit();
  }

  #lease(): Lease {
    return { owner: this.#options.owner, expires_at: Date.now() + this.#options.durationMs };
  }
}
