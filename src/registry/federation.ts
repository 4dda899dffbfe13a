/** Federated search: one query, sent to every registered Assets DB at once, and one answer merged of theirs. */
import { compileFilter, type Filter } from "../collection/filter.ts";
import type { JsonObject } from "../collection/json.ts";
import { compareStrings } from "../collection/order.ts";
import { ServiceError } from "../errors.ts";
import type { DocumentStream, QueryOptions } from "../http/query_answer.ts";
import {
  decodeFederationCursor,
  encodeFederationCursor,
  type FederationCursor,
} from "./federation_cursor.ts";
import type { GuardedClient } from "./guarded_client.ts";
import { urlBelow } from "./health.ts";
import { healthOf, type RecordedHealth } from "./health_records.ts";
import { merge } from "./merge.ts";
import { Places } from "./places.ts";
import type { RegistryService } from "./service.ts";
import type { SourceOutcome } from "./source_outcome.ts";
import { type Position, SourceStream } from "./source_stream.ts";

/** What federated searches work with. */
export interface FederationOptions {
  service: RegistryService;
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

/** The most sources of one search: they are all open at once, since a merge looks at each one's next document. */
const MAX_SOURCES = 500;

/** The most sources that are open at once, of all searches. */
const MAX_OPEN_SOURCES = 1000;

/**
 * The most documents that a source is asked for at once; a page that needs more of one asks again. A source holds what it is
 * asked for until it knows its cursor.
 */
const MAX_SOURCE_LIMIT = 1000;

/** How long the list of entries may take. */
const LIST_TIMEOUT_MS = 30_000;

/** An entry that a search could ask. */
interface Source {
  /** Of the entry's document. */
  id: string;
  asset_registry_id: string;
  asset_registry_name: string;
  url: string;
  about: RecordedHealth["about"];
  /** Set once it is known that or how it takes part. */
  outcome?: SourceOutcome;
  stream?: SourceStream;
  /** How many documents of the answer are its own. */
  count: number;
  /** How many of its documents another source had given, or gave as their owner. */
  duplicates: number;
}

/** The federated searches of a registry. */
export class Federation {
  readonly #options: FederationOptions;
  readonly #places = new Places(MAX_OPEN_SOURCES);

  constructor(options: FederationOptions) {
    this.#options = options;
  }

  /**
   * Begins a search. The sources are asked when its documents are.
   *
   * @throws {ServiceError} `invalid_request` if the cursor is not one
   */
  async search(request: FederatedRequest): Promise<Search> {
    const { cursor: text, sort, isCountOnly } = request.options;
    const cursor = text === undefined ? undefined : decodeFederationCursor(text, sort);
    // A count is of all that match, wherever the page begins.
    const begin = isCountOnly ? undefined : cursor;
    const sources = await this.#sources(begin, request.signal);
    return new Search({ ...this.#options, places: this.#places, request, sources, begin });
  }

  /** Every entry in the order of registration; those that are not to be asked have an outcome already. */
  async #sources(cursor: FederationCursor | undefined, signal: AbortSignal): Promise<Source[]> {
    const { service } = this.#options;
    const recorded = await service.records.all();
    const sources: Source[] = [];
    let asked = 0;
    const everything = { filter: compileFilter({}), timeoutMs: LIST_TIMEOUT_MS, signal };
    for await (const { id, document } of service.entries.query(everything).matches) {
      const url = String(document.asset_registry_public_url);
      const known = recorded.get(id);
      const about = known?.url === url ? known.about : {};
      const reason = cursor?.isAbsent(id)
        ? "It had no part in an earlier page of this search; a new search asks it again."
        : reasonToSkip(url, known) ??
          (asked === MAX_SOURCES ? `A search asks ${MAX_SOURCES} at most.` : undefined);
      if (reason === undefined) asked++;
      sources.push({
        id,
        asset_registry_id: String(document.asset_registry_id),
        asset_registry_name: String(document.asset_registry_name),
        url,
        about,
        outcome: reason === undefined ? undefined : { status: "skipped", error: reason },
        count: 0,
        duplicates: 0,
      });
    }
    return sources;
  }
}

function reasonToSkip(url: string, known: RecordedHealth | undefined): string | undefined {
  if (url === "") return "It has no public URL.";
  const { status, error } = healthOf(url, known);
  if (status === "unhealthy") return `It is known to be unhealthy: ${error ?? "its last check failed."}`;
  if (known?.url === url && known.about.mode === "registry") return "It is a registry, not an Assets DB.";
  return undefined;
}

interface SearchOptions extends FederationOptions {
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
      sources: sources.map((source) => ({
        asset_registry_id: source.asset_registry_id,
        asset_registry_name: source.asset_registry_name,
        asset_registry_public_url: source.url,
        count: source.count,
        ...outcomeOf(source),
        ...explains && { explain: workOf(source) },
      })),
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
    const count = Math.min(asked.length, MAX_OPEN_SOURCES);
    await this.#enter(count);
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
      places.release(count);
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

/** What a source has done; of one that was not asked, nothing. */
function workOf({ stream, duplicates }: Source): JsonObject {
  const { requests = 0, bytes = 0, documents = 0, firstMs, endMs } = stream?.work ?? {};
  const times = { first_ms: tenths(firstMs), took_ms: tenths(endMs) };
  return { requests, bytes, documents, duplicates, ...times };
}

function tenths(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 10) / 10;
}

function outcomeOf({ outcome, stream }: Source): SourceOutcome {
  return stream?.outcome ?? outcome ?? { status: "ok" };
}
