/** The flags of every client command: which server, with which token, for people or for programs. */
import type { Command } from "commander";
import type { ConnectionOptions } from "../../client/connection.ts";
import { ConfigError } from "../config.ts";

/** What the flags of every client command give. */
export interface ConnectionFlags {
  server?: string;
  token?: string;
  json?: boolean;
}

/** The server that a command speaks to when no flag names one. */
export interface ServerSource {
  /** Environment variables, the first that is set wins. */
  variables: readonly string[];
  fallback: (environment: (name: string) => string | undefined) => string;
  /** The fallback as the help shows it. */
  shown: string;
}

/** An Assets DB on this machine. */
export const ASSETS_SERVER: ServerSource = {
  variables: ["ASSETS_SERVER_URL"],
  fallback: (environment) => `http://localhost:${environment("PORT") || "4000"}`,
  shown: "http://localhost:<PORT or 4000>",
};

/** A registry on this machine. */
export const REGISTRY_SERVER: ServerSource = {
  variables: ["REGISTRY_URL", "ASSETS_SERVER_URL"],
  fallback: () => "http://localhost:4001",
  shown: "http://localhost:4001",
};

/** Adds the flags to a command. */
export function withConnection(command: Command, source: ServerSource = ASSETS_SERVER): Command {
  const variables = source.variables.join(", then ");
  return command
    .option("--server <URL>", `the server [${variables}] (default: ${source.shown})`)
    .option(
      "--token <token>",
      "its bearer token; the variable keeps it out of the process list [ASSETS_TOKEN]",
    )
    .option("--json", "print JSON, for programs")
    .helpOption("--help", "print this help");
}

/**
 * How the server is reached.
 *
 * @throws {ConfigError} for what is no http(s) URL or no token
 */
export function connectionOf(
  flags: ConnectionFlags,
  options: { source?: ServerSource; signal?: AbortSignal; isFrom?: boolean } = {},
  environment = (name: string) => Deno.env.get(name),
): ConnectionOptions {
  const { variables, fallback } = options.source ?? ASSETS_SERVER;
  const variable = variables.find((name) => environment(name));
  const server = flags.server ?? (variable && environment(variable)) ?? fallback(environment);
  const named = options.isFrom
    ? "--from"
    : flags.server === undefined && variable !== undefined
    ? variable
    : "--server";
  // A token is for one server alone.
  const token = flags.token ?? (options.isFrom ? undefined : environment("ASSETS_TOKEN") || undefined);
  // RFC 6750 §2.1, and a little more: what cannot be in a header would fail without a word on the token.
  if (token !== undefined && !/^[!-~]+$/.test(token)) {
    const source = options.isFrom ? "--from-token" : flags.token === undefined ? "ASSETS_TOKEN" : "--token";
    throw new ConfigError(`${source} is no bearer token`);
  }
  return { server: checkedUrl(server, named), token, signal: options.signal };
}

function checkedUrl(server: string, named: string): string {
  if (!/^https?:\/\//i.test(server) || !URL.canParse(server)) {
    throw new ConfigError(`${named} must be an http(s) URL, not ${JSON.stringify(server)}`);
  }
  const { search, hash, username } = new URL(server);
  if (search === "" && hash === "" && username === "") return server;
  throw new ConfigError(`${named} must be a URL without a query, a fragment and a user`);
}
