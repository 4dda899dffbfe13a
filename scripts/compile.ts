/**
 * `deno task compile [--target <target>] [--output <file>]`: the whole program as one executable, `./assets-server`.
 *
 * Deno puts the program behind a runtime of its own, denort, that it downloads for the target. Where that is not
 * reachable, the environment variable `DENORT_BIN` names a denort file to take instead.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** What Deno has a runtime for. */
export const TARGETS: readonly string[] = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

/**
 * What the executable may do. It starts no program and loads no native library.
 *
 * - net: the port and the stores are the user's to choose.
 * - read, write: so is the data folder, and the files that `push`, `pull`, `import` and `backup` are given.
 * - env: besides its own variables, libraries ask for ones that no list would hold for long (`NO_COLOR`, `OTEL_*`).
 * - sys: the host's name for logs; the release, by which libraries tell what a Windows terminal can show.
 * - no prompt: a server has nobody to ask.
 */
const PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys=hostname,osUptime,osRelease",
  "--no-prompt",
];

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Exit code for a command line that makes no sense. */
const USAGE = 2;

/** What is to be made. */
export interface Compilation {
  /** One of `TARGETS`; left out, the system this runs on. */
  target?: string;
  /** The executable's path; by default `assets-server` in the current folder. */
  output?: string;
  /** The program's first module; by default the repository's `main.ts`. */
  entry?: string;
}

/** A command line that makes no sense, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Reads the command line. Throws `UsageError`. */
export function parseCommandLine(args: string[]): Compilation {
  const { target, output } = parseFlags(args);
  if (target !== undefined && !TARGETS.includes(target)) {
    throw new UsageError(`There is no target "${target}"; choose one of ${TARGETS.join(", ")}.`);
  }
  if (output === "") throw new UsageError("--output needs the name of a file.");
  return { target, output };
}

function parseFlags(args: string[]): { target?: string; output?: string } {
  try {
    const options = { target: { type: "string" }, output: { type: "string", short: "o" } } as const;
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Runs `deno compile`, whose output appears on this process's own; returns its exit code. */
export async function compile(compilation: Compilation): Promise<number> {
  const denort = Deno.env.get("DENORT_BIN");
  if (denort && !await isFile(denort)) {
    await print(`DENORT_BIN names ${denort}, and there is no such file.\n`);
    return 1;
  }
  // Deno takes an empty variable for a file without a name.
  if (denort === "") Deno.env.delete("DENORT_BIN");
  const args = ["compile", ...PERMISSIONS, ...await embedded(), ...flags(compilation)];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "null", stderr: "piped" }).spawn();
  let said = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    await print(text);
  }
  const { code } = await child.status;
  if (code !== 0 && !denort && said.includes("Setting up base binary")) {
    await print(runtimeAdvice(compilation));
  }
  return code;
}

function flags({ target, output = "assets-server", entry = join(ROOT, "main.ts") }: Compilation): string[] {
  const windows = target === undefined ? Deno.build.os === "windows" : target.includes("windows");
  const file = windows && !output.endsWith(".exe") ? `${output}.exe` : output;
  const chosen = target === undefined ? [] : ["--target", target];
  return ["--config", join(ROOT, "deno.json"), ...chosen, "--output", file, entry];
}

/**
 * What the module graph does not lead to: workers, which are named at run time, and the files of the browser page. Of
 * the npm packages in the lock file only those go in that the graph leads to; the rest are the tests'.
 */
async function embedded(): Promise<string[]> {
  const found = ["--exclude-unused-npm"];
  const source = join(ROOT, "src");
  for await (const path of filesBelow(source)) {
    if (path.endsWith("_worker.ts")) found.push("--include", path);
  }
  const page = join(source, "web");
  if (await isFolder(page)) found.push("--include", page);
  return found;
}

async function* filesBelow(folder: string): AsyncGenerator<string, void, undefined> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

/** What to do where the runtime cannot be downloaded. */
function runtimeAdvice({ target = Deno.build.target }: Compilation): string {
  const version = Deno.version.deno;
  return `
Deno's runtime for ${target} could not be downloaded. To go on without that download:
  1. Get denort-${target}.zip of Deno ${version} on a machine that reaches Deno's releases:
     https://github.com/denoland/deno/releases/tag/v${version}
  2. Unpack it here, and name the file in it: DENORT_BIN=<folder>/denort deno task compile
`;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path))?.isFile ?? false;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path))?.isDirectory ?? false;
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** To standard error, where what Deno says goes too. */
async function print(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.byteLength;) {
    written += await Deno.stderr.write(bytes.subarray(written));
  }
}

/** Runs one command line; returns the exit code. */
async function run(args: string[]): Promise<number> {
  try {
    return await compile(parseCommandLine(args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await print(`compile: ${error.message.replaceAll("\n", " ")}\n`);
    return USAGE;
  }
}

if (import.meta.main) Deno.exit(await run(Deno.args));
