/**
 * Answers a query over a collection: which documents match, in which order, and where the next page begins.
 *
 * This version tests every document, streamed from the truth in batches. The callers see only `QueryRequest` and
 * `QueryResult`, so that an index can take over behind them.
 */
import { ServiceError } from "../errors.ts";
import { type Cursor, decodeCursor, encodeCursor } from "./cursor.ts";
import type { Filter } from "./filter.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import type { SortValues } from "./order.ts";
import { smallest } from "./smallest.ts";
import type { Sort } from "./sort.ts";
import type { StoredText, Truth } from "./truth.ts";

/** What is asked. */
export interface QueryRequest {
  filter: Filter;
  /** Without it: oldest first. */
  sort?: Sort;
  /** The most matches to give; without it: all. */
  limit?: number;
  /** Where an earlier answer with the same sort ended. */
  cursor?: string;
  /** How long the search may work, the time in which its consumer is busy not counted. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** One document of an answer, as it is shown. */
export interface Match {
  id: string;
  document: JsonObject;
}

/** An answer under way. */
export interface QueryResult {
  /** Throws `timeout` when the search took too long. May be left before its end. */
  matches: AsyncIterable<Match>;
  /** Where the next page begins: behind the last match taken; `null` if that was the last there is. */
  nextCursor(): string | null;
  /** How many documents match, whatever the limit and the cursor. */
  count(): Promise<number>;
}

/** Where a query reads. */
export interface QuerySource {
  truth: Truth;
  render: (document: JsonObject) => JsonObject;
}

/** How many documents of a sorted answer are read at once. */
const FETCH_BATCH = 50;

/**
 * Begins a query.
 *
 * @throws {ServiceError} `invalid_request` if the cursor is not one, or belongs to another sort
 */
export function runQuery(source: QuerySource, request: QueryRequest): QueryResult {
  const cursor = request.cursor === undefined ? undefined : decodeCursor(request.cursor, request.sort);
  const search = new Search(source, request, cursor);
  return { matches: search.matches(), nextCursor: () => search.nextCursor(), count: () => search.count() };
}

class Search {
  readonly #source: QuerySource;
  readonly #request: QueryRequest;
  readonly #cursor: Cursor | undefined;
  #workedMs = 0;
  #last: Position | undefined;
  #hasEnded = false;

  constructor(source: QuerySource, request: QueryRequest, cursor: Cursor | undefined) {
    this.#source = source;
    this.#request = request;
    this.#cursor = cursor;
  }

  async *matches(): AsyncGenerator<Match> {
    const { limit = Infinity, sort } = this.#request;
    this.#last = this.#cursor;
    const all = sort ? this.#sorted(sort, limit) : this.#oldestFirst(limit);
    for await (const match of all) yield match;
  }

  nextCursor(): string | null {
    if (this.#hasEnded || this.#last === undefined) return null;
    return encodeCursor({ ...this.#last, sort: this.#request.sort?.text ?? "" });
  }

  async count(): Promise<number> {
    let count = 0;
    for await (const _match of this.#scan()) count++;
    return count;
  }

  /** Every match, oldest first, behind the id `after`. */
  async *#scan(after?: string): AsyncGenerator<Match> {
    const { filter, signal, timeoutMs } = this.#request;
    let resumedAt = performance.now();
    for await (const stored of this.#source.truth.scan(after)) {
      signal?.throwIfAborted();
      const match = this.#show(stored);
      const isMatch = filter.test(match.document);
      const now = performance.now();
      if (this.#workedMs + now - resumedAt > timeoutMs) throw timedOut(timeoutMs);
      if (!isMatch) continue;
      this.#workedMs += now - resumedAt;
      yield match;
      resumedAt = performance.now();
    }
    this.#workedMs += performance.now() - resumedAt;
  }

  async *#oldestFirst(limit: number): AsyncGenerator<Match> {
    let given = 0;
    for await (const match of this.#scan(this.#cursor?.id)) {
      if (given++ === limit) return;
      this.#last = { id: match.id, keys: [] };
      yield match;
    }
    this.#hasEnded = true;
  }

  /** The matches in the order asked for. Holds the keys of the sort while it searches, not the documents. */
  async *#sorted(sort: Sort, limit: number): AsyncGenerator<Match> {
    const compare = (a: Position, b: Position) => sort.compare(a.keys, b.keys) || compareIds(a.id, b.id);
    const begin = this.#cursor;
    const kept = smallest<Position>(limit + 1, compare);
    for await (const { id, document } of this.#scan()) {
      const position = { id, keys: sort.keysOf(document) };
      if (begin === undefined || compare(position, begin) > 0) kept.add(position);
    }
    const positions = kept.take();
    const page = positions.slice(0, limit);
    if (positions.length > limit) checkCursor(page.at(-1), sort);
    for (let first = 0; first < page.length; first += FETCH_BATCH) {
      const batch = page.slice(first, first + FETCH_BATCH);
      const found = await this.#source.truth.getMany(batch.map(({ id }) => id));
      for (const [n, position] of batch.entries()) {
        this.#last = position;
        const stored = found[n];
        // One that was deleted meanwhile is left out.
        if (stored) yield this.#show(stored);
      }
    }
    this.#hasEnded = positions.length <= limit;
  }

  #show({ id, text }: StoredText): Match {
    const document: unknown = JSON.parse(text);
    if (!isJsonObject(document)) throw new TypeError(`Document ${id} is not a JSON object`);
    return { id, document: this.#source.render(document) };
  }
}

/** A place in a sorted answer. */
interface Position {
  id: string;
  keys: SortValues;
}

/** A longer cursor would fit neither into a URL nor into a header. */
const MAX_CURSOR_LENGTH = 4096;

/** Says at the beginning of a page, not at its end, that no other one could follow. */
function checkCursor(last: Position | undefined, sort: Sort): void {
  if (!last || encodeCursor({ ...last, sort: sort.text }).length <= MAX_CURSOR_LENGTH) return;
  throw new ServiceError(
    "invalid_request",
    "The values to sort by are too long for a cursor; sort by another field, or leave out the limit.",
    { details: [{ path: "sort", message: "names a field whose values are too long for a cursor" }] },
  );
}

/** Ids are UUIDv7, ASCII: the order of their characters is the order of their age. */
function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function timedOut(timeoutMs: number): ServiceError {
  return new ServiceError("timeout", `The query took longer than ${timeoutMs / 1000} s (--query-timeout).`);
}
