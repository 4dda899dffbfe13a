/** The tokens of a server: from the environment and from a file, at start and whenever it is told to look again. */
import { getLogger } from "@logtape/logtape";
import type { Config } from "./cli/config.ts";
import { readTokensFile } from "./cli/tokens_file.ts";
import { type AccessToken, AccessTokens } from "./http/auth.ts";

const log = getLogger(["assets-server", "access"]);

/**
 * The tokens that a configuration names.
 *
 * @throws {ConfigError} if their file cannot be read or is malformed
 */
export async function loadTokens(config: Config): Promise<AccessTokens> {
  return new AccessTokens(await readTokens(config));
}

/** Reads the tokens again. If their file is wrong now, that is logged, and the old ones hold. */
export async function reloadTokens(tokens: AccessTokens, config: Config): Promise<void> {
  if (config.authTokensFile === undefined) return;
  try {
    const fresh = await readTokens(config);
    tokens.replace(fresh);
    log.info("The tokens were read again: {count} hold now", { count: fresh.length });
  } catch (error) {
    log.error("The tokens stay as they were: {reason}", {
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Says loudly that everybody who reaches this server may change what it holds. */
export function warnIfOpen(tokens: AccessTokens, host: string): void {
  if (tokens.restricts("write") || isLoopback(host)) return;
  log.warn(
    "WARNING: anybody who can reach {host} can change and delete everything here: it listens beyond this machine, and no write token is set (AUTH_WRITE_TOKEN, --auth-tokens-file)",
    { host },
  );
}

async function readTokens({ tokens: { read, write }, authTokensFile }: Config): Promise<AccessToken[]> {
  const named = (access: "read" | "write", tokens: string[]) =>
    tokens.map((token, index): AccessToken => ({ name: `${access}-${index + 1}`, access, token }));
  const tokens = [...named("write", write), ...named("read", read)];
  if (authTokensFile === undefined) return tokens;
  const file = await readTokensFile(authTokensFile);
  if (file.isExposed) {
    log.warn("WARNING: other users of this machine can get at the tokens in {authTokensFile}; chmod 600 it", {
      authTokensFile,
    });
  }
  return [...tokens, ...file.tokens];
}

/** Whether only this machine can reach an address. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);
}
