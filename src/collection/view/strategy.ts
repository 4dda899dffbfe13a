/**
 * Chooses how to run a plan: which of its sets is walked through, and which of the others SQL can ask of each document.
 *
 * The set with the fewest documents leads. Where all have many, one that lists them by age leads, because a page of it is
 * found without the rest.
 */
import { isKey, type Plan, type PostingRange } from "../planner.ts";
import type { IndexReader, Sql } from "./index_reader.ts";
import type { Source } from "./scan.ts";

/** Bounds of the choice; tests choose smaller ones to have every way taken. */
export interface StrategyLimits {
  /** A set of up to so many postings is read whole first. Counting goes no further either. */
  smallSet: number;
  /** So many keys can be walked through side by side. */
  mergedKeys: number;
}

/** Measured: to read 10,000 postings takes 5 ms, and what a query takes beyond that depends on the documents. */
export const STRATEGY_LIMITS: StrategyLimits = { smallSet: 10_000, mergedKeys: 50 };

/** How a plan is run. */
export interface Strategy {
  source: Source;
  /** What SQL asks of each document of the source. */
  narrow: Sql;
  /** What comes out is just what matches; only documents that are partly indexed still need the filter. */
  exact: boolean;
  /** At most so many documents are looked at; `Infinity` where that was not counted. */
  candidates: number;
  /** What leads, in words. */
  leads: string;
}

const NO_CONDITION: Sql = { text: "1", values: [] };

/** Chooses how to run a plan. Reads `smallSet` postings of each of its sets at most, and as many to list a small one. */
export function chooseStrategy(plan: Plan, index: IndexReader, limits = STRATEGY_LIMITS): Strategy {
  const parts = plan.kind === "and" ? plan.plans : [plan];
  const counted = parts.map((part) => ({ part, documents: count(part, index, limits.smallSet + 1) }));
  counted.sort(byDocuments);
  const [least] = counted;
  if (least && least.documents <= limits.smallSet) {
    const lead = least.part;
    const rest = narrowing(parts.filter((part) => part !== lead), index);
    const keys = keysOf(lead, index, limits.mergedKeys);
    const source: Source = keys
      ? { kind: "postings", keys }
      : { kind: "list", ords: listOf(lead, index, limits.smallSet) };
    return {
      source,
      narrow: rest.sql,
      exact: plan.exact && rest.isWhole && isListedExactly(lead),
      candidates: least.documents,
      leads: describe(lead, least.documents),
    };
  }
  for (const { part } of counted) {
    const keys = keysOf(part, index, limits.mergedKeys);
    if (!keys) continue;
    const rest = narrowing(parts.filter((other) => other !== part), index);
    return {
      source: { kind: "postings", keys },
      narrow: rest.sql,
      exact: plan.exact && rest.isWhole,
      candidates: Infinity,
      leads: describe(part, Infinity),
    };
  }
  const rest = narrowing(parts, index);
  return {
    source: { kind: "documents" },
    narrow: rest.sql,
    exact: plan.exact && rest.isWhole,
    candidates: Infinity,
    leads: "every document, by age",
  };
}

/** How many documents a set has, counted up to `most`. Some may be counted twice. */
function count(plan: Plan, index: IndexReader, most: number): number {
  switch (plan.kind) {
    case "all":
    case "not":
      return Infinity;
    case "ranges": {
      let sum = 0;
      for (const range of plan.ranges) {
        sum += index.count(range, most - sum);
        if (sum >= most) return most;
      }
      return sum;
    }
    case "and":
      return Math.min(...plan.plans.map((inner) => count(inner, index, most)));
    case "or":
      return plan.plans.reduce((sum, inner) => sum + count(inner, index, most), 0);
  }
}

/** The postings of a set that has only keys, each of which lists its documents by age. */
function keysOf(plan: Plan, index: IndexReader, most: number): Sql[] | undefined {
  if (plan.kind !== "ranges" || plan.ranges.length > most || !plan.ranges.every(isKey)) return undefined;
  return plan.ranges.flatMap((range) => index.where(range) ?? []);
}

function isListedExactly(plan: Plan): boolean {
  return plan.kind === "ranges" || (plan.kind === "or" && plan.plans.every(isListedExactly));
}

