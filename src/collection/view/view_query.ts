/** A query on a view, and how it is run on another thread. */
import { ServiceError } from "../../errors.ts";
import type { Cursor } from "../cursor.ts";
import type { Filter } from "../filter.ts";
import type { Sort } from "../sort.ts";
import type { Found } from "./search.ts";
import type { BaseUrls } from "./shown_text.ts";
import { type QueryThread, ThreadReplaced, type ThreadResult } from "./query_thread.ts";

/** What is asked of a view. */
export interface ViewQuery {
  filter: Filter;
  /** Without it: oldest first. */
  sort?: Sort;
  /** The most matches wanted; `Infinity` for all. */
  limit: number;
  /** Where to go on: behind this match. */
  cursor?: Cursor;
  /** How long it may work, in milliseconds. */
  timeoutMs: number;
  /** Ends it when nobody waits any more. */
  signal?: AbortSignal;
}

/** How often a query is begun anew because others made its thread hang. */
const MAX_TRIES = 3;

/**
 * Runs a query on another thread. Should that thread have to be ended for another query, it goes on where it was.
 *
 * @throws {ServiceError} `timeout`; `unavailable` if that happens again and again
 */
export async function* runOnThread(
  chooseThread: () => QueryThread,
  options: { bases: () => BaseUrls; liveField?: string },
  query: ViewQuery,
  want: "matches" | "count",
): AsyncGenerator<Found[], ThreadResult> {
  const { filter, sort, timeoutMs, signal } = query;
  let { limit, cursor } = query;
  for (let tries = 1;; tries++) {
    const running = chooseThread().run({
      filter: filter.source,
      sort: sort?.text,
      limit,
      cursor,
      bases: [...options.bases()],
      liveField: options.liveField,
      timeoutMs,
      want,
    }, signal);
    try {
      for (let next = await running.next();; next = await running.next()) {
        if (next.done) return next.value;
        const last = next.value.at(-1);
        if (last) cursor = { id: last.id, keys: last.keys, sort: sort?.text ?? "" };
        limit -= next.value.length;
        yield next.value;
      }
    } catch (error) {
      if (!(error instanceof ThreadReplaced)) throw error;
      if (tries === MAX_TRIES) {
        throw new ServiceError("unavailable", "Other queries held this one up again and again; try again.", {
          cause: error,
        });
      }
    } finally {
      await running.return({ count: 0, explanation: NOTHING });
    }
  }
}

/** Of a query that has not run. */
export const NOTHING = { leads: "", exact: false, candidates: 0, tested: 0 };
