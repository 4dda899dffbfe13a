/** Ranges that hold few different values, as the postings of each of these values: those list their documents by age. */
import { isKey, key, type Plan, type PostingRange } from "../plan.ts";
import type { IndexReader } from "./index_reader.ts";

/** The same set; its ranges, as far as they hold at most `most` values together, value by value. */
export function byValues(plan: Plan, index: IndexReader, most: number): Plan {
  switch (plan.kind) {
    case "all":
      return plan;
    case "not":
      return { ...plan, plan: byValues(plan.plan, index, most) };
    case "and":
    case "or":
      return { ...plan, plans: plan.plans.map((inner) => byValues(inner, index, most)) };
    case "ranges":
      if (plan.ranges.every(isKey)) return plan;
      return { ...plan, ranges: keysIn(plan.ranges, index, most) ?? plan.ranges };
  }
}

function keysIn(
  ranges: readonly PostingRange[],
  index: IndexReader,
  most: number,
): PostingRange[] | undefined {
  const keys = ranges.filter(isKey);
  for (const range of ranges) {
    if (isKey(range)) continue;
    const values = index.values(range, most - keys.length);
    if (!values) return undefined;
    const { path, type, test } = range;
    for (const value of values) if (!test || test(value)) keys.push(key(path, type, value));
  }
  return keys;
}
