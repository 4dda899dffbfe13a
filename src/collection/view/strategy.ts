/**
 * Chooses how to run a plan: which of its sets is walked through, and which of the others SQL can ask of each document.
 *
 * The set with the fewest documents leads. Where all have many, the rarest of those that list them by age leads, because a page
 * of it is found without the rest; where there is none, every document is looked at, by age, or a set is listed and put in order first,
 * whichever is less work for as many documents as are wanted.
 */
import { isKey, type Plan, type PostingRange } from "../plan.ts";
import { byValues } from "./few_values.ts";
import type { IndexReader, Sql } from "./index_reader.ts";
import { endOfWindow, type Source } from "./scan.ts";

/** Bounds of the choice; tests choose smaller ones to have every way taken. */
export interface StrategyLimits {
  /** Where a set of up to so many postings leads, nothing is asked of the others that takes a look at the index to find out. */
  fewPostings: number;
  /** A set of up to so many postings leads, whatever the others are. Most are counted no further. */
  smallSet: number;
  /** The postings of a set that is not small are counted up to here, where that decides something. */
  largeSet: number;
  /** So many keys can be walked through side by side. */
  mergedKeys: number;
  /** So many documents are looked at before what was found among them says something. */
  lookFirst: number;
  /** So many documents one window of a scan begins with. */
  firstWindow: number;
}

/** Measured: to count takes 30 ns a posting, so 3 ms at most. */
export const STRATEGY_LIMITS: StrategyLimits = {
  fewPostings: 2000,
  smallSet: 10_000,
  largeSet: 100_000,
  mergedKeys: 50,
  lookFirst: 500,
  firstWindow: 64,
};

/** To read a document and try the filter on it takes about as long as to list so many postings. */
const POSTINGS_PER_DOCUMENT = 10;

/** How a plan is run. */
export interface Strategy {
  /** What is walked through; a set is listed first (`listing.ts`). */
  source: Source | { kind: "set"; ranges: PostingRange[] };
  /** What SQL asks of each document of the source. */
  narrow: Sql;
  /** What comes out is just what matches; only documents that are partly indexed still need the filter. */
  exact: boolean;
  /** So many postings lead at most; `Infinity` for many. */
  candidates: number;
  /** What leads, in words. */
  leads: string;
  /** Another way, for when the source turns out to hold few matches, and how many postings that is to list. */
  instead?: { strategy: Strategy; postings: number };
}

/** Asks nothing of a document. */
export const NO_CONDITION: Sql = { text: "1", values: [] };

/**
 * Chooses how to run a plan. Counts `fewPostings` of each of its sets and, where none is so small, `smallSet` of those whose
 * number decides something, and `largeSet` of one of them.
 *
 * @param wanted how many matches are wanted; `Infinity` for all
 */
export function chooseStrategy(
  plan: Plan,
  index: IndexReader,
  wanted: number,
  limits = STRATEGY_LIMITS,
): Strategy {
  const parts = partsOf(plan, index, wanted, limits);
  const ledBy = (lead: Part, source: Strategy["source"], candidates: number): Strategy => {
    const rest = narrowing(parts.filter((part) => part !== lead).map(({ plan }) => plan), index);
    const exact = plan.exact && rest.isWhole && isListedExactly(lead.plan);
    return { source, narrow: rest.sql, exact, candidates, leads: describe(lead.asked, candidates) };
  };
  const [least] = parts;
  if (least && least.documents <= limits.smallSet) {
    const ranges = () => rangesOf(least.plan, index, limits.smallSet);
    return ledBy(least, least.keys ?? { kind: "set", ranges: ranges() }, least.documents);
  }
  const rarest = rarestOf(parts, index, limits);
  if (rarest?.keys) return ledBy(rarest, rarest.keys, Infinity);
  const rest = narrowing(parts.map(({ plan }) => plan), index);
  const all: Strategy = {
    source: { kind: "documents" },
    narrow: rest.sql,
    exact: plan.exact && rest.isWhole,
    candidates: Infinity,
    leads: "every document, by age",
  };
  const listable = parts.find(({ plan }) => plan.kind === "ranges");
  if (listable?.plan.kind !== "ranges") return all;
  const { ranges } = listable.plan;
  const set = ledBy(listable, { kind: "set", ranges }, Infinity);
  if (wanted === Infinity) return set;
  const postings = count(listable.plan, index, limits.largeSet);
  const isOpen = ranges.some(({ test }) => test) || postings >= limits.largeSet;
  // How many pass a test is not known; a look at some documents will tell.
  const looked = isOpen ? 0 : wanted * index.documents() / postings;
  return postings < looked * POSTINGS_PER_DOCUMENT ? set : {
    ...all,
    instead: { strategy: set, postings: isOpen ? Math.max(postings, index.documents()) : postings },
  };
}

/** One of the sets whose intersection a plan is. */
interface Part {
  /** As the filter says it. */
  asked: Plan;
  /** The same set, value by value where that is known. */
  plan: Plan;
  /** The same set as something that lists its documents by age, where it is a few keys. */
  keys: Source | undefined;
  /** How many documents it has, counted as far as that decides something. */
  documents: number;
}

