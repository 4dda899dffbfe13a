import { assertEquals, assertThrows } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { evaluateChange, evaluateIfRange, evaluateRead } from "../../src/http/conditional.ts";

const lastModified = new Date("2026-01-02T03:04:05.678Z");
const validators = { etag: '"abc"', lastModified };
const AT = "Fri, 02 Jan 2026 03:04:05 GMT";
const BEFORE = "Fri, 02 Jan 2026 03:04:04 GMT";
const AFTER = "Fri, 02 Jan 2026 03:04:06 GMT";

/** "send", "not_modified", or the code of the error. */
function read(headers: Record<string, string>): string {
  try {
    return evaluateRead(new Headers(headers), validators);
  } catch (error) {
    return error instanceof ServiceError ? error.code : String(error);
  }
}

const READS: [headers: Record<string, string>, outcome: string][] = [
  [{}, "send"],
  [{ "If-None-Match": '"abc"' }, "not_modified"],
  [{ "If-None-Match": 'W/"abc"' }, "not_modified"],
  [{ "If-None-Match": "*" }, "not_modified"],
  [{ "If-None-Match": '"x", "abc"' }, "not_modified"],
  [{ "If-None-Match": '"x,y", "abc,"' }, "send"],
  [{ "If-None-Match": '"ABC"' }, "send"],
  [{ "If-Modified-Since": AT }, "not_modified"],
  [{ "If-Modified-Since": AFTER }, "not_modified"],
  [{ "If-Modified-Since": BEFORE }, "send"],
  [{ "If-Modified-Since": "yesterday" }, "send"],
  // §13.1.3: If-None-Match rules If-Modified-Since out.
  [{ "If-None-Match": '"x"', "If-Modified-Since": AT }, "send"],
  [{ "If-Match": '"abc"' }, "send"],
  [{ "If-Match": "*" }, "send"],
  // §13.1.1: strong comparison.
  [{ "If-Match": 'W/"abc"' }, "precondition_failed"],
  [{ "If-Match": '"x"' }, "precondition_failed"],
  [{ "If-Unmodified-Since": AT }, "send"],
  [{ "If-Unmodified-Since": BEFORE }, "precondition_failed"],
  [{ "If-Unmodified-Since": "never" }, "send"],
  // §13.1.4: If-Match rules If-Unmodified-Since out.
  [{ "If-Match": '"abc"', "If-Unmodified-Since": BEFORE }, "send"],
  // §13.2.2: If-Match comes first, If-None-Match after it.
  [{ "If-Match": '"x"', "If-None-Match": '"abc"' }, "precondition_failed"],
  [{ "If-Match": '"abc"', "If-None-Match": '"abc"' }, "not_modified"],
];

for (const [headers, outcome] of READS) {
  Deno.test(`evaluateRead() with ${JSON.stringify(headers)} is ${outcome}`, () => {
    assertEquals(read(headers), outcome);
  });
}

Deno.test("evaluateChange() lets a change through that names the current tag, and no other", () => {
  evaluateChange(new Headers({ "If-Match": '"abc"' }), validators);
  evaluateChange(new Headers(), validators);
  for (
    const [name, value] of [["If-Match", '"x"'], ["If-None-Match", "*"], ["If-None-Match", '"abc"']] as const
  ) {
    const error = assertThrows(
      () => evaluateChange(new Headers({ [name]: value }), validators),
      ServiceError,
    );
    assertEquals(error.code, "precondition_failed");
  }
});

const IF_RANGES: [value: string | undefined, allows: boolean][] = [
  [undefined, true],
  ['"abc"', true],
  ['"x"', false],
  // §13.1.5: a weak tag never allows it.
  ['W/"abc"', false],
  [AT, true],
  [BEFORE, false],
  [AFTER, false],
  ["nonsense", false],
];

for (const [value, allows] of IF_RANGES) {
  Deno.test(`evaluateIfRange() with ${value} ${allows ? "allows" : "forbids"} a range`, () => {
    assertEquals(
      evaluateIfRange(new Headers(value === undefined ? {} : { "If-Range": value }), validators),
      allows,
    );
  });
}
