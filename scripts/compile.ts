/**
 * `deno task compile [--target <target>] [--output <file>]`: the whole program as one executable, `./assets-server`.
 * `deno task compile --all [--output <folder>]`: one for every target, in `dist`, with their checksums.
 *
 * Deno puts the program behind a runtime of its own, denort, that it downloads for the target. Where that is not
 * reachable, the environment variable `DENORT_BIN` names a denort file to take instead, or a folder that has one for each
 * target, named `denort-<target>`.
 */

import { createHash } from "node:crypto";
import { basename, join } from "node:path";
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
 * - sys: facts of the machine. Which authorities it trusts is one that `node:https` asks for, before it speaks to an S3 service
 *   or an Assets DB; Deno (2.9.6) has no name for it that the flag would take, so all of them are allowed.
 * - no prompt: a server has nobody to ask.
 */
export const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
  "--no-prompt",
];

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Exit code for a command line that makes no sense. */
const USAGE = 2;

/** The most that an executable may weigh, in bytes. What is above that is a package too many, or a file by mistake. */
export interface Budget {
  /** What the program adds to the runtime: its modules, the packages that they use, and the browser page. */
  program: number;
  /** Both. Deno's runtime has some 100 MB. */
  executable: number;
}

const BUDGET: Budget = { program: 32_000_000, executable: 160_000_000 };

/** What is to be made. */
export interface Compilation {
  /** One for each target. `output` is their folder then. */
  isForAll?: boolean;
  /** One of `TARGETS`; left out, the system this runs on. */
  target?: string;
  /** The executable's path; by default `assets-server` in the current folder. */
  output?: string;
  /** The program's first module; by default the repository's `main.ts`. */
  entry?: string;
  /** The folder with the workers and the browser page of that program; by default the repository's `src`. */
  source?: string;
  budget?: Budget;
}

/** A command line that makes no sense, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Reads the command line. Throws `UsageError`. */
export function parseCommandLine(args: string[]): Compilation {
  const { target, output, all: isForAll = false } = parseFlags(args);
  if (target !== undefined && !TARGETS.includes(target)) {
    throw new UsageError(`There is no target "${target}"; choose one of ${TARGETS.join(", ")}.`);
  }
  if (output === "") throw new UsageError("--output needs the name of a file.");
  if (isForAll && target !== undefined) throw new UsageError("--all makes every target; leave --target out.");
  return { target, output, isForAll };
}

function parseFlags(args: string[]): { target?: string; output?: string; all?: boolean } {
  try {
    const options = {
      target: { type: "string" },
      output: { type: "string", short: "o" },
      all: { type: "boolean" },
    } as const;
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Makes one executable, or all; what Deno says appears on this process's own error output. Returns the exit code. */
export async function compile({ isForAll, ...compilation }: Compilation): Promise<number> {
  return isForAll ? await compileAll(compilation) : await compileOne(compilation);
}

/** An executable for each target, and `SHA256SUMS`, which `sha256sum --check` reads. */
async function compileAll({ output: folder = "dist", ...compilation }: Compilation): Promise<number> {
  await Deno.mkdir(folder, { recursive: true });
  const sums: string[] = [];
  for (const target of TARGETS) {
    const output = executable(join(folder, `assets-server-${target}`), target);
    const code = await compileOne({ ...compilation, target, output });
    if (code !== 0) return code;
    sums.push(`${await sha256Of(output)}  ${basename(output)}\n`);
  }
  await Deno.writeTextFile(join(folder, "SHA256SUMS"), sums.join(""));
  return 0;
}

async function compileOne(compilation: Compilation): Promise<number> {
  const { target = Deno.build.target, output = "assets-server" } = compilation;
  const given = Deno.env.get("DENORT_BIN") ?? "";
  const denort = given !== "" && await isFolder(given) ? join(given, `denort-${target}`) : given;
  if (denort !== "" && !await isFile(denort)) {
    await print(`DENORT_BIN names ${denort}, and there is no such file.\n`);
    return 1;
  }
  const file = executable(output, target);
  // Types are for `deno task check`; they would take most of the time here.
  const args = [
    "compile",
    "--no-check",
    ...PERMISSIONS,
    ...await embedded(compilation),
    ...flags({ ...compilation, output: file }),
  ];
  // Deno takes an empty variable for a file without a name.
  const { DENORT_BIN: _, ...env } = Deno.env.toObject();
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env: denort === "" ? env : { ...env, DENORT_BIN: denort },
    clearEnv: true,
    stdin: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    await print(text);
  }
  const { code } = await child.status;
  if (code !== 0 && denort === "" && said.includes("Setting up base binary")) {
    await print(runtimeAdvice(compilation));
  }
  return code === 0 ? await checkSize(file, denort, compilation.budget ?? BUDGET) : code;
}

/** The exit code: 1 for what is above its budget. */
async function checkSize(file: string, denort: string, budget: Budget): Promise<number> {
  const { size } = await Deno.stat(file);
  const program = denort === "" ? 0 : size - (await Deno.stat(denort)).size;
  if (size <= budget.executable && program <= budget.program) return 0;
  await print(
    `${file} has ${size} bytes, ${program} of them the program's; ` +
      `its budget is ${budget.executable} and ${budget.program}.\n`,
  );
  return 1;
}

/** Windows knows programs by their names. */
function executable(output: string, target: string): string {
  return target.includes("windows") && !output.endsWith(".exe") ? `${output}.exe` : output;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

function flags({ target, output = "", entry = join(ROOT, "main.ts") }: Compilation): string[] {
  const chosen = target === undefined ? [] : ["--target", target];
  return ["--config", join(ROOT, "deno.json"), ...chosen, "--output", output, entry];
}

/**
 * What the module graph does not lead to: workers, which are named at run time, and the files of the browser page. Of
 * the npm packages in the lock file only those go in that the graph leads to; the rest are the tests'.
 */
async function embedded({ source = join(ROOT, "src") }: Compilation): Promise<string[]> {
  const found = ["--exclude-unused-npm"];
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
