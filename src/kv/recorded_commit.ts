/** An atomic operation that is written down first and carried out by a thread: once, or again where that is harmless. */
import type { Mutation, OrderKey } from "./orders.ts";

/** Stands for the versionstamp of a commit in the keys that it writes. */
export const COMMIT_VERSIONSTAMP = Symbol("commitVersionstamp");

/** Carries a commit out. */
export type Committer = (
  checks: Deno.AtomicCheck[],
  mutations: Mutation[],
) => Promise<Deno.KvCommitResult | Deno.KvCommitError>;

/** What of `Deno.AtomicOperation` this program uses: checks, sets and deletes. */
export class RecordedCommit implements Deno.AtomicOperation {
  readonly #checks: Deno.AtomicCheck[] = [];
  readonly #mutations: Mutation[] = [];
  readonly #committer: Committer;

  constructor(committer: Committer) {
    this.#committer = committer;
  }

  check(...checks: Deno.AtomicCheck[]): this {
    this.#checks.push(...checks);
    return this;
  }

  mutate(...mutations: Deno.KvMutation[]): this {
    for (const mutation of mutations) {
      if (mutation.type === "set") this.set(mutation.key, mutation.value, { expireIn: mutation.expireIn });
      else if (mutation.type === "delete") this.delete(mutation.key);
      else throw unsupported(mutation.type);
    }
    return this;
  }

  set(key: Deno.KvKey, value: unknown, { expireIn }: { expireIn?: number } = {}): this {
    this.#mutations.push({ type: "set", key: orderKey(key), value, expireIn });
    return this;
  }

  delete(key: Deno.KvKey): this {
    this.#mutations.push({ type: "delete", key: orderKey(key) });
    return this;
  }

  sum(): this {
    throw unsupported("sum");
  }

  min(): this {
    throw unsupported("min");
  }

  max(): this {
    throw unsupported("max");
  }

  enqueue(): this {
    throw unsupported("enqueue");
  }

  commit(): Promise<Deno.KvCommitResult | Deno.KvCommitError> {
    return this.#committer([...this.#checks], [...this.#mutations]);
  }
}

/** A key as it goes to the thread. */
export function orderKey(key: Deno.KvKey): OrderKey {
  const stampAt = key.indexOf(COMMIT_VERSIONSTAMP);
  return stampAt === -1 ? { parts: key } : { parts: key.with(stampAt, 0), stampAt };
}

/** The error of an operation that is not offered. */
export function unsupported(operation: string): TypeError {
  return new TypeError(`A remote KV is not asked for ${operation} here.`);
}