/** The sets of a plan, the smallest first. */
function partsOf(plan: Plan, index: IndexReader, wanted: number, limits: StrategyLimits): Part[] {
  const few = limits.fewPostings + 1;
  const parts = conjuncts(plan).map((asked) => ({ asked, documents: count(asked, index, few) }));
  const areMany = parts.every(({ documents }) => documents >= few);
  const partOf = ({ asked, documents }: { asked: Plan; documents: number }): Part => {
    const plan = areMany ? byValues(asked, index, limits.mergedKeys) : asked;
    const keys = keysOf(plan, index, limits.mergedKeys);
    const part: Part = { asked, plan, keys: keys && { kind: "postings", keys }, documents };
    if (!areMany) return part;
    // The first documents of keys are found without knowing how many there are.
    const isFound = keys !== undefined && wanted < Infinity;
    return { ...part, documents: isFound ? Infinity : count(plan, index, limits.smallSet + 1) };
  };
  return parts.map(partOf).sort(byDocuments);
}

/** Of sets of keys the one whose first documents reach farthest: it has the fewest where a page begins. */
function rarestOf(parts: readonly Part[], index: IndexReader, limits: StrategyLimits): Part | undefined {
  const keyed = parts.filter(({ keys }) => keys);
  if (keyed.length < 2) return keyed[0];
  const reach = ({ keys }: Part) => keys ? endOfWindow(index, keys, 0, limits.lookFirst) : 0;
  const reached = keyed.map((part) => ({ part, end: reach(part) }));
  return reached.reduce((best, one) => one.end > best.end ? one : best).part;
}

/** The sets whose intersection a plan is. */
function conjuncts(plan: Plan): Plan[] {
  return plan.kind === "and" ? plan.plans : [plan];
}

/** Whether another way is less work than to go on: by the matches among the documents that were looked at. */
export function isWorthChanging(
  { instead }: Strategy,
  { looked, found, wanted }: { looked: number; found: number; wanted: number },
  limits: StrategyLimits,
): boolean {
  if (!instead || looked < limits.lookFirst) return false;
  const left = (wanted - found) * looked / (found + 0.5);
  return left * POSTINGS_PER_DOCUMENT > instead.postings;
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

/** The ranges that a small set is made of, or of the smallest of those it is the intersection of. */
function rangesOf(plan: Plan, index: IndexReader, most: number): PostingRange[] {
  switch (plan.kind) {
    case "ranges":
      return plan.ranges;
    case "or":
      return plan.plans.flatMap((inner) => rangesOf(inner, index, most));
    case "and": {
      const counted = plan.plans.map((inner) => ({ inner, documents: count(inner, index, most + 1) }));
      const [least] = counted.sort(byDocuments);
      return least ? rangesOf(least.inner, index, most) : [];
    }
    case "all":
    case "not":
      return [];
  }
}

/** Sets that cannot be counted come last. */
function byDocuments(a: { documents: number }, b: { documents: number }): number {
  return a.documents < b.documents ? -1 : a.documents > b.documents ? 1 : 0;
}

/** What SQL can ask of any document, and whether that is all that a plan asks. */
export function conditionOf(
  plan: Plan,
  index: IndexReader,
  limits: StrategyLimits,
): { sql: Sql; isWhole: boolean } {
  return narrowing(conjuncts(byValues(plan, index, limits.mergedKeys)), index);
}

/** How many keys of one set SQL is asked about for one document. */
const MAX_ASKED_KEYS = 16;

/** And of all sets: SQLite refuses a thousand conditions, and plans for long, which nothing can stop, when there are hundreds. */
const MAX_ASKED_IN_ALL = 64;

/** What SQL can ask of a document `d`, and whether that is all there is to ask. */
function narrowing(plans: readonly Plan[], index: IndexReader): { sql: Sql; isWhole: boolean } {
  const budget = { left: MAX_ASKED_IN_ALL };
  const asked = plans.map((plan) => condition(plan, index, budget));
  const known = asked.filter((sql) => sql !== undefined);
  if (known.length === 0) return { sql: NO_CONDITION, isWhole: asked.length === 0 };
  return { sql: joined(known, " AND "), isWhole: known.length === asked.length };
}

function condition(plan: Plan, index: IndexReader, budget: { left: number }): Sql | undefined {
  switch (plan.kind) {
    case "all":
      return plan.exact && budget.left-- > 0 ? NO_CONDITION : undefined;
    case "not": {
      const inner = condition(plan.plan, index, budget);
      return inner && { text: `NOT ${inner.text}`, values: inner.values };
    }
    case "ranges": {
      // What no document has is a condition as well.
      const cost = Math.max(1, plan.ranges.length);
      if (cost > Math.min(MAX_ASKED_KEYS, budget.left) || !plan.ranges.every(isKey)) return undefined;
      budget.left -= cost;
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
      const known: Sql[] = [];
      for (const inner of plan.plans) {
        const sql = condition(inner, index, budget);
        if (!sql) return undefined;
        known.push(sql);
      }
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
  const amount = documents === Infinity ? "many postings" : `${documents} postings`;
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

function rangeInWords({ path, low, high, test }: PostingRange): string {
  if (test) return `a value of ${path} that passes`;
  if (low && high && low.value === high.value) return `${path} = ${JSON.stringify(low.value)}`;
  const from = low && `${path} ${low.isOpen ? ">" : "≥"} ${JSON.stringify(low.value)}`;
  const to = high && `${path} ${high.isOpen ? "<" : "≤"} ${JSON.stringify(high.value)}`;
  return [from, to].filter((word) => word !== undefined).join(" and ") || `${path} exists`;
}
