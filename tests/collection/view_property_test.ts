import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { compileSort } from "../../src/collection/sort.ts";
import { STRATEGY_LIMITS } from "../../src/collection/view/strategy.ts";
import { bounds, document, documents, filter, pattern, scalar, sort } from "./view_arbitraries.ts";
import { compiledFilter, countAll, findAll, TestView, TINY } from "./view_fixture.ts";
import { idOf } from "./fixture.ts";

/** Cases of each property, each with several queries; `PROPERTY_RUNS` asks for more. */
const RUNS = Number(Deno.env.get("PROPERTY_RUNS") ?? 500);

/** What every document tested by itself gives, in order. */
function expected(all: ReadonlyMap<string, JsonObject>, filter: JsonObject, sortBy?: string): string[] {
  const { test } = compiledFilter(filter);
  const ids = [...all.keys()].sort();
  const matches = ids.filter((id) => test(all.get(id) ?? {}));
  if (sortBy === undefined) return matches;
  const { keysOf, compare } = compileSort(sortBy);
  const keyed = matches.map((id) => ({ id, keys: keysOf(all.get(id) ?? {}) }));
  return keyed.sort((a, b) => compare(a.keys, b.keys)).map(({ id }) => id);
}

function numbered(documents: readonly JsonObject[]): Map<string, JsonObject> {
  return new Map(documents.map((document, n) => [idOf(n), document]));
}

function check(
  view: TestView,
  all: ReadonlyMap<string, JsonObject>,
  filter: JsonObject,
  sortBy?: string,
): void {
  const ids = expected(all, filter, sortBy);
  for (const limits of [TINY, STRATEGY_LIMITS]) {
    assertEquals(findAll(view.search(filter, { sortBy }, limits)).map(({ id }) => id), ids);
    assertEquals(countAll(view.search(filter, { sortBy }, limits)), ids.length);
  }
}

/** Pages whose cursor leads from one to the next. */
function pages(view: TestView, filter: JsonObject, sortBy: string | undefined, limit: number): string[] {
  const ids: string[] = [];
  let cursor;
  for (;;) {
    const found = findAll(view.search(filter, { sortBy, limit, cursor }, TINY));
    const page = found.slice(0, limit);
    ids.push(...page.map(({ id }) => id));
    const last = page.at(-1);
    if (found.length <= limit || !last) return ids;
    cursor = { id: last.id, keys: last.keys, sort: sortBy ?? "" };
  }
}

/** One view for all cases: it is emptied in between, which is faster than a new file. */
async function withView(run: (view: TestView) => void | Promise<void>): Promise<void> {
  using view = new TestView();
  await run(view);
}

Deno.test("Search finds what the filter finds in every document, in order, page by page, and counts it", async () => {
  await withView((view) => {
    fc.assert(
      fc.property(
        documents,
        fc.array(fc.tuple(filter, sort), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 5 }),
        (documents, queries, limit) => {
          view.clear();
          const all = numbered(documents);
          view.put(all);
          for (const [filter, sortBy] of queries) {
            check(view, all, filter, sortBy);
            assertEquals(pages(view, filter, sortBy, limit), expected(all, filter, sortBy));
          }
        },
      ),
      { numRuns: RUNS },
    );
  });
});

Deno.test("Search finds the same after documents were changed and removed in any order", async () => {
  const change = fc.tuple(fc.nat(9), fc.option(document, { nil: undefined }));
  await withView((view) => {
    fc.assert(
      fc.property(
        documents,
        fc.array(change, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(filter, sort), { minLength: 1, maxLength: 3 }),
        (documents, changes, queries) => {
          view.clear();
          const all = numbered(documents);
          view.put(all);
          for (const [n, document] of changes) {
            const id = idOf(n * 3);
            if (document === undefined) {
              all.delete(id);
              view.remove([id]);
            } else {
              all.set(id, document);
              view.put([[id, document]]);
            }
          }
          for (const [filter, sortBy] of queries) check(view, all, filter, sortBy);
        },
      ),
      { numRuns: RUNS },
    );
  });
});

Deno.test("Search finds the same where two bounds are met by different elements of an array, or by one", async () => {
  const number = fc.integer({ min: 0, max: 4 });
  const list = fc.oneof(number, fc.array(number, { maxLength: 3 }));
  const documents = fc.array(
    fc.record({
      a: list,
      b: fc.oneof(fc.record({ a: number }), fc.array(fc.record({ a: number }), { maxLength: 3 })),
    }),
    {
      maxLength: 20,
    },
  );
  const condition = fc.oneof(bounds, bounds.map((both): JsonObject => ({ $elemMatch: both })));
  await withView((view) => {
    fc.assert(
      fc.property(documents, fc.constantFrom("a", "b.a"), condition, (documents, path, condition) => {
        view.clear();
        const all = numbered(documents);
        view.put(all);
        check(view, all, { [path]: condition });
      }),
      { numRuns: RUNS },
    );
  });
});

