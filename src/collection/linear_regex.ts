/**
 * Regular expressions that match in time linear in the text, whatever the pattern: RE2's algorithm, by re2js.
 *
 * MongoDB's `$regex` speaks PCRE2. Patterns are translated to RE2's spelling first (see `pcre_syntax.ts`); what RE2
 * cannot do in linear time, look-around and back-references above all, is refused with a sentence.
 */

import { RE2JS, RE2JSException } from "re2js";
import { PatternProblem, translatePattern } from "./pcre_syntax.ts";

/**
 * The instructions that all the patterns of one filter may compile to. Matching takes time in proportion to the
 * text times this number: about 0.7 s for 64 KiB of the worst text at 1,000 instructions.
 */
export const maxRegexInstructions = 2000;

/** A compiled pattern, to be used on many texts. */
export class LinearRegex {
  readonly #regex: RE2JS;
  /** What it weighs against {@link maxRegexInstructions}. */
  readonly instructions: number;

  constructor(regex: RE2JS) {
    this.#regex = regex;
    this.instructions = regex.programSize();
  }

  /** Whether the pattern matches anywhere in `text`. */
  test(text: string): boolean {
    return this.#regex.test(text);
  }
}

/**
 * Compiles a `$regex` with its `$options`; `instructionsLeft` bounds the size of the result.
 * Returns the sentence for the client in `problem` if the pattern is wrong, not supported or too large.
 */
export function compileLinearRegex(
  pattern: string,
  options: string,
  instructionsLeft: number,
): { regex: LinearRegex } | { problem: string } {
  if (pattern.includes("\0")) return { problem: "A $regex cannot contain a null character." };
  // `u` is what PCRE2 does for MongoDB anyway.
  const unknown = /[^imsxu]/u.exec(options);
  if (unknown !== null) {
    return { problem: `$options knows i, m, s, x and u, not ${JSON.stringify(unknown[0])}.` };
  }
  const tooLarge = {
    problem: `The patterns of this filter are too large: they compile to more than ` +
      `${maxRegexInstructions} instructions.`,
  };
  try {
    const { source, atoms } = translatePattern(pattern, {
      multiline: options.includes("m"),
      extended: options.includes("x"),
    });
    // Counted before compiling, because repetitions can blow a short pattern up to a million instructions.
    if (atoms > instructionsLeft) return tooLarge;
    const flags = (options.includes("i") ? "i" : "") + (options.includes("s") ? "s" : "");
    const regex = new LinearRegex(RE2JS.compile(flags === "" ? source : `(?${flags})${source}`));
    return regex.instructions > instructionsLeft ? tooLarge : { regex };
  } catch (error) {
    if (error instanceof PatternProblem) return { problem: error.message };
    if (error instanceof RE2JSException) {
      return { problem: `$regex is not a valid pattern (RE2): ${error.message}.` };
    }
    throw error;
  }
}
