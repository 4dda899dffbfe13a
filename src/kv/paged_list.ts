/** A list of a remote KV, read page by page. */
import type { ListOrder, Results } from "./orders.ts";

/** How many entries a page has unless told otherwise, as in Deno's own client. */
const DEFAULT_PAGE = 100;

/** The entries of a selector. What reading a page throws ends it. */
export class PagedList<T> implements Deno.KvListIterator<T> {
  readonly #read: (order: ListOrder) => Promise<Results["list"]>;
  readonly #selector: Deno.KvListSelector;
  readonly #options: Deno.KvListOptions;
  #left: number;
  #page: Deno.KvEntry<unknown>[] = [];
  #next = 0;
  #cursor: string;
  #isAtEnd = false;

  constructor(
    read: (order: ListOrder) => Promise<Results["list"]>,
    selector: Deno.KvListSelector,
    options: Deno.KvListOptions = {},
  ) {
    this.#read = read;
    this.#selector = selector;
    this.#options = options;
    this.#left = options.limit ?? Infinity;
    this.#cursor = options.cursor ?? "";
  }

  /** Where the last page ended. */
  get cursor(): string {
    return this.#cursor;
  }

  async next(): Promise<IteratorResult<Deno.KvEntry<T>, undefined>> {
    if (this.#next >= this.#page.length && !this.#isAtEnd) await this.#turn();
    const entry = this.#page[this.#next++];
    // As with Deno's own client, what the entries are is the caller's to know.
    return entry ? { done: false, value: entry as Deno.KvEntry<T> } : { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Deno.KvEntry<T>> {
    return this;
  }

  async #turn(): Promise<void> {
    const { batchSize = DEFAULT_PAGE, reverse } = this.#options;
    const limit = Math.min(batchSize, this.#left);
    this.#page = [];
    this.#next = 0;
    if (limit <= 0) {
      this.#isAtEnd = true;
      return;
    }
    const cursor = this.#cursor === "" ? undefined : this.#cursor;
    const { entries, cursor: next } = await this.#read({
      kind: "list",
      selector: this.#selector,
      limit,
      cursor,
      reverse,
    });
    this.#page = entries;
    this.#cursor = next;
    this.#left -= entries.length;
    this.#isAtEnd = entries.length < limit || this.#left <= 0;
  }
}
