import { assertEquals } from "@std/assert";
import { compileFilter } from "../../src/collection/filter.ts";
import { either, key, merged, type Plan, ranges } from "../../src/collection/plan.ts";
import { planQuery } from "../../src/collection/planner.ts";
import { POSTING } from "../../src/collection/view/postings.ts";

function holds(path: string, value: string): Plan {
  return ranges([key(path, POSTING.string, value)], true);
}

Deno.test("merged() asks of a path once whether its ranges may meet, however many clauses there are", () => {
  const clauses = Array.from({ length: 500 }, (_, n) => holds("tags", `tag ${n}`));
  let asked = 0;
  const plan = merged(clauses, () => {
    asked++;
    return false;
  });
  assertEquals(plan, { kind: "and", plans: clauses, exact: true });
  assertEquals(asked, 1);
});

Deno.test("merged() keeps one of several clauses that say the same", () => {
  const clauses = Array.from({ length: 500 }, () => holds("tags", "a"));
  assertEquals(merged([...clauses, holds("tags", "b")], () => false), {
    kind: "and",
    plans: [holds("tags", "a"), holds("tags", "b")],
    exact: true,
  });
});

Deno.test("merged() makes one range of all bounds that must hold for one value", () => {
  const above = (value: number): Plan =>
    ranges([{ path: "n", type: POSTING.number, low: { value, isOpen: true }, high: undefined }], true);
  assertEquals(merged([above(1), above(3), holds("name", "a"), above(2)], () => true), {
    kind: "and",
    plans: [above(3), holds("name", "a")],
    exact: true,
  });
});

Deno.test("either() keeps one of several values that are the same", () => {
  const plans = Array.from({ length: 500 }, () => holds("tags", "a"));
  assertEquals(either([...plans, holds("tags", "b")]), {
    ...holds("tags", "a"),
    ranges: [key("tags", POSTING.string, "a"), key("tags", POSTING.string, "b")],
  });
});

Deno.test("planQuery() plans one of several values of $in that are the same", () => {
  const context = { isFlat: () => true, hasLongStrings: () => false, bases: new Map() };
  const plan = (values: (string | null)[]) => planQuery(compileFilter({ a: { $in: values } }).query, context);
  assertEquals(plan([null, "x", null, "x", null]), plan([null, "x"]));
});
