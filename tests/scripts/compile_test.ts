import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import {
  type Compilation,
  parseCommandLine,
  PERMISSIONS,
  TARGETS,
  UsageError,
} from "../../scripts/compile.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/compile.ts", import.meta.url));

/** Nothing listens on port 1: every download fails at once, with and without a network. */
const NO_NETWORK = { HTTPS_PROXY: "http://127.0.0.1:1", HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "" };

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "compile_test_" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a module as `deno task compile` runs the script. */
async function deno(args: string[], env: Record<string, string>): Promise<{ code: number; said: string }> {
  const clean = { NO_COLOR: "1", DENORT_BIN: "", ...env };
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...args],
    env: clean,
  }).output();
  return { code, said: new TextDecoder().decode(stderr) };
}

/** A program of the kind that this system runs, in the place of Deno's runtime; a small one where there is one. */
function standIn(): string {
  return Deno.build.os === "linux" ? "/bin/true" : Deno.execPath();
}

/** A module that compiles a one-line program, which has a worker, into `folder`. */
async function oneLineProgram(folder: string, more: Partial<Compilation> = {}): Promise<string> {
  const entry = join(folder, "entry.ts");
  const source = join(folder, "source", "deeper");
  await Deno.mkdir(source, { recursive: true });
  await Deno.writeTextFile(entry, `console.log("a line that is easy to find");\n`);
  await Deno.writeTextFile(join(source, "some_worker.ts"), `console.log("a line of a worker");\n`);
  await Deno.writeTextFile(join(source, "else.ts"), `console.log("a line of nobody");\n`);
  const paths = { entry, source: join(folder, "source"), output: join(folder, "program") };
  const compilation = JSON.stringify({ ...paths, ...more });
  const runner = join(folder, "runner.ts");
  const module = JSON.stringify(new URL("../../scripts/compile.ts", import.meta.url).href);
  await Deno.writeTextFile(
    runner,
    `import { compile } from ${module};\nDeno.exit(await compile(${compilation}));\n`,
  );
  return runner;
}

Deno.test("parseCommandLine() takes every target, an output, and nothing at all", () => {
  for (const target of TARGETS) assertEquals(parseCommandLine([`--target=${target}`]).target, target);
  assertEquals(parseCommandLine(["--output", "bin/a", "--target", TARGETS[0] ?? ""]).output, "bin/a");
  assertEquals(parseCommandLine([]), { target: undefined, output: undefined, isForAll: false });
  assertEquals(parseCommandLine(["--all"]).isForAll, true);
});

Deno.test("parseCommandLine() names what makes no sense", () => {
  assertThrows(() => parseCommandLine(["--target", "sparc-sun-solaris"]), UsageError, "sparc-sun-solaris");
  assertThrows(() => parseCommandLine(["--optimise"]), UsageError, "--optimise");
  assertThrows(() => parseCommandLine(["main.ts"]), UsageError, "main.ts");
  assertThrows(() => parseCommandLine(["--output="]), UsageError, "--output");
  assertThrows(() => parseCommandLine(["--all", "--target", TARGETS[0] ?? ""]), UsageError, "--all");
});

Deno.test("compile.ts ends with code 2 and one line for an unknown target", async () => {
  const { code, said } = await deno([SCRIPT, "--target", "sparc-sun-solaris"], {});
  assertEquals(code, 2);
  assertMatch(said, /^compile: There is no target "sparc-sun-solaris"; choose one of .*\n$/);
});

Deno.test("compile.ts says what to do when the runtime cannot be downloaded", async () => {
  await withFolder(async (folder) => {
    // A cache of its own, so that no runtime that was downloaded earlier is found.
    const runner = await oneLineProgram(folder, { target: "aarch64-apple-darwin" });
    const { code, said } = await deno([runner], { ...NO_NETWORK, DENO_DIR: join(folder, "cache") });
    assert(code !== 0);
    assertStringIncludes(said, "denort-aarch64-apple-darwin.zip");
    assertStringIncludes(said, `releases/tag/v${Deno.version.deno}`);
    assertStringIncludes(said, "DENORT_BIN=");
  });
});

Deno.test("compile.ts names a DENORT_BIN that is not there", async () => {
  await withFolder(async (folder) => {
    const denort = join(folder, "denort");
    const { code, said } = await deno([await oneLineProgram(folder)], { DENORT_BIN: denort });
    assertEquals(code, 1);
    assertEquals(said, `DENORT_BIN names ${denort}, and there is no such file.\n`);
  });
});

Deno.test("compile.ts puts the program into the file that DENORT_BIN names, without a download", async () => {
  await withFolder(async (folder) => {
    const runner = await oneLineProgram(folder);
    // What comes out does not run the program, but it holds it.
    const { code, said } = await deno([runner], { ...NO_NETWORK, DENORT_BIN: standIn() });
    assertEquals(code, 0, said);
    const program = await Deno.readFile(
      join(folder, Deno.build.os === "windows" ? "program.exe" : "program"),
    );
    const text = new TextDecoder("latin1").decode(program);
    const lines = ["a line that is easy to find", "a line of a worker", "a line of nobody"];
    assertEquals(lines.map((line) => text.includes(line)), [true, true, false]);
  });
});

Deno.test("compile.ts takes the runtime of each target from the folder that DENORT_BIN names", async () => {
  await withFolder(async (folder) => {
    const runner = await oneLineProgram(folder, { target: Deno.build.target });
    const { said } = await deno([runner], { ...NO_NETWORK, DENORT_BIN: folder });
    assertEquals(
      said,
      `DENORT_BIN names ${join(folder, `denort-${Deno.build.target}`)}, and there is no such file.\n`,
    );
    await Deno.copyFile(standIn(), join(folder, `denort-${Deno.build.target}`));
    const { code, said: saidThen } = await deno([runner], { ...NO_NETWORK, DENORT_BIN: folder });
    assertEquals(code, 0, saidThen);
  });
});

Deno.test("compile.ts refuses an executable that is above its budget", async () => {
  await withFolder(async (folder) => {
    const runner = await oneLineProgram(folder, { budget: { program: 1000, executable: 1e9 } });
    const { code, said } = await deno([runner], { ...NO_NETWORK, DENORT_BIN: standIn() });
    assertEquals(code, 1);
    assertMatch(
      said,
      /program has \d+ bytes, \d+ of them the program's; its budget is 1000000000 and 1000\.\n$/,
    );
  });
});

Deno.test("The executable may do what the task start may", () => {
  const ofTask = config.tasks.start.command.split(" ").filter((word) => /^--(allow-|no-prompt)/.test(word));
  assertEquals([...PERMISSIONS].sort(), ofTask.sort());
});
