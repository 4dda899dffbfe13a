/**
 * The view of a collection: a local index that answers reads and queries, however far away the truth is.
 *
 * One thread writes it (`follower.ts`), the main thread reads it where that is a matter of milliseconds, and further threads
 * run what takes longer.
 */
import type { DatabaseSync } from "node:sqlite";
import { ServiceError } from "../../errors.ts";
import type { StoredText, Truth, UniqueValue } from "../truth.ts";
import { Follower, type ViewStatus } from "./follower.ts";
import { type Cell, IndexReader } from "./index_reader.ts";
import { beginningOf, MAX_STRING_LENGTH, POSTING } from "./postings.ts";
import { QueryThread } from "./query_thread.ts";
import { type CachedRow, RowCache } from "./row_cache.ts";
import { openForReading } from "./schema.ts";
import { type Explanation, type Found, Search } from "./search.ts";
import { type BaseUrls, forIndex, liveServerOf, resolveText } from "./shown_text.ts";
import { NOTHING, runOnThread, type ViewQuery } from "./view_query.ts";
import type { ViewChange, ViewDocument } from "./view_writer.ts";

/** What makes a view. */
export interface ViewOptions {
  truth: Truth;
  /** The file; it and those beside it are the view's alone. */
  path: string;
  /** Whether other nodes write to the same KV. */
  isShared: boolean;
  /** What the view keeps of a stored document. */
  toView: (stored: StoredText) => ViewDocument;
  /** The field that begins with the URL of a running server. */
  liveField?: string;
  /** The URLs of the running servers that are known now. */
  bases: () => BaseUrls;
}

/** A document as the view has it. */
export interface ViewedDocument {
  id: string;
  versionstamp: string;
  /** The document as clients see it, as JSON. */
  text: string;
  /** JSON of what is stored but not shown. */
  hidden: string | null;
  /** The server on whose public URL the text depends, if it depends on one. */
  server?: string;
}

/** How many threads run long queries. */
const QUERY_THREADS = 2;

/** So many long queries run at once; more would only wait for each other. */
const MAX_LONG_QUERIES = 64;

/** How long the main thread works on one query before another thread takes it over. */
const MAIN_THREAD_MS = 8;

const DOCUMENT = "d.id, d.versionstamp, d.hidden, d.json";

/** The view of one collection. */
export class View {
  readonly #options: ViewOptions;
  readonly #follower: Follower;
  readonly #threads: QueryThread[];
  readonly #rows = new RowCache();
  #db: DatabaseSync | undefined;
  #index: IndexReader | undefined;

  constructor(options: ViewOptions) {
    this.#options = options;
    this.#follower = new Follower({
      ...options,
      onApplied: (changes) => changes.forEach(({ id }) => this.#rows.forget(id)),
      onReplaced: () => this.#reopen(),
    });
    this.#threads = Array.from({ length: QUERY_THREADS }, () => new QueryThread(options.path));
  }

  /**
   * Waits until the view can answer, at most so long.
   *
   * @throws {Error} if its file cannot be opened
   */
  async ready(mostMs: number): Promise<void> {
    await this.#follower.opened();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, mostMs);
    });
    await Promise.race([this.#follower.ready, late]);
    clearTimeout(timer);
  }

  get status(): ViewStatus {
    return this.#follower.status;
  }

  /** Waits until a commit that made these changes is in the view. */
  async through(versionstamp: string, changes: ViewChange[]): Promise<void> {
    await this.#follower.through(versionstamp, changes);
  }

  /** The document with this id, if the view has it. */
  get(id: string): ViewedDocument | undefined {
    return this.#viewed(id, () => {
      const [row] = this.#reader().rows(`SELECT ${DOCUMENT} FROM doc d WHERE d.id = ?`, id);
      return row;
    });
  }

  /** The document with this value in a field of its own, which no other has, if the view has it. */
  find({ field, value }: UniqueValue): ViewedDocument | undefined {
    return this.#viewed(`${field}\0${value}`, () => {
      const isLong = value.length > MAX_STRING_LENGTH;
      const bound = { value: isLong ? beginningOf(value) : value, isOpen: false };
      const type = isLong ? POSTING.longString : POSTING.string;
      const index = this.#reader();
      const where = index.where({ path: field, type, low: bound, high: bound });
      if (!where) return undefined;
      const sql = `SELECT ${DOCUMENT} FROM posting p CROSS JOIN doc d ON d.ord = p.ord WHERE ${where.text}`;
      return index.rows(sql, ...where.values).find((row) =>
        !isLong || forIndex(String(row[3]))[field] === value
      );
    });
  }

  /** How many documents there are. */
  documents(): number {
    return this.#reader().documents();
  }

  /**
   * Begins a query. It runs on this thread while that takes milliseconds, else on another.
   *
   * @throws {ServiceError} `unavailable` while the view is being built, or too many long queries run already
   */
  query(query: ViewQuery): RunningQuery {
    const { status } = this;
    if (status.state === "building") {
      throw new ServiceError(
        "unavailable",
        `The index is being built (${status.documents} documents so far); try again.`,
      );
    }
    return new RunningQuery(this.#reader(), this.#options, query, () => this.#freeThread());
  }

  /** Closes everything. */
  async close(): Promise<void> {
    for (const thread of this.#threads) thread.close();
    this.#closeReader();
    await this.#follower.close();
  }

  #freeThread(): QueryThread {
    const [least] = this.#threads.toSorted((a, b) => a.load - b.load);
    if (!least || this.#threads.reduce((sum, { load }) => sum + load, 0) >= MAX_LONG_QUERIES) {
      throw new ServiceError("unavailable", `${MAX_LONG_QUERIES} long queries run already; try again.`);
    }
    return least;
  }

  /** A row out of memory, or read and kept there. */
  #viewed(key: string, read: () => Cell[] | undefined): ViewedDocument | undefined {
    if (this.status.state === "building") return undefined;
    const bases = this.#options.bases();
    let row = this.#rows.get(key);
    if (!row) {
      const cells = read();
      if (!cells) return undefined;
      row = toCachedRow(cells);
      this.#rows.set(key, row);
    }
    const base = row.server === undefined ? undefined : bases.get(row.server);
    if (base !== row.base) {
      row.base = base;
      row.text = resolveText(row.json, bases);
    }
    return row;
  }

  #reader(): IndexReader {
    if (!this.#index) {
      this.#db = openForReading(this.#options.path);
      this.#index = new IndexReader(this.#db);
    }
    return this.#index;
  }

  #closeReader(): void {
    this.#db?.close();
    this.#db = undefined;
    this.#index = undefined;
  }

  #reopen(): void {
    this.#rows.clear();
    this.#closeReader();
    for (const thread of this.#threads) thread.restart();
  }
}

