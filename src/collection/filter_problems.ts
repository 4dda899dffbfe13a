/** What is wrong with a filter, gathered while it is checked. */

import { type FieldProblem, ServiceError } from "../errors.ts";

/** So many problems are told; a client that sends more has other worries. */
const maxProblems = 20;
/** Of a path so many characters are told: field names in a filter may be as long as the filter. */
const maxPathLength = 500;

/** Gathers the problems of one filter. */
export class FilterProblems {
  readonly #list: FieldProblem[] = [];

  /** Notes that what stands at `path` in the filter is wrong. `message` is a sentence. */
  add(path: string, message: string): void {
    if (this.#list.length < maxProblems) this.#list.push({ path: path.slice(0, maxPathLength), message });
  }

  /** @throws {ServiceError} `invalid_filter` with every problem in `details`, if there is any. */
  throwIfAny(): void {
    const [first] = this.#list;
    if (first === undefined) return;
    throw new ServiceError("invalid_filter", first.message, { details: this.#list });
  }
}

/** An operator or field name as a message quotes it: not longer than a line. */
export function quoted(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}

/** The path of `key` below `at`. */
export function under(at: string, key: string | number): string {
  return at === "" ? String(key) : `${at}.${key}`;
}