/** The documents of a set that has `most` at most, sorted. */
function listOf(plan: Plan, index: IndexReader, most: number): Float64Array {
  const ords = new Set<number>();
  const add = (part: Plan): void => {
    switch (part.kind) {
      case "or":
        return part.plans.forEach(add);
      case "and": {
        const counted = part.plans.map((inner) => ({ inner, documents: count(inner, index, most + 1) }));
        const [least] = counted.sort(byDocuments);
        return least && add(least.inner);
      }
      case "ranges":
        for (const range of part.ranges) addRange(ords, range, index);
    }
  };
  add(plan);
  return Float64Array.from(ords).sort();
}

function addRange(ords: Set<number>, range: PostingRange, index: IndexReader): void {
  const where = index.where(range);
  if (!where) return;
  const sql = `SELECT ord FROM posting WHERE ${where.text}`;
  for (const [ord] of index.rows(sql, ...where.values)) ords.add(Number(ord));
}

/** Sets that cannot be counted come last. */
function byDocuments(a: { documents: number }, b: { documents: number }): number {
  return a.documents < b.documents ? -1 : a.documents > b.documents ? 1 : 0;
}

/** How many keys SQL is asked about for one document. */
const MAX_ASKED_KEYS = 16;

/** What SQL can ask of a document `d`, and whether that is all there is to ask. */
export function narrowing(plans: readonly Plan[], index: IndexReader): { sql: Sql; isWhole: boolean } {
  const asked = plans.map((plan) => condition(plan, index));
  const known = asked.filter((sql) => sql !== undefined);
  if (known.length === 0) return { sql: NO_CONDITION, isWhole: asked.length === 0 };
  return { sql: joined(known, " AND "), isWhole: known.length === asked.length };
}

function condition(plan: Plan, index: IndexReader): Sql | undefined {
  switch (plan.kind) {
    case "all":
      return plan.exact ? NO_CONDITION : undefined;
    case "not": {
      const inner = condition(plan.plan, index);
      return inner && { text: `NOT ${inner.text}`, values: inner.values };
    }
    case "ranges": {
      if (plan.ranges.length > MAX_ASKED_KEYS || !plan.ranges.every(isKey)) return undefined;
      const keys = plan.ranges.flatMap((range) => index.where(range) ?? []);
      if (keys.length === 0) return { text: "0", values: [] };
      const each = keys.map(({ text, values }): Sql => ({
        text: `EXISTS (SELECT 1 FROM posting WHERE ${text} AND ord = d.ord)`,
        values,
      }));
      return joined(each, " OR ");
    }
    case "and":
    case "or": {
      const each = plan.plans.map((inner) => condition(inner, index));
      const known = each.filter((sql) => sql !== undefined);
      if (known.length < each.length) return undefined;
      return joined(known, plan.kind === "and" ? " AND " : " OR ");
    }
  }
}

function joined(parts: Sql[], word: string): Sql {
  return {
    text: `(${parts.map(({ text }) => text).join(word)})`,
    values: parts.flatMap(({ values }) => values),
  };
}

function describe(plan: Plan, documents: number): string {
  const amount = documents === Infinity ? "many documents" : `${documents} documents at most`;
  return `${inWords(plan)} (${amount})`;
}

function inWords(plan: Plan): string {
  switch (plan.kind) {
    case "all":
      return "every document";
    case "not":
      return `not ${inWords(plan.plan)}`;
    case "ranges":
      return plan.ranges.length === 0 ? "nothing" : listed(plan.ranges.map(rangeInWords), " or ");
    case "and":
    case "or":
      return `(${listed(plan.plans.map(inWords), ` ${plan.kind} `)})`;
  }
}

function listed(words: string[], word: string): string {
  const shown = words.slice(0, 5).join(word);
  return words.length > 5 ? `${shown} and ${words.length - 5} more` : shown;
}

function rangeInWords({ path, low, high }: PostingRange): string {
  if (low && high && low.value === high.value) return `${path} = ${JSON.stringify(low.value)}`;
  const from = low && `${path} ${low.isOpen ? ">" : "≥"} ${JSON.stringify(low.value)}`;
  const to = high && `${path} ${high.isOpen ? "<" : "≤"} ${JSON.stringify(high.value)}`;
  return [from, to].filter((word) => word !== undefined).join(" and ") || `${path} exists`;
}
