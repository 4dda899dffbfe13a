/** Lists the documents of a set of postings, in steps. */
import type { PostingRange } from "../plan.ts";
import type { Cell, IndexReader } from "./index_reader.ts";

/** How many postings one step reads: about 3 ms. */
const STEP = 5000;

/** The numbers of the documents with a posting in one of the ranges, rising. Each step yields. */
export function* listSet(index: IndexReader, ranges: readonly PostingRange[]): Generator<void, Float64Array> {
  const ords: number[] = [];
  for (const range of ranges) yield* listRange(index, range, ords);
  return distinct(Float64Array.from(ords).sort());
}

function* listRange(index: IndexReader, range: PostingRange, ords: number[]): Generator<void, void> {
  const where = index.where(range);
  if (!where) return;
  const passes = tested(range.test);
  let last: Cell[] = [];
  for (;;) {
    const behind = last.length > 0 ? " AND (value, ord) > (?, ?)" : "";
    const sql = `SELECT value, ord FROM posting WHERE ${where.text}${behind} ORDER BY value, ord LIMIT ?`;
    const rows = index.rows(sql, ...where.values, ...last, STEP);
    for (const [value = null, ord] of rows) if (passes(value)) ords.push(Number(ord));
    if (rows.length < STEP) return;
    last = rows.at(-1) ?? [];
    yield;
  }
}

/** Equal values come one after another: each is tried once. */
function tested(test: PostingRange["test"]): (value: Cell) => boolean {
  if (!test) return () => true;
  let known: Cell = null;
  let verdict = false;
  return (value) => {
    if (value === null) return false;
    if (value !== known) {
      known = value;
      verdict = test(value);
    }
    return verdict;
  };
}

/** Without the doubles of a sorted list. */
function distinct(sorted: Float64Array): Float64Array {
  let kept = 0;
  for (const ord of sorted) if (kept === 0 || ord !== sorted[kept - 1]) sorted[kept++] = ord;
  return sorted.subarray(0, kept);
}
