import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../../src/collection/json.ts";
import { STRATEGY_LIMITS, type StrategyLimits } from "../../src/collection/view/strategy.ts";
import { idOf } from "./fixture.ts";
import { countAll, findAll, TestView } from "./view_fixture.ts";

const DOCUMENTS = 600;

/** Sets of some dozens are many, as thousands are in a large collection. */
const LIMITS: StrategyLimits = { ...STRATEGY_LIMITS, fewPostings: 10, smallSet: 100 };

/** Names fall as ids rise. Of the documents whose names come last, 60 are rare. */
function documentOf(n: number): JsonObject {
  const name = `name-${String(DOCUMENTS - n).padStart(4, "0")}`;
  const inner: JsonObject = { version: `1.${n % 3}.${n % 5}` };
  if (n % 4 === 0) inner.license = n % 8 === 0 ? null : "mit";
  return { name, kind: n < 60 ? "rare" : "common", number: n, inner };
}

function filled(): TestView {
  const view = new TestView();
  view.put(Array.from({ length: DOCUMENTS }, (_, n) => [idOf(n), documentOf(n)] as const));
  return view;
}

/** The numbers of the documents that pass, in the order of their names or of their age. */
function numbers(test: (document: JsonObject, n: number) => boolean): number[] {
  return Array.from({ length: DOCUMENTS }, (_, n) => n).filter((n) => test(documentOf(n), n));
}

Deno.test("A sorted search puts the candidates in order when they come late in the order of the index", () => {
  using view = filled();
  for (const limit of [5, 20]) {
    const search = view.search({ kind: "rare" }, { sortBy: "name", limit }, LIMITS);
    const found = findAll(search).map(({ id }) => id);
    assertEquals(found, numbers((_, n) => n < 60).reverse().slice(0, limit + 1).map(idOf));
    const { candidates, leads } = search.explain();
    assertEquals(leads, "every document, by name");
    assert(candidates > 240 && candidates < DOCUMENTS, `${candidates} looked at`);
  }
  // So many are wanted that it is not worth trying.
  const search = view.search({ kind: "rare" }, { sortBy: "name", limit: 30 }, LIMITS);
  assertEquals(findAll(search).length, 31);
  assertEquals(search.explain().leads, 'kind = "rare" (60 postings)');
});

Deno.test("A sorted search that finds some candidates early and the rest late gives each once, page by page", () => {
  using view = filled();
  const early = [599, 598, 590, 400];
  view.put(early.map((n) => [idOf(n), { ...documentOf(n), kind: "rare" }] as const));
  const expected = numbers((_, n) => n < 60 || early.includes(n)).reverse().map(idOf);
  const found: string[] = [];
  let cursor;
  for (;;) {
    const page = findAll(view.search({ kind: "rare" }, { sortBy: "name", limit: 7, cursor }, LIMITS));
    assert(page.length <= 8, `${page.length} where one more than 7 is asked for`);
    found.push(...page.slice(0, 7).map(({ id }) => id));
    const last = page[6];
    if (page.length < 8 || !last) break;
    cursor = { id: last.id, keys: last.keys, sort: "name" };
  }
  assertEquals(found, expected);
});

Deno.test("A range of few different values is read value by value, and no document is tested", () => {
  using view = filled();
  const search = view.search({ "inner.version": { $gte: "1.1.0", $lt: "1.2" } }, { limit: 20 }, LIMITS);
  const found = findAll(search).map(({ id }) => id);
  assertEquals(found, numbers((_, n) => n % 3 === 1).slice(0, 21).map(idOf));
  const { candidates, tested, leads } = search.explain();
  assertEquals({ tested, leads }, {
    tested: 0,
    leads: 'inner.version ≥ "1.1.0" and inner.version < "1.2" (many postings)',
  });
  assert(candidates < 60, `${candidates} looked at`);
});

Deno.test("A pattern is tried on each different value of a field once, where they are few", () => {
  using view = filled();
  const search = view.search({ "inner.version": { $regex: "\\.2$" } }, { limit: 20 }, LIMITS);
  assertEquals(findAll(search).map(({ id }) => id), numbers((_, n) => n % 5 === 2).slice(0, 21).map(idOf));
  assertEquals(search.explain().tested, 0);
});

Deno.test("What has no value, or has one, is asked of the index where the values are few", () => {
  using view = filled();
  const missing = view.search({ "inner.license": null, kind: "common" }, { limit: 20 }, LIMITS);
  const without = numbers((_, n) => n >= 60 && (n % 4 !== 0 || n % 8 === 0));
  assertEquals(findAll(missing).map(({ id }) => id), without.slice(0, 21).map(idOf));
  assertEquals(missing.explain().tested, 0);
  const present = view.search({ "inner.license": { $exists: true }, kind: "common" }, { limit: 20 }, LIMITS);
  assertEquals(
    findAll(present).map(({ id }) => id),
    numbers((_, n) => n >= 60 && n % 4 === 0).slice(0, 21).map(idOf),
  );
  assertEquals(present.explain().tested, 0);
  assertEquals(countAll(view.search({ "inner.license": null, kind: "common" }, {}, LIMITS)), without.length);
});

Deno.test("IndexReader.values() gives the different values of a range, or says that there are too many", () => {
  using view = filled();
  const { index } = view;
  const path = "inner.version";
  const all = ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.1.0", "1.1.1", "1.1.2", "1.1.3", "1.1.4"];
  const below = { path, type: 2, high: { value: "1.2", isOpen: true } } as const;
  assertEquals(index.values(below, 10), all);
  assertEquals(index.values(below, 9), undefined);
  const open = { ...below, low: { value: "1.0.3", isOpen: true }, high: { value: "1.1.1", isOpen: false } };
  assertEquals(index.values(open, 10), ["1.0.4", "1.1.0", "1.1.1"]);
  assertEquals(index.values({ path: "nowhere", type: 2 }, 10), []);
  assertEquals(index.values({ path, type: 1 }, 10), []);
});
