/**
 * Of several replicas one works on an upload at a time: whoever wants to takes its lease, and who has it lets go when another
 * asks. The versionstamps of the records alone would let one of them win as well, but not keep the other from sending a part
 * under the number of one that counts already.
 *
 * | key                                | value   |
 * | ---------------------------------- | ------- |
 * | `["tus-lease", assets_db_id, id]`  | `Lease` |
 *
 * No clock is compared with another: a lease belongs to nobody once it has not changed for `lifeMs` under the eyes of one who
 * waits for it. Its holder writes it anew more often than that, and stops working when it cannot.
 */
import { getLogger } from "@logtape/logtape";
import { ServiceError } from "../../errors.ts";

const log = getLogger(["assets-server", "assets"]);

/** Who works on an upload. */
interface Lease {
  /** The data folder, which one process has at a time. */
  node: string;
  /** The process. */
  holder: string;
  /** Counts how often the holder has renewed it. */
  beat: number;
  /** Somebody waits for it. */
  isWanted: boolean;
}

/** What leases need. */
export interface UploadLeaseOptions {
  kv: Deno.Kv;
  assetsDbId: string;
  /** Names the data folder among those of the nodes. */
  node: string;
  /** How long a lease lasts that its holder does not renew, in milliseconds. */
  lifeMs?: number;
}

/** How to wait for a lease. */
export interface LeaseWait {
  /** At most so long, in milliseconds. */
  mostMs: number;
  signal: AbortSignal;
}

/**
 * Long enough for a KV that takes its time, and for a holder that cannot renew it to stop (two thirds of it, and the 3 s that
 * `@tus/server` gives a request); a client waits as long for the upload of a node that has crashed.
 */
const DEFAULT_LIFE_MS = 12_000;

/** How often a waiting node looks: each 240 ms. */
const LOOKS_PER_LIFE = 50;

/** How often a holder looks whether another waits: each second. */
const CHECKS_PER_LIFE = 12;

/** The KV forgets a lease that nobody has touched for so many lives. */
const LIVES_KEPT = 40;

/** The leases of one process. */
export class UploadLeases {
  readonly #options: Required<UploadLeaseOptions>;
  readonly #holder = crypto.randomUUID();

  constructor(options: UploadLeaseOptions) {
    this.#options = { lifeMs: DEFAULT_LIFE_MS, ...options };
  }

  /**
   * Takes the lease of an upload. Within one process the caller sees to it that it is asked for once at a time.
   *
   * @param onWanted called when another node waits for it, or when it cannot be kept: let go soon
   * @returns gives it back
   * @throws {ServiceError} `locked` if it is not to be had in time, `unavailable`
   */
  async take(id: string, wait: LeaseWait, onWanted: () => void): Promise<() => Promise<void>> {
    const { kv, node } = this.#options;
    const key = this.#key(id);
    const lease: Lease = { node, holder: this.#holder, beat: 0, isWanted: false };
    const deadline = performance.now() + wait.mostMs;
    for (;;) {
      const versionstamp = await this.#free(id, { ...wait, mostMs: deadline - performance.now() });
      const taken = await kv.atomic().check({ key, versionstamp }).set(key, lease, this.#expiry()).commit();
      if (taken.ok) return this.#hold(key, onWanted);
    }
  }

  /**
   * Waits until no other node works on an upload.
   *
   * @throws {ServiceError} `locked` if that takes too long, `unavailable`
   */
  async idle(id: string, wait: LeaseWait): Promise<void> {
    const versionstamp = await this.#free(id, wait);
    if (versionstamp === null) return;
    // Whoever comes next need not find out anew that its holder is dead.
    const key = this.#key(id);
    await this.#options.kv.atomic().check({ key, versionstamp }).delete(key).commit();
  }

  /** Waits until a lease is nobody's. Returns its versionstamp. */
  async #free(id: string, { mostMs, signal }: LeaseWait): Promise<string | null> {
    const { kv, node, lifeMs } = this.#options;
    const key = this.#key(id);
    const deadline = performance.now() + mostMs;
    let seen = "";
    let seenAt = performance.now();
    for (;;) {
      const { value, versionstamp } = await kv.get<Lease>(key);
      // Another process of this node is a dead one, and this one asks once at a time.
      if (!value || value.node === node) return versionstamp;
      const now = performance.now();
      const sign = `${value.holder} ${value.beat}`;
      if (sign !== seen) [seen, seenAt] = [sign, now];
      if (now - seenAt >= lifeMs) return versionstamp;
      if (now >= deadline || signal.aborted) throw locked();
      if (!value.isWanted) {
        await kv.atomic().check({ key, versionstamp }).set(key, { ...value, isWanted: true }, this.#expiry())
          .commit();
      }
      await new Promise((resolve) => setTimeout(resolve, lifeMs / LOOKS_PER_LIFE));
    }
  }

  /** Keeps a lease that was taken, until it is given back. */
  #hold(key: Deno.KvKey, onWanted: () => void): () => Promise<void> {
    const { lifeMs } = this.#options;
    let renewedAt = performance.now();
    let isAsked = false;
    let checking: Promise<void> | undefined;
    const letGo = () => {
      if (!isAsked) onWanted();
      isAsked = true;
    };
    const check = async () => {
      const { value, versionstamp } = await this.#options.kv.get<Lease>(key);
      if (value?.holder !== this.#holder) return letGo();
      if (value.isWanted) letGo();
      const now = performance.now();
      if (now - renewedAt < lifeMs / 3) return;
      const next = { ...value, beat: value.beat + 1 };
      const { kv } = this.#options;
      const renewed = await kv.atomic().check({ key, versionstamp }).set(key, next, this.#expiry()).commit();
      if (renewed.ok) renewedAt = now;
    };
    const timer = setInterval(() => {
      // Before others may take it for abandoned.
      if (performance.now() - renewedAt > lifeMs * 2 / 3) letGo();
      checking ??= check().catch(() => {}).finally(() => checking = undefined);
    }, lifeMs / CHECKS_PER_LIFE);
    return async () => {
      clearInterval(timer);
      await checking;
      await this.#release(key).catch((error) => {
        log.warn("The lease of an upload was not given back; it runs out: {error}", { error });
      });
    };
  }

  async #release(key: Deno.KvKey): Promise<void> {
    const { kv } = this.#options;
    for (;;) {
      const { value, versionstamp } = await kv.get<Lease>(key);
      if (value?.holder !== this.#holder) return;
      if ((await kv.atomic().check({ key, versionstamp }).delete(key).commit()).ok) return;
    }
  }

  #key(id: string): Deno.KvKey {
    return ["tus-lease", this.#options.assetsDbId, id];
  }

  #expiry(): { expireIn: number } {
    return { expireIn: LIVES_KEPT * this.#options.lifeMs };
  }
}

/** The error of an upload that another request works on. */
export function locked(): ServiceError {
  return new ServiceError("locked", "Another request is working on this upload.", {
    headers: { "Retry-After": "1" },
  });
}
