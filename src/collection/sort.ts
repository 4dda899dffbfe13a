/** An order that a client asked for, ready for use. */
import type { JsonObject } from "./json.ts";
import { compareBySort, parseSort, type SortKey, type SortValues, sortValues } from "./order.ts";

/** A sort: how to take the values of a document that count, and how to compare them. */
export interface Sort {
  /** The canonical text of the sort; equal texts are equal sorts. */
  text: string;
  keys: readonly SortKey[];
  keysOf: (document: JsonObject) => SortValues;
  compare: (a: SortValues, b: SortValues) => number;
}

/**
 * Reads the `sort` of a query string, such as `asset_name,-asset_file_info.file_size`.
 *
 * @throws {ServiceError} `invalid_request`
 */
export function compileSort(sort: string): Sort {
  const keys = parseSort(sort);
  return {
    text: keys.map(({ path, descending }) => `${descending ? "-" : ""}${path}`).join(","),
    keys,
    keysOf: sortValues(keys),
    compare: compareBySort(keys),
  };
}
