/** What every match of a pattern begins with, so that an index can find the strings that could match. */

/** A character that stands for itself wherever it stands in a pattern. */
const LITERAL = /^[^\\^$.|?*+()[\]{}]$/u;

/** `\.`, `\-` and the like: what is neither letter nor digit stands for itself behind a backslash. */
const ESCAPED = /^[^A-Za-z0-9]$/u;

const QUANTIFIER = /^[*+?{]/;

/**
 * The text that every string matching `pattern` begins with, if the pattern is tied to the beginning.
 *
 * `isWholePattern` says that every string which begins so matches.
 */
export function prefixOfPattern(
  pattern: string,
  options: string,
): { prefix: string; isWholePattern: boolean } | undefined {
  // With `i` there are many beginnings, with `m` a match may begin at any line, with `x` spaces mean nothing.
  if (/[imx]/.test(options) || pattern.includes("|") || pattern.includes("\\Q")) return undefined;
  const anchor = pattern.startsWith("^") ? 1 : pattern.startsWith("\\A") ? 2 : 0;
  if (anchor === 0) return undefined;
  const chars = [...pattern.slice(anchor)];
  let prefix = "";
  let at = 0;
  while (at < chars.length) {
    const isEscape = chars[at] === "\\";
    const char = chars[isEscape ? at + 1 : at] ?? "";
    if (!(isEscape ? ESCAPED : LITERAL).test(char)) break;
    const next = at + (isEscape ? 2 : 1);
    // A quantifier may make the last character one of none.
    if (QUANTIFIER.test(chars[next] ?? "")) break;
    prefix += char;
    at = next;
  }
  return prefix === "" ? undefined : { prefix, isWholePattern: at >= chars.length };
}

/** The least string above all that begin with `prefix`, by code point; undefined if there is none. */
export function endOfPrefix(prefix: string): string | undefined {
  const points = [...prefix].map((char) => char.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    // Surrogates are no characters of their own.
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}
