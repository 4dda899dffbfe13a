/**
 * Reads documents in the order of their age, a window at a time, so that no single step takes long.
 *
 * What is scanned is every document, those of some postings, or those of a list; conditions in SQL narrow it further.
 */
import { POSTING } from "./postings.ts";
import type { Cell, IndexReader, Sql } from "./index_reader.ts";

/** A document as a scan finds it. */
export interface Row {
  ord: number;
  id: string;
  json: string;
  /** Not wholly indexed: nothing that was said about it in SQL holds. */
  isPartial: boolean;
}

/** A window of a scan. */
export interface Window {
  rows: Row[];
  /** Everything up to this number has been looked at. */
  upTo: number;
}

/** What is scanned. */
export type Source =
  | { kind: "documents" }
  /** The documents with one of these postings. */
  | { kind: "postings"; keys: Sql[] }
  /** Documents by their numbers, in order. */
  | { kind: "list"; ords: Float64Array };

/** So many postings of several keys are put in order at once. More would take longer than windows that turn out small. */
const MAX_MERGED = 2048;

const DOCUMENT = "doc.ord, doc.id, doc.json";

/**
 * Rows behind a number, of about `size` documents of the source.
 *
 * @param narrow a condition on `d`, a document
 */
export function readWindow(
  index: IndexReader,
  source: Source,
  narrow: Sql,
  after: number,
  size: number,
): Window {
  const upTo = endOfWindow(index, source, after, size);
  const rows = readRows(index, source, narrow, after, upTo);
  if (!index.hasPartial()) return { rows, upTo };
  const partial = readPartial(index, after, upTo);
  if (partial.length === 0) return { rows, upTo };
  const taken = new Set(partial.map(({ ord }) => ord));
  const all = [...rows.filter(({ ord }) => !taken.has(ord)), ...partial];
  return { rows: all.sort((a, b) => a.ord - b.ord), upTo };
}

/** Counts what {@link readWindow} would read, where every document is wholly indexed. */
export function countWindow(
  index: IndexReader,
  source: Source,
  narrow: Sql,
  after: number,
  size: number,
): { count: number; upTo: number } {
  const upTo = endOfWindow(index, source, after, size);
  const { text, values } = ordsOf(source, after, upTo);
  const sql = `SELECT count(*) FROM (${text}) d WHERE ${narrow.text}`;
  return { count: Number(index.cell(sql, ...values, ...narrow.values)), upTo };
}

/** The documents of these numbers that satisfy the condition, in the order of the numbers. */
export function readListed(index: IndexReader, ords: readonly number[], narrow: Sql): Row[] {
  const sql = `SELECT ${DOCUMENT} FROM (SELECT value AS ord FROM json_each(?)) d
    CROSS JOIN doc ON doc.ord = d.ord WHERE ${narrow.text}`;
  return index.rows(sql, JSON.stringify(ords), ...narrow.values).map(toRow);
}

/** The last number of a window; `Infinity` if nothing of the source lies behind it. */
export function endOfWindow(index: IndexReader, source: Source, after: number, size: number): number {
  switch (source.kind) {
    case "documents": {
      const last = index.cell(
        "SELECT ord FROM doc WHERE ord > ? ORDER BY ord LIMIT 1 OFFSET ?",
        after,
        size - 1,
      );
      return Number(last ?? Infinity);
    }
    case "list":
      return source.ords[firstAbove(source.ords, after) + size - 1] ?? Infinity;
    case "postings":
      return endAmong(index, source.keys, after, size);
  }
}

function endAmong(index: IndexReader, keys: readonly Sql[], after: number, size: number): number {
  if (keys.length > 1 && keys.length * size <= MAX_MERGED) {
    const each = keys.map(({ text }) =>
      `SELECT * FROM (SELECT ord FROM posting WHERE ${text} AND ord > ? ORDER BY ord LIMIT ?)`
    );
    const values = keys.flatMap((key): Cell[] => [...key.values, after, size]);
    const sql = `${each.join(" UNION ")} ORDER BY ord LIMIT 1 OFFSET ?`;
    return Number(index.cell(sql, ...values, size - 1) ?? Infinity);
  }
  const each = Math.max(1, Math.ceil(size / keys.length));
  const ends = keys.map(({ text, values }) => {
    const sql = `SELECT ord FROM posting WHERE ${text} AND ord > ? ORDER BY ord LIMIT 1 OFFSET ?`;
    return Number(index.cell(sql, ...values, after, each - 1) ?? Infinity);
  });
  return Math.min(Infinity, ...ends);
}

function readRows(index: IndexReader, source: Source, narrow: Sql, after: number, upTo: number): Row[] {
  if (source.kind === "list") return readListed(index, listed(source, after, upTo), narrow);
  const { text, values } = ordsOf(source, after, upTo);
  // What is asked of a document is asked of its number, before the document itself is looked up.
  const sql = source.kind === "documents"
    ? `SELECT d.ord, d.id, d.json FROM doc d WHERE d.ord > ? AND d.ord <= ? AND ${narrow.text} ORDER BY d.ord`
    : `SELECT ${DOCUMENT} FROM (${text}) d CROSS JOIN doc ON doc.ord = d.ord
       WHERE ${narrow.text} ORDER BY d.ord`;
  return index.rows(sql, ...values, ...narrow.values).map(toRow);
}

/** The numbers of a window. SQLite takes Infinity for what it is: above every number. */
function ordsOf(source: Source, after: number, upTo: number): Sql {
  switch (source.kind) {
    case "documents":
      return { text: "SELECT ord FROM doc WHERE ord > ? AND ord <= ?", values: [after, upTo] };
    case "list": {
      const ords = JSON.stringify(listed(source, after, upTo));
      return { text: "SELECT value AS ord FROM json_each(?)", values: [ords] };
    }
    case "postings": {
      if (source.keys.length === 0) return { text: "SELECT ord FROM doc WHERE 0", values: [] };
      const each = source.keys.map(({ text }) =>
        `SELECT ord FROM posting WHERE ${text} AND ord > ? AND ord <= ?`
      );
      const values = source.keys.flatMap((key): Cell[] => [...key.values, after, upTo]);
      return { text: each.join(" UNION "), values };
    }
  }
}

function listed({ ords }: { ords: Float64Array }, after: number, upTo: number): number[] {
  return [...ords.subarray(firstAbove(ords, after), firstAbove(ords, upTo))];
}

function readPartial(index: IndexReader, after: number, upTo: number): Row[] {
  const where = index.where({ path: "", type: POSTING.partial });
  if (!where) return [];
  const sql = `SELECT ${DOCUMENT} FROM posting p CROSS JOIN doc ON doc.ord = p.ord
    WHERE p.kind = ? AND p.ord > ? AND p.ord <= ? ORDER BY p.ord`;
  return index.rows(sql, ...where.values, after, upTo).map((cells) => ({ ...toRow(cells), isPartial: true }));
}

function toRow([ord, id, json]: Cell[]): Row {
  return { ord: Number(ord), id: String(id), json: String(json), isPartial: false };
}

/** The place of the first number above `bound` in a rising list. */
export function firstAbove(ords: Float64Array, bound: number): number {
  let low = 0;
  let high = ords.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ords[middle] ?? 0) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
