/** One federated search under way: its sources, merged. */
import type { Filter } from "../collection/filter.ts";
import type { JsonObject } from "../collection/json.ts";
import { compareStrings } from "../collection/order.ts";
import { ServiceError } from "../errors.ts";
import type { DocumentStream, QueryOptions } from "../http/query_answer.ts";
import { encodeFederationCursor, type FederationCursor } from "./federation_cursor.ts";
import type { GuardedClient } from "./guarded_client.ts";
import { urlBelow } from "./health.ts";
import { merge } from "./merge.ts";
import type { Places } from "./places.ts";
import { outcomeOf, shownSource, type Source, tenths } from "./search_source.ts";
import { type Position, SourceStream } from "./source_stream.ts";

/** What every search works with. */
export interface SearchSettings {
  client: GuardedClient;
  /** How long each source is waited for. */
  timeoutMs: number;
  /** The tokens of Assets DBs that need one, by the origins of their URLs. */
  tokens: ReadonlyMap<string, string>;
}

/** A search that a client asks for. */
export interface FederatedRequest {
  filter: Filter;
  options: QueryOptions;
  signal: AbortSignal;
}

/**
 * The most documents that a source is asked for at once; a page that needs more of one asks again. A source holds what it is
 * asked for until it knows its cursor.
 */
const MAX_SOURCE_LIMIT = 1000;

/** What one search works with. */
export interface SearchOptions extends SearchSettings {
  places: Places;
  request: FederatedRequest;
  sources: Source[];
  begin: FederationCursor | undefined;
}

/** One search: its documents can be asked for once, or their number. */
export class Search implements DocumentStream {
  readonly documents: AsyncIterable<string>;
  readonly #options: SearchOptions;
  readonly #startedAt = performance.now();
  #last: Position | undefined;
  #hasEnded = false;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#last = options.begin?.position;
    this.documents = this.#documents();
  }

  nextCursor(): string | null {
    if (this.#hasEnded || this.#last === undefined) return null;
    const { sources, request } = this.#options;
    const absent = sources.filter((source) => outcomeOf(source).status !== "ok").map(({ id }) => id);
    return encodeFederationCursor(this.#last, request.options.sort, absent);
  }

  /** How every source did, those that were not asked included; with `explain=true` also what each has done. */
  trailer(): JsonObject {
    const { sources, request: { options: { explains } } } = this.#options;
    return {
      sources: sources.map((source) => shownSource(source, { explains })),
      ...explains && { explain: { took_ms: tenths(performance.now() - this.#startedAt) } },
    };
  }

  /** How many documents match, each counted once. */
  async count(): Promise<number> {
    let count = 0;
    for await (const _ of this.#merged()) count++;
    return count;
  }

  async *#documents(): AsyncGenerator<string> {
    const { limit } = this.#options.request.options;
    let given = 0;
    for await (const { source, document } of this.#merged()) {
      // There is more than the page holds.
      if (given === limit) {
        source.count--;
        return;
      }
      given++;
      this.#last = document.position;
      yield document.text;
    }
    this.#hasEnded = true;
  }

  async *#merged() {
    const { places, sources, request } = this.#options;
    const asked = sources.filter(({ outcome }) => outcome === undefined);
    await this.#enter(asked.length);
    try {
      for (const source of asked) source.stream = this.#open(source);
      const streams = asked.map((source) => ({ source, next: () => source.stream?.next() ?? nothing }));
      const merged = merge(streams, {
        compare: this.#compare,
        isByAge: this.#isByAge,
        onDuplicate: ({ source }) => source.duplicates++,
      });
      for await (const { source: { source }, document } of merged) {
        request.signal.throwIfAborted();
        source.count++;
        yield { source, document };
      }
    } finally {
      for (const { stream } of asked) stream?.close();
      places.release(asked.length);
    }
  }

  async #enter(count: number): Promise<void> {
    const { places, request: { signal }, timeoutMs } = this.#options;
    try {
      await places.take(count, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    } catch (error) {
      if (signal.aborted) throw error;
      throw new ServiceError("unavailable", "Too many searches at once; try again.", { cause: error });
    }
  }

  #open(source: Source): SourceStream {
    const { client, tokens, request, begin, timeoutMs } = this.#options;
    const { sort, pick, include, isCountOnly } = request.options;
    const url = this.#urlOf(source);
    return new SourceStream({
      client,
      url,
      token: tokens.get(url.origin),
      filter: JSON.stringify(request.filter.source),
      begin: begin && { cursor: begin.place, position: begin.position },
      keysOf: isCountOnly || !sort ? () => [] : sort.keysOf,
      compare: this.#compare,
      show: (id, document) => {
        if (isCountOnly) return "";
        const shown = pick ? pick(document) : document;
        return JSON.stringify(include.has("id") ? { id, ...shown } : shown);
      },
      assetsDbId: source.about.assetsDbId,
      timeoutMs,
      signal: request.signal,
    });
  }

  #urlOf(source: Source): URL {
    const { sort, fields, limit, isCountOnly } = this.#options.request.options;
    const url = urlBelow(source.url, "/assets");
    url.search = "";
    url.searchParams.set("include", "id");
    if (isCountOnly) {
      url.searchParams.set("fields", "assets_db_id");
      return url;
    }
    if (sort) url.searchParams.set("sort", sort.text);
    if (fields !== undefined) url.searchParams.set("fields", fieldsToAsk(fields, sort?.text));
    // One more than the page holds tells whether another follows.
    if (limit !== undefined) url.searchParams.set("limit", String(Math.min(limit + 1, MAX_SOURCE_LIMIT)));
    return url;
  }

  /** A count needs no other order. */
  get #isByAge(): boolean {
    const { sort, isCountOnly } = this.#options.request.options;
    return isCountOnly || !sort;
  }

  readonly #compare = (a: Position, b: Position): number => {
    const { sort } = this.#options.request.options;
    return (this.#isByAge || !sort ? 0 : sort.compare(a.keys, b.keys)) || compareStrings(a.id, b.id);
  };
}

const nothing: Promise<undefined> = Promise.resolve(undefined);

/** What is asked of a source beside the client's fields: what tells assets apart, and whole what they are sorted by. */
function fieldsToAsk(fields: string, sort: string | undefined): string {
  const sortedBy = sort?.split(",").map((key) => key.replace(/^-/, "").split(".", 1)[0] ?? "") ?? [];
  return [...new Set([...fields.split(",").map((field) => field.trim()), "assets_db_id", ...sortedBy])].join(
    ",",
  );
}