Deno.test("Search finds values by patterns, remainders and bits, whether it looks at every document or lists them first", async () => {
  // Long strings, and those that no index keeps, have the filter tried on what is found; without them it need not be.
  const short = fc.constantFrom<Json>("a", "ab", "abc", "b", "xx", "😀", "y", 1, 2, 3, true);
  const fields = (value: fc.Arbitrary<Json>) =>
    fc.record({ a: fc.oneof(value, fc.array(value, { maxLength: 3 })), b: fc.integer({ min: 0, max: 2 }) });
  const documents = fc.oneof(
    fc.array(fields(short), { maxLength: 40 }),
    fc.array(fields(scalar), { maxLength: 40 }),
  );
  const condition: fc.Arbitrary<JsonObject> = fc.oneof(
    { weight: 4, arbitrary: pattern.map((pattern): JsonObject => ({ $regex: pattern })) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<JsonObject>({ $mod: [2, 0] }, { $bitsAllSet: 1 }, { $bitsAnyClear: [1] }),
    },
    { weight: 1, arbitrary: fc.constantFrom<JsonObject>({ $gt: "a" }, { $lte: "b" }, { $gte: 1 }) },
  );
  const query = fc.tuple(condition, fc.constantFrom<JsonObject>({}, { b: 1 }, { b: { $gt: 0 } }));
  await withView((view) => {
    fc.assert(
      fc.property(documents, query, fc.integer({ min: 1, max: 4 }), (documents, [condition, more], limit) => {
        view.clear();
        const all = numbered(documents);
        view.put(all);
        const filter = { a: condition, ...more };
        check(view, all, filter);
        assertEquals(pages(view, filter, undefined, limit), expected(all, filter));
      }),
      { numRuns: RUNS },
    );
  });
});

Deno.test("Search finds objects and arrays that are equal as a whole, by what is in them", async () => {
  const plain = fc.constantFrom<Json>(null, 1, 2, "a", true, "x".repeat(201));
  const inner = fc.oneof(plain, fc.array(plain, { maxLength: 2 }), fc.record({ b: plain }));
  const fields = fc.record({ b: inner, c: inner, "d.e": plain }, { requiredKeys: [] });
  const numbers = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 });
  const whole = fc.oneof(plain, fields, numbers, fc.array(fc.oneof(plain, inner, fields), { maxLength: 3 }));
  const documents = fc.array(fc.record({ a: whole }), { minLength: 1, maxLength: 15 });
  const query = fc.constantFrom("a", "a.b").chain((path) =>
    fc.constantFrom("$eq", "$in", "$all", "$elemMatch").chain((operator) =>
      fc.tuple(fc.constant(path), fc.constant(operator), fc.nat(), fc.nat())
    )
  );
  await withView((view) => {
    fc.assert(
      fc.property(documents, fc.array(query, { maxLength: 6 }), whole, (documents, queries, other) => {
        view.clear();
        const all = numbered(documents);
        view.put(all);
        // What is asked for is a value that a document has, or an element of it.
        const values = documents.flatMap(({ a }) => Array.isArray(a) ? [a, ...a] : [a]);
        const held = values.flatMap((value) =>
          isJsonObject(value) ? [value, ...Object.values(value)] : [value]
        );
        for (const [path, operator, n, m] of queries) {
          const wanted = [held[n % held.length] ?? null, held[m % held.length] ?? other];
          const condition = operator === "$eq"
            ? wanted[0]
            : operator === "$elemMatch"
            ? { $in: wanted }
            : wanted;
          check(view, all, { [path]: { [operator]: condition ?? null } });
        }
      }),
      { numRuns: RUNS },
    );
  });
});

Deno.test("Search finds a long string whose indexed beginning is shorter than that of a bound", async () => {
  await withView((view) => {
    const all = numbered([{ a: `${"x".repeat(199)}😀a` }, { a: `${"x".repeat(199)}a${"b".repeat(9)}` }]);
    view.put(all);
    check(view, all, { a: { $gte: "x".repeat(200) } });
    check(view, all, { a: { $lte: `${"x".repeat(199)}😀b` } });
    check(view, all, { a: { $regex: `^${"x".repeat(199)}😀` } });
  });
});
