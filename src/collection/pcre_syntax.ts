/**
 * Translates the spelling of PCRE2, which MongoDB's `$regex` uses, to that of RE2.
 *
 * What differs, and what becomes of it (pcre2pattern(3); RE2 wiki, "Syntax"):
 * - `$` and `\Z` also match before a newline that ends the text. RE2 has no such assertion; they become an optional
 *   last newline and the end. Only a pattern that goes on after `$` could tell.
 * - `\s` includes the vertical tab; `\h \H \v \V \N \e \cX \o{}` and octal escapes are spelled out; `(?#…)` goes.
 * - Option `x` is applied here: white space and comments outside of classes go.
 * - Groups do not capture: a filter only asks whether there is a match.
 * - `^` with option `m` also matches after a newline that ends the text, which PCRE2's does not.
 * - Repetitions count to 1,000, in PCRE2 to 65,535.
 * - Refused: look-around, back-references, recursion, conditions, atomic groups, possessive quantifiers, verbs,
 *   `\G \K \R \X \C`.
 */

/** What is wrong with a pattern, as a sentence for the client. */
export class PatternProblem extends Error {
  override readonly name = "PatternProblem";
}

/** The options that the translation itself applies. */
export interface PatternOptions {
  readonly multiline: boolean;
  readonly extended: boolean;
}

/**
 * Translates `pattern`. `atoms` estimates, from above within a small factor, what it compiles to, with repetitions
 * multiplied out.
 *
 * @throws {PatternProblem} if the pattern uses what cannot be done in linear time, or is malformed.
 */
export function translatePattern(
  pattern: string,
  options: PatternOptions,
): { source: string; atoms: number } {
  return new Translation(pattern, options).run();
}

const horizontalSpace = [0x09, 0x09, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x180e, 0x180e, 0x2000, 0x200a] //
  .concat([0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000]);
/** Classes that RE2 lacks or has otherwise: first and last code point of each range, in order. */
const classes: ReadonlyMap<string, readonly number[]> = new Map([
  ["s", [0x09, 0x0d, 0x20, 0x20]],
  ["h", horizontalSpace],
  ["v", [0x0a, 0x0d, 0x85, 0x85, 0x2028, 0x2029]],
]);

const linearOnly = "patterns are matched in linear time";
const notLinear = {
  lookAround: `Look-around is not supported in $regex: ${linearOnly}.`,
  backReference: `Back-references and recursion are not supported in $regex: ${linearOnly}.`,
  atomic: `Atomic groups and possessive quantifiers are not supported in $regex: ${linearOnly}.`,
  condition: `Conditions and branch resets are not supported in $regex: ${linearOnly}.`,
};

/** What takes RE2 long to compile in a class, above all when it ignores case: a range up to beyond Latin, a property. */
const wideRange = /-(?:\\x\{[0-9a-f]{3,}\}|[^\0-\x7f])|\\[pP]/g;
const wideRangeAtoms = 10;

const lineEnd = "(?:\\n?\\z)";
const extendedSpace = /[ \t\n\v\f\r\x85\u200e\u200f\u2028\u2029]/;

/** An open group: what holds again when it closes, and how large it has become. */
interface Group {
  readonly multiline: boolean;
  readonly extended: boolean;
  atoms: number;
}

class Translation {
  readonly #pattern: string;
  #at = 0;
  #out = "";
  #multiline: boolean;
  #extended: boolean;
  readonly #groups: Group[] = [];
  #atoms = 1;
  /** The size of what a quantifier would repeat. */
  #lastAtoms = 0;

  constructor(pattern: string, options: PatternOptions) {
    this.#pattern = pattern;
    this.#multiline = options.multiline;
    this.#extended = options.extended;
  }

