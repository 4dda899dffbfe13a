/** A view on a file of its own, written and read on this thread. */
import type { DatabaseSync } from "node:sqlite";
import { compileFilter, type Filter } from "../../src/collection/filter.ts";
import type { JsonObject } from "../../src/collection/json.ts";
import { compileSort } from "../../src/collection/sort.ts";
import { IndexReader } from "../../src/collection/view/index_reader.ts";
import { openForReading } from "../../src/collection/view/schema.ts";
import { type Found, Search, type SearchRequest } from "../../src/collection/view/search.ts";
import { toText } from "../../src/collection/view/shown_text.ts";
import type { StrategyLimits } from "../../src/collection/view/strategy.ts";
import { type ViewChange, ViewWriter } from "../../src/collection/view/view_writer.ts";

/** Bounds so small that a few documents are many. */
export const TINY: StrategyLimits = {
  fewPostings: 1,
  smallSet: 3,
  largeSet: 6,
  mergedKeys: 2,
  lookFirst: 2,
  firstWindow: 3,
};

/** A view under test. */
export class TestView implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "view-test-" });
  readonly writer = ViewWriter.open(`${this.folder}/view.sqlite`, { isTrusted: true });
  readonly #db: DatabaseSync = openForReading(`${this.folder}/view.sqlite`);
  index = new IndexReader(this.#db);
  #version = 0;

  /** Takes everything out. Paths get other numbers then, which a reader does not notice. */
  clear(): void {
    this.writer.clear("test");
    this.index = new IndexReader(this.#db);
  }

  /** Puts documents in, by their ids. */
  put(documents: Iterable<readonly [id: string, document: JsonObject]>): void {
    const versionstamp = String(++this.#version).padStart(20, "0");
    const changes = Array.from(documents, ([id, document]): ViewChange => ({
      id,
      put: { versionstamp, json: toText({ document }), hidden: null },
    }));
    this.writer.apply(changes);
  }

  remove(ids: Iterable<string>): void {
    this.writer.apply(Array.from(ids, (id) => ({ id })));
  }

  search(
    filter: JsonObject,
    more: Partial<Omit<SearchRequest, "sort">> & { sortBy?: string } = {},
    limits?: StrategyLimits,
  ): Search {
    const { sortBy, ...rest } = more;
    const sort = sortBy === undefined ? undefined : compileSort(sortBy);
    return new Search(
      this.index,
      { filter: compiledFilter(filter), sort, limit: Infinity, bases: new Map(), ...rest },
      limits,
    );
  }

  [Symbol.dispose](): void {
    this.#db.close();
    this.writer.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const compiledFilters = new WeakMap<JsonObject, Filter>();

/** A filter, compiled once: a property asks the same in several ways. */
export function compiledFilter(filter: JsonObject): Filter {
  const compiled = compiledFilters.get(filter) ?? compileFilter(filter);
  compiledFilters.set(filter, compiled);
  return compiled;
}

/** Everything that a search finds. */
export function findAll(search: Search): Found[] {
  const found: Found[] = [];
  for (const step of search.run()) if (step !== "long") found.push(...step);
  return found;
}

/** What a search counts. */
export function countAll(search: Search): number {
  const steps = search.count();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
