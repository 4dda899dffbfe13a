/**
 * One request at a time on an upload: a new one asks the one before it to let go, and waits its turn. A client that lost its
 * connection so gets through while the server still waits for bytes on the old one (tus 1.0.0, "Core protocol").
 */
import type { Lock, Locker, RequestRelease } from "@tus/server";
import { locked, type UploadLeases } from "./upload_leases.ts";

/** How long a request waits for the one before it. */
const DEFAULT_WAIT_MS = 30_000;

/** What a lock keeps away: others in this process; on other nodes as well; or it only waits until none of those is at work. */
export type LockScope = "here" | "everywhere" | "reading";

/** Who holds an upload, and when that ends. */
interface Holder {
  requestRelease: RequestRelease;
  released: Promise<void>;
  release: () => void;
}

/** The locks of one process, and with leases those of all nodes that share a KV. */
export class UploadLocker {
  readonly #holders = new Map<string, Holder>();
  readonly #waitMs: number;
  readonly #leases: UploadLeases | undefined;

  constructor(options: { waitMs?: number; leases?: UploadLeases } = {}) {
    this.#waitMs = options.waitMs ?? DEFAULT_WAIT_MS;
    this.#leases = options.leases;
  }

  /** The locker of a request. */
  of(scope: LockScope): Locker {
    return { newLock: (id) => this.#newLock(id, scope) };
  }

  /** A lock on this upload, not yet held. `lock` throws `locked` if its turn does not come in time. */
  #newLock(id: string, scope: LockScope): Lock {
    let own: Holder | undefined;
    let giveBack = () => Promise.resolve();
    const unlock = () => {
      if (own && this.#holders.get(id) === own) this.#holders.delete(id);
      own?.release();
    };
    return {
      lock: async (signal, requestRelease) => {
        const deadline = Date.now() + this.#waitMs;
        for (let holder = this.#holders.get(id); holder; holder = this.#holders.get(id)) {
          await holder.requestRelease();
          await released(holder, deadline - Date.now(), signal);
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        own = { requestRelease, released: promise, release: resolve };
        this.#holders.set(id, own);
        if (!this.#leases || scope === "here") return;
        const wait = { mostMs: deadline - Date.now(), signal };
        try {
          if (scope === "reading") await this.#leases.idle(id, wait);
          else giveBack = await this.#leases.take(id, wait, () => void requestRelease());
        } catch (error) {
          unlock();
          throw error;
        }
      },
      unlock: async () => {
        await giveBack();
        unlock();
      },
    };
  }
}

async function released(holder: Holder, waitMs: number, signal: AbortSignal): Promise<void> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(locked());
  const timer = setTimeout(giveUp, Math.max(0, waitMs));
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await Promise.race([holder.released, givenUp]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}