  run(): { source: string; atoms: number } {
    while (this.#at < this.#pattern.length) this.#item();
    if (this.#groups.length > 0) throw new PatternProblem("$regex has a group that is not closed.");
    return { source: this.#out, atoms: this.#atoms };
  }

  #take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    const match = expression.exec(this.#pattern);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #emit(text: string, atoms = 1): void {
    this.#out += text;
    this.#lastAtoms = atoms;
    this.#atoms += atoms;
  }

  #item(): void {
    const char = this.#pattern.charAt(this.#at);
    if (this.#extended && this.#skipExtended(char)) return;
    switch (char) {
      case "\\":
        return this.#escape();
      case "[":
        return this.#class();
      case "(":
        return this.#open();
      case ")":
        return this.#close();
      case "*":
      case "+":
      case "?":
      case "{":
        return this.#quantifier();
    }
    this.#at++;
    if (char === "^") this.#emit(this.#multiline ? "(?m:^)" : "\\A");
    else if (char === "$") this.#emit(this.#multiline ? "(?m:$)" : lineEnd, 3);
    else this.#emit(char);
  }

  #skipExtended(char: string): boolean {
    if (char !== "#" && !extendedSpace.test(char)) return false;
    if (char === "#") this.#take(/[^\n]*/y);
    else this.#at++;
    return true;
  }

  #quantifier(): void {
    const match = this.#take(/(?:[*+?]|\{([0-9]+)(,?)([0-9]*)\})(\??)(\+?)/y);
    if (match === null) {
      this.#at++;
      return this.#emit("\\{");
    }
    const [text, least = "0", , most = "", , possessive] = match;
    if (this.#lastAtoms === 0) throw new PatternProblem(`The ${text} in $regex has nothing to repeat.`);
    if (possessive === "+") throw new PatternProblem(notLinear.atomic);
    const times = Math.max(Number(least), Number(most), 1);
    const branches = most === "" ? 1 : times - Number(least);
    this.#atoms += this.#lastAtoms * (times - 1) + branches;
    // A quantifier of a quantifier multiplies again.
    this.#lastAtoms *= times;
    this.#out += text;
  }

  #open(): void {
    if (this.#take(/\(\?#[^)]*\)/y) !== null) return;
    if (this.#take(/\(\?<?[=!]|\(\*(?:[pn]l[ab]|(?:positive|negative)_look)/y) !== null) {
      throw new PatternProblem(notLinear.lookAround);
    }
    if (this.#take(/\(\?(?:P[=>]|&|R|[+-]?[0-9])/y) !== null) {
      throw new PatternProblem(notLinear.backReference);
    }
    if (this.#take(/\(\?>/y) !== null) throw new PatternProblem(notLinear.atomic);
    if (this.#take(/\(\?[(|]/y) !== null) throw new PatternProblem(notLinear.condition);
    if (this.#take(/\(\*/y) !== null) {
      throw new PatternProblem("Verbs such as (*UCP) are not supported in $regex.");
    }
    const group: Group = { multiline: this.#multiline, extended: this.#extended, atoms: this.#atoms };
    let opening = "(?:";
    const flags = this.#take(/\(\?([imsxU]*)(?:-([imsxU]*))?([:)])/y);
    if (flags !== null) {
      const [, on = "", off = "", end] = flags;
      const kept = on.replaceAll(/[mx]/g, "") + (/[isU]/.test(off) ? `-${off.replaceAll(/[mx]/g, "")}` : "");
      this.#setFlags(on, off);
      if (end === ")") {
        if (kept !== "") this.#out += `(?${kept})`;
        this.#lastAtoms = 0;
        return;
      }
      opening = `(?${kept}:`;
    } else if (this.#take(/\((?:\?(?:P?<[A-Za-z_]\w*>|'[A-Za-z_]\w*'))?/y) !== null && this.#peek("?")) {
      throw new PatternProblem("$regex has a group of a kind that is not supported.");
    }
    this.#out += opening;
    this.#lastAtoms = 0;
    this.#groups.push(group);
  }

  #peek(char: string): boolean {
    return this.#pattern.charAt(this.#at) === char;
  }

  #setFlags(on: string, off: string): void {
    this.#multiline = (this.#multiline || on.includes("m")) && !off.includes("m");
    this.#extended = (this.#extended || on.includes("x")) && !off.includes("x");
  }

  #close(): void {
    const group = this.#groups.pop();
    if (group === undefined) throw new PatternProblem("$regex closes a group that is not open.");
    this.#at++;
    this.#out += ")";
    this.#multiline = group.multiline;
    this.#extended = group.extended;
    // An empty group is repeated as well.
    this.#lastAtoms = Math.max(1, this.#atoms - group.atoms);
  }

  #escape(): void {
    if (this.#take(/\\Q/y) !== null) {
      for (const char of this.#quotation()) this.#emit(literal(char));
      return;
    }
    if (this.#take(/\\E/y) !== null) return;
    if (this.#take(/\\(?:[1-9]|[gk])/y) !== null) throw new PatternProblem(notLinear.backReference);
    const assertion = this.#take(/\\([AbBzZ])/y);
    if (assertion !== null) return this.#emit(assertion[1] === "Z" ? lineEnd : assertion[0], 3);
    if (this.#take(/\\N(?!\{)/y) !== null) return this.#emit("[^\\n]");
    const named = this.#take(/\\([shvSHV])/y);
    if (named !== null) return this.#emit(`[${ranges(named[1] ?? "")}]`);
    this.#emit(this.#charEscape());
  }

  /** An escape that means the same inside and outside of a class. */
  #charEscape(): string {
    const same = this.#take(/\\(?:[dDwWnrtfa]|[pP](?:\{[^}]*\}|.))/y);
    if (same !== null) return same[0];
    if (this.#take(/\\e/y) !== null) return hex(0x1b);
    const control = this.#take(/\\c([ -~])/y);
    if (control !== null) return hex((control[1] ?? "").toUpperCase().charCodeAt(0) ^ 0x40);
    const hexadecimal = this.#take(/\\x(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{0,2}))/y);
    if (hexadecimal !== null) return hex(parseInt(hexadecimal[1] ?? hexadecimal[2] ?? "", 16) || 0);
    const octal = this.#take(/\\(?:o\{([0-7]{1,8})\}|(0[0-7]{0,2}))/y);
    if (octal !== null) return hex(parseInt(octal[1] ?? octal[2] ?? "", 8));
    const other = this.#take(/\\([^A-Za-z0-9])/uy);
    if (other !== null) return literal(other[1] ?? "");
    const escape = this.#pattern.slice(this.#at, this.#at + 2);
    throw new PatternProblem(
      escape === "\\" ? "$regex ends with a backslash." : `The escape ${escape} is not supported in $regex.`,
    );
  }

  /** What stands between `\Q` and `\E`. */
  #quotation(): string {
    const end = this.#pattern.indexOf("\\E", this.#at);
    const text = this.#pattern.slice(this.#at, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#pattern.length : end + 2;
    return text;
  }

  #class(): void {
    const opening = this.#take(/\[(\^?)(\]?)/y);
    let text = `[${opening?.[1] ?? ""}${opening?.[2] === "]" ? "\\]" : ""}`;
    while (!this.#peek("]")) {
      if (this.#at >= this.#pattern.length) {
        throw new PatternProblem("$regex has a class that is not closed.");
      }
      text += this.#classItem();
    }
    this.#at++;
    this.#emit(`${text}]`, 1 + wideRangeAtoms * (text.match(wideRange)?.length ?? 0));
  }

  #classItem(): string {
    const posix = this.#take(/\[:\^?[a-z]+:\]/y);
    if (posix !== null) return posix[0];
    if (this.#take(/\[([.=])[^\]]*\1\]/y) !== null) {
      throw new PatternProblem("Collating elements are not supported in $regex.");
    }
    if (this.#take(/\\Q/y) !== null) return [...this.#quotation()].map(literal).join("");
    if (this.#take(/\\E/y) !== null) return "";
    if (this.#take(/\\b/y) !== null) return hex(0x08);
    const octal = this.#take(/\\([1-7][0-7]{0,2})/y);
    if (octal !== null) return hex(parseInt(octal[1] ?? "", 8));
    const named = this.#take(/\\([shvSHV])/y);
    if (named !== null) return ranges(named[1] ?? "");
    if (this.#peek("\\")) return this.#charEscape();
    const char = this.#pattern.charAt(this.#at++);
    return char === "[" ? "\\[" : char;
  }
}

/** The ranges of a class by its letter; of its complement if the letter is a capital. All are written as ranges,
 * so that a hyphen behind them stays a hyphen. */
function ranges(letter: string): string {
  const bounds = classes.get(letter.toLowerCase()) ?? [];
  if (letter === letter.toLowerCase()) return pairs(bounds);
  return pairs([0, ...bounds.map((bound, i) => i % 2 === 0 ? bound - 1 : bound + 1), 0x10ffff]);
}

function pairs(bounds: readonly number[]): string {
  let text = "";
  for (let i = 0; i < bounds.length; i += 2) text += `${hex(bounds[i] ?? 0)}-${hex(bounds[i + 1] ?? 0)}`;
  return text;
}

/** One character as itself. */
function literal(char: string): string {
  return /^[A-Za-z0-9]$/.test(char) ? char : hex(char.codePointAt(0) ?? 0);
}

function hex(codePoint: number): string {
  return `\\x{${codePoint.toString(16)}}`;
}
