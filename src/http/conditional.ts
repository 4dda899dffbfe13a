/** Conditional requests: RFC 9110 §13. */
import { ServiceError } from "../errors.ts";

/** The validators of the representation that a request is about. */
export interface Validators {
  /** A strong entity tag, quotes included. */
  etag: string;
  lastModified?: Date;
}

/** What the preconditions of a GET or HEAD ask for. */
export type Verdict = "send" | "not_modified";

/**
 * Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 §13.2.2.
 *
 * @throws {ServiceError} `precondition_failed`
 */
export function evaluateRead(headers: Headers, validators: Validators): Verdict {
  const { etag, lastModified } = validators;
  checkUnmodified(headers, validators);
  const ifNoneMatch = headers.get("If-None-Match");
  if (ifNoneMatch !== null) {
    return listsTag(ifNoneMatch, etag, { weak: true }) ? "not_modified" : "send";
  }
  if (lastModified === undefined) return "send";
  const since = parseDate(headers.get("If-Modified-Since"));
  return since !== undefined && wholeSeconds(lastModified) <= since ? "not_modified" : "send";
}

/**
 * Evaluates the preconditions of a change.
 *
 * @throws {ServiceError} `precondition_failed`
 */
export function evaluateChange(headers: Headers, validators: Validators): void {
  checkUnmodified(headers, validators);
  const ifNoneMatch = headers.get("If-None-Match");
  if (ifNoneMatch !== null && listsTag(ifNoneMatch, validators.etag, { weak: true })) {
    throw new ServiceError("precondition_failed", "It is there, in a version that If-None-Match rules out.");
  }
}

/** Whether `If-Range` allows a range to be sent (RFC 9110 §13.1.5): a strong tag or the exact date. */
export function evaluateIfRange(headers: Headers, { etag, lastModified }: Validators): boolean {
  const ifRange = headers.get("If-Range");
  if (ifRange === null) return true;
  if (ifRange.trim().startsWith('"')) return ifRange.trim() === etag;
  const date = parseDate(ifRange);
  return date !== undefined && lastModified !== undefined && wholeSeconds(lastModified) === date;
}

function checkUnmodified(headers: Headers, { etag, lastModified }: Validators): void {
  const ifMatch = headers.get("If-Match");
  if (ifMatch !== null) {
    if (listsTag(ifMatch, etag, { weak: false })) return;
    throw new ServiceError(
      "precondition_failed",
      `It has changed: If-Match does not name its ETag, ${etag}.`,
    );
  }
  if (lastModified === undefined) return;
  const unmodifiedSince = parseDate(headers.get("If-Unmodified-Since"));
  if (unmodifiedSince !== undefined && wholeSeconds(lastModified) > unmodifiedSince) {
    throw new ServiceError("precondition_failed", "It has changed since the date of If-Unmodified-Since.");
  }
}

/** Entity tags may hold commas, so the list is matched, not split (RFC 9110 §8.8.3). */
function listsTag(list: string, etag: string, { weak }: { weak: boolean }): boolean {
  if (list.trim() === "*") return true;
  for (const [tag] of list.matchAll(/(?:W\/)?"[^"]*"/g)) {
    if (tag === etag || (weak && tag === `W/${etag}`)) return true;
  }
  return false;
}

/** Milliseconds of an HTTP date; one that is not valid is ignored (RFC 9110 §13.1.3). */
function parseDate(text: string | null): number | undefined {
  if (text === null) return undefined;
  // JavaScript takes "0" for a date too; an HTTP date begins with the name of a day (§5.6.7).
  const ms = /^[A-Z][a-z]+,? /.test(text.trim()) ? Date.parse(text) : NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** HTTP dates have no fractions of a second. */
function wholeSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000;
}
