/** How many requests a client may make: a token bucket for each address, in a table that cannot grow without end. */

/** So many requests in so long; as many may come at once. */
export interface RateLimit {
  requests: number;
  perMs: number;
}

/** At about 150 bytes each some 7 MiB. Whoever asked longest ago goes first, and comes back with a full bucket. */
const MAX_CLIENTS = 50_000;

/** The requests that an address has left, as of a time. */
interface Bucket {
  left: number;
  at: number;
}

/** Counts the requests of every client. */
export class RateLimiter {
  readonly #capacity: number;
  readonly #perMs: number;
  /** The one that asked longest ago first: a bucket that is used moves to the end. */
  readonly #buckets = new Map<string, Bucket>();

  constructor({ requests, perMs }: RateLimit) {
    this.#capacity = requests;
    this.#perMs = requests / perMs;
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes a request from the client's bucket.
   *
   * @param nowMs on a clock that only goes forward
   * @returns 0 if there was one left, else after how many milliseconds there will be
   */
  take(address: string, nowMs: number): number {
    const client = networkOf(address);
    const bucket = this.#buckets.get(client) ?? { left: this.#capacity, at: nowMs };
    this.#buckets.delete(client);
    this.#buckets.set(client, bucket);
    if (this.#buckets.size > MAX_CLIENTS) this.#forgetOldest();
    bucket.left = Math.min(this.#capacity, bucket.left + (nowMs - bucket.at) * this.#perMs);
    bucket.at = nowMs;
    if (bucket.left < 1) return (1 - bucket.left) / this.#perMs;
    bucket.left--;
    return 0;
  }

  #forgetOldest(): void {
    for (const client of this.#buckets.keys()) {
      this.#buckets.delete(client);
      return;
    }
  }
}

/** One client of IPv6 has 2⁶⁴ addresses at least (RFC 6177), so its network counts: the first four groups. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length;
  const all = [...groups, ...Array<string>(Math.max(zeros, 0)).fill("0"), ...rest];
  return all.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":");
}
