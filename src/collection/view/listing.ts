/** Lists the documents of a set of postings, in steps. */
import type { PostingRange } from "../plan.ts";
import type { Cell, IndexReader, Sql } from "./index_reader.ts";

/** How many postings one step reads: about 3 ms. */
const STEP = 5000;

/** Ranges that hold little: so many in one step. */
const RANGES_A_STEP = 50;

/** The numbers of the documents with a posting in one of the ranges, rising. Each step yields. */
export function* listSet(index: IndexReader, ranges: readonly PostingRange[]): Generator<void, Float64Array> {
  const ords: number[] = [];
  for (const [n, range] of ranges.entries()) {
    yield* listRange(index, range, ords);
    if (n % RANGES_A_STEP === RANGES_A_STEP - 1) yield;
  }
  return distinct(Float64Array.from(ords).sort());
}

function* listRange(index: IndexReader, range: PostingRange, ords: number[]): Generator<void, void> {
  const where = index.where(range);
  if (!where) return;
  const read = range.test ? tested(range.test) : readAll;
  let last: Cell[] = [];
  for (;;) {
    const behind = last.length > 0 ? " AND (value, ord) > (?, ?)" : "";
    const step: Sql = {
      text: `FROM posting WHERE ${where.text}${behind} ORDER BY value, ord`,
      values: [...where.values, ...last],
    };
    const end = read(index, step, ords);
    if (!end) return;
    last = end;
    yield;
  }
}

/** Reads a step of postings; returns the last one, unless it is the end. */
type Read = (index: IndexReader, step: Sql, ords: number[]) => Cell[] | undefined;

/** Measured: as one JSON text, numbers of documents take half the time that they take as rows. */
function readAll(index: IndexReader, { text, values }: Sql, ords: number[]): Cell[] | undefined {
  const some = index.cell(
    `SELECT json_group_array(ord) FROM (SELECT ord ${text} LIMIT ?)`,
    ...values,
    STEP,
  );
  const read: number[] = JSON.parse(String(some));
  for (const ord of read) ords.push(ord);
  if (read.length < STEP) return undefined;
  return index.rows(`SELECT value, ord ${text} LIMIT 1 OFFSET ?`, ...values, STEP - 1)[0];
}

/** Equal values come one after another: each is tried once. */
function tested(test: (value: string | number) => boolean): Read {
  let known: Cell = null;
  let verdict = false;
  const passes = (value: Cell) => {
    if (value === null) return false;
    if (value !== known) {
      known = value;
      verdict = test(value);
    }
    return verdict;
  };
  return (index, { text, values }, ords) => {
    const rows = index.rows(`SELECT value, ord ${text} LIMIT ?`, ...values, STEP);
    for (const [value = null, ord] of rows) if (passes(value)) ords.push(Number(ord));
    return rows.length < STEP ? undefined : rows.at(-1);
  };
}

/** Without the doubles of a sorted list. */
function distinct(sorted: Float64Array): Float64Array {
  let kept = 0;
  for (const ord of sorted) if (kept === 0 || ord !== sorted[kept - 1]) sorted[kept++] = ord;
  return sorted.subarray(0, kept);
}
