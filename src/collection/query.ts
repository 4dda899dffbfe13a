/** Answers a query over a collection: which documents match, in which order, and where the next page begins. */
import { type Cursor, decodeCursor, encodeCursor } from "./cursor.ts";
import type { Filter } from "./filter.ts";
import { asJsonObject, type JsonObject } from "./json.ts";
import type { Sort } from "./sort.ts";
import type { Explanation } from "./view/search.ts";
import type { RunningQuery, View } from "./view/view.ts";

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

/** One document of an answer. */
export class Match {
  readonly id: string;
  /** The document as it is shown, as JSON. */
  readonly text: string;

  constructor(id: string, text: string) {
    this.id = id;
    this.text = text;
  }

  /** The document; parsed for each who asks. */
  get document(): JsonObject {
    return asJsonObject(JSON.parse(this.text));
  }
}

/** An answer under way. */
export interface QueryResult {
  /** Throws `timeout` when the search took too long. May be left before its end. */
  matches: AsyncIterable<Match>;
  /** Where the next page begins: behind the last match taken; `null` if that was the last there is. */
  nextCursor(): string | null;
  /** How many documents match, whatever the limit and the cursor. */
  count(): Promise<number>;
  /** How the query was run; once it has been. */
  explain(): QueryExplanation;
}

/** How a query was run. */
export interface QueryExplanation extends Explanation {
  /** Which thread found the last of it. */
  ran_on: string;
  /** From the beginning to the end, in milliseconds, the time in which its consumer was busy included. */
  time_ms: number;
}

/**
 * Begins a query.
 *
 * @throws {ServiceError} `invalid_request` if the cursor is not one, or belongs to another sort; `unavailable` while the view
 * is being built
 */
export function runQuery(view: View, request: QueryRequest): QueryResult {
  const { sort, filter, timeoutMs, signal, limit = Infinity } = request;
  const keysOf = (id: string) => {
    const found = view.get(id);
    return found && sort?.keysOf(asJsonObject(JSON.parse(found.text)));
  };
  const cursor = request.cursor === undefined ? undefined : decodeCursor(request.cursor, sort, keysOf);
  return new Answer(view.query({ filter, sort, limit, cursor, timeoutMs, signal }), request, cursor);
}

class Answer implements QueryResult {
  readonly matches: AsyncIterable<Match>;
  readonly #running: RunningQuery;
  readonly #request: QueryRequest;
  readonly #startedAt = performance.now();
  #endedAt: number | undefined;
  #last: Pick<Cursor, "id" | "keys"> | undefined;
  #hasEnded = false;

  constructor(running: RunningQuery, request: QueryRequest, cursor: Cursor | undefined) {
    this.#running = running;
    this.#request = request;
    this.#last = cursor;
    this.matches = this.#matches();
  }

  async *#matches(): AsyncGenerator<Match> {
    const { limit = Infinity, signal } = this.#request;
    let given = 0;
    for await (const found of this.#running.matches()) {
      signal?.throwIfAborted();
      for (const match of found) {
        if (given++ === limit) return this.#end();
        this.#last = match;
        yield new Match(match.id, match.text);
      }
    }
    this.#hasEnded = true;
    this.#end();
  }

  #end(): void {
    this.#endedAt = performance.now();
  }

  nextCursor(): string | null {
    if (this.#hasEnded || this.#last === undefined) return null;
    return encodeCursor({ id: this.#last.id, keys: this.#last.keys, sort: this.#request.sort?.text ?? "" });
  }

  async count(): Promise<number> {
    const count = await this.#running.count();
    this.#end();
    return count;
  }

  explain(): QueryExplanation {
    const time = (this.#endedAt ?? performance.now()) - this.#startedAt;
    return { ...this.#running.explain(), time_ms: Math.round(time * 100) / 100 };
  }
}