function toCachedRow([id, versionstamp, hidden, json]: Cell[]): CachedRow {
  const text = String(json);
  const server = liveServerOf(text);
  return {
    id: String(id),
    versionstamp: String(versionstamp),
    hidden: typeof hidden === "string" ? hidden : null,
    json: text,
    server,
    base: server === undefined ? undefined : null,
    text,
  };
}

/** A query under way. */
export class RunningQuery {
  /** None of a filter that takes long even to plan. */
  readonly #search: Search | undefined;
  readonly #options: ViewOptions;
  readonly #query: ViewQuery;
  readonly #thread: () => QueryThread;
  #explanation: Explanation | undefined;
  #ranOn: "main thread" | "query thread" = "main thread";

  constructor(index: IndexReader, options: ViewOptions, query: ViewQuery, thread: () => QueryThread) {
    this.#options = options;
    this.#query = query;
    this.#thread = thread;
    if (query.filter.isLarge) return;
    this.#search = new Search(index, { ...query, bases: options.bases(), liveField: options.liveField });
  }

  /** The matches, in order, and one more than the limit if there is one. */
  async *matches(): AsyncGenerator<Found[]> {
    let last: { id: string; keys: Found["keys"] } | undefined;
    let given = 0;
    if (this.#search && !this.#search.isHeavy) {
      const startedAt = performance.now();
      let isWhole = true;
      for (const step of this.#search.run()) {
        if (step !== "long" && step.length > 0) {
          given += step.length;
          last = step.at(-1);
          yield step;
        }
        if (step !== "long" && performance.now() - startedAt < MAIN_THREAD_MS) continue;
        isWhole = false;
        break;
      }
      if (isWhole || given > this.#query.limit) return;
    }
    this.#ranOn = "query thread";
    const { cursor, limit, sort } = this.#query;
    const rest: ViewQuery = {
      ...this.#query,
      limit: limit - given,
      cursor: last ? { ...last, sort: sort?.text ?? "" } : cursor,
    };
    this.#explanation = (yield* runOnThread(this.#thread, this.#options, rest, "matches")).explanation;
  }

  /** How many documents match, whatever the limit and the cursor. */
  async count(): Promise<number> {
    if (this.#search && !this.#search.isHeavy) {
      const startedAt = performance.now();
      const steps = this.#search.count();
      for (let step = steps.next();; step = steps.next()) {
        if (step.done) return step.value;
        if (step.value === "long" || performance.now() - startedAt > MAIN_THREAD_MS) break;
      }
    }
    this.#ranOn = "query thread";
    const found = runOnThread(this.#thread, this.#options, this.#query, "count");
    for (let next = await found.next();; next = await found.next()) {
      if (!next.done) continue;
      this.#explanation = next.value.explanation;
      return next.value.count;
    }
  }

  /** How it was run; at its end. */
  explain(): Explanation & { ran_on: string } {
    return { ...this.#explanation ?? this.#search?.explain() ?? NOTHING, ran_on: this.#ranOn };
  }
}
