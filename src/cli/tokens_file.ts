/**
 * The file of `--auth-tokens-file`: one token a line, as `name access token`. Empty lines and lines that begin with `#` are
 * skipped.
 *
 * ```
 * # who          may     with
 * ci-pipeline    write   6J2fQ…
 * dashboard      read    tR9wX…
 * ```
 *
 * No error tells a token: a line is named by its number.
 */
import type { AccessToken } from "../http/auth.ts";
import { ConfigError } from "./config.ts";

/** About a thousand tokens. Every request that needs one is compared with all of them. */
const MAX_FILE_BYTES = 64 * 1024;

/** What was read, and whether others on this machine can read it too. */
export interface TokensFile {
  tokens: AccessToken[];
  isExposed: boolean;
}

/**
 * Reads a file of tokens.
 *
 * @throws {ConfigError} in one line, if it cannot be read, is malformed, or holds no token
 */
export async function readTokensFile(path: string): Promise<TokensFile> {
  const { text, mode } = await read(path);
  // Bits of group and others (POSIX `st_mode`); Windows has none.
  const isExposed = mode !== null && (mode & 0o077) !== 0;
  return { tokens: parseTokens(text, path), isExposed };
}

async function read(path: string): Promise<{ text: string; mode: number | null }> {
  try {
    const { mode, size } = await Deno.stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
    return { text: await Deno.readTextFile(path), mode };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`The file ${path} cannot be read (--auth-tokens-file): ${reason}`);
  }
}

/**
 * The tokens in the text of such a file.
 *
 * @param path only for the sentence of an error
 * @throws {ConfigError}
 */
export function parseTokens(text: string, path: string): AccessToken[] {
  const tokens: AccessToken[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === "" || words[0]?.startsWith("#")) continue;
    const token = parseLine(words);
    const problem = typeof token === "string" ? token : clashOf(token, tokens);
    if (problem !== undefined) {
      throw new ConfigError(
        `The file ${path} is malformed (--auth-tokens-file): line ${index + 1} ${problem}`,
      );
    }
    if (typeof token !== "string") tokens.push(token);
  }
  // A file of nothing would open the server to everybody, without a word.
  if (tokens.length === 0) throw new ConfigError(`The file ${path} has no token in it (--auth-tokens-file)`);
  return tokens;
}

/** A token, or what is wrong with its line. */
function parseLine(words: string[]): AccessToken | string {
  const [name = "", access, token = ""] = words;
  if (words.length !== 3) return `has ${words.length} words; it must be "name read|write token"`;
  if (!/^[\w.@-]{1,64}$/.test(name)) return "has a name that is not 1 to 64 of A-Z a-z 0-9 . _ @ -";
  if (access !== "read" && access !== "write") return "must have read or write as its second word";
  if (!/^[!-~]+$/.test(token)) return "has a token with a character that no header can hold";
  return { name, access, token };
}

function clashOf({ name, token }: AccessToken, others: AccessToken[]): string | undefined {
  if (others.some((other) => other.name === name)) return "has a name that an earlier line has";
  if (others.some((other) => other.token === token)) return "has a token that an earlier line has";
  return undefined;
}
