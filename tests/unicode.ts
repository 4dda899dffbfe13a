/** Unicode for property tests. */
import fc from "fast-check";

/** How many code points are halves of pairs, which are no characters. */
const SURROGATES = 0x800;

/** Any code point; `fc.string({ unit: "binary" })` draws from the same, out of a table that takes a second to make. */
export const codePoint: fc.Arbitrary<string> = fc.nat(0x10FFFF - SURROGATES)
  .map((n) => String.fromCodePoint(n < 0xD800 ? n : n + SURROGATES));
