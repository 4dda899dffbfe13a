/**
 * A Deno KV across a network, with a deadline for every call. Where Deno's own client would wait and retry without end, this
 * throws `unavailable`; while the KV is known to be away it does so at once. See `connection.ts`.
 *
 * It is what this program uses of `Deno.Kv`, no more: no queues, no numbers to add to, always strong consistency.
 */
import { Connection, type ConnectionOptions } from "./connection.ts";
import { PagedList } from "./paged_list.ts";
import { COMMIT_VERSIONSTAMP, orderKey, RecordedCommit, unsupported } from "./recorded_commit.ts";

/** A KV that may be away. */
export class RemoteKv implements Deno.Kv {
  readonly #connection: Connection;

  constructor(options: ConnectionOptions) {
    this.#connection = new Connection(options);
  }

  /** Since when it has been there, in milliseconds since the epoch; `Infinity` while it is away. */
  get upSince(): number {
    return this.#connection.upSince;
  }

  /** Waits until it is there, at most so long. */
  async ready(mostMs: number): Promise<void> {
    await this.#connection.ready(mostMs);
  }

  async get<T = unknown>(key: Deno.KvKey): Promise<Deno.KvEntryMaybe<T>> {
    const [entry] = await this.#connection.read<"getMany">({ kind: "getMany", keys: [key] });
    // As with Deno's own client, what the value is is the caller's to know.
    return entry as Deno.KvEntryMaybe<T>;
  }

  async getMany<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: Deno.KvKey }],
  ): Promise<{ [K in keyof T]: Deno.KvEntryMaybe<T[K]> }> {
    const entries = await this.#connection.read<"getMany">({ kind: "getMany", keys: [...keys] });
    return entries as { [K in keyof T]: Deno.KvEntryMaybe<T[K]> };
  }

  list<T = unknown>(
    selector: Deno.KvListSelector,
    options?: Deno.KvListOptions,
  ): Deno.KvListIterator<T> {
    return new PagedList<T>((order) => this.#connection.read<"list">(order), selector, options);
  }

  async set(
    key: Deno.KvKey,
    value: unknown,
    { expireIn }: { expireIn?: number } = {},
  ): Promise<Deno.KvCommitResult> {
    return this.#certain(
      await this.#connection.commit([], [{ type: "set", key: orderKey(key), value, expireIn }]),
    );
  }

  async delete(key: Deno.KvKey): Promise<void> {
    this.#certain(await this.#connection.commit([], [{ type: "delete", key: orderKey(key) }]));
  }

  atomic(): RecordedCommit {
    return new RecordedCommit((checks, mutations) => this.#connection.commit(checks, mutations));
  }

  watch<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: Deno.KvKey }],
  ): ReadableStream<{ [K in keyof T]: Deno.KvEntryMaybe<T[K]> }> {
    const stream: ReadableStream<unknown> = this.#connection.watch([...keys]);
    return stream as ReadableStream<{ [K in keyof T]: Deno.KvEntryMaybe<T[K]> }>;
  }

  commitVersionstamp(): symbol {
    return COMMIT_VERSIONSTAMP;
  }

  enqueue(): Promise<Deno.KvCommitResult> {
    throw unsupported("enqueue");
  }

  listenQueue(): Promise<void> {
    throw unsupported("listenQueue");
  }

  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #certain(result: Deno.KvCommitResult | Deno.KvCommitError): Deno.KvCommitResult {
    if (!result.ok) throw new Error("A commit without conditions was refused");
    return result;
  }
}
