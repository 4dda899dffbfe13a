/** What the lists beside this file name is there: the tests of the contract, and the limits of `SECURITY.md` with theirs. */
import { assert, assertEquals } from "@std/assert";
import { type Setting, SETTINGS } from "../src/cli/settings.ts";

const ROOT = new URL("..", import.meta.url);

/** The rows of the table that a heading is above, cell by cell, without its head. */
async function rowsBelow(path: string, heading: string): Promise<string[][]> {
  const text = await Deno.readTextFile(new URL(path, ROOT));
  const section = text.split(/^#+ /m).find((one) => one.startsWith(heading)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) => row.slice(1, -1).split(" | ").map((cell) => cell.trim()));
}

const ROWS = await rowsBelow("tests/limits.md", "The limits");

/** The texts between backticks in a column of the list. */
function referencesOf(column: number): string[] {
  return ROWS.flatMap((row) => [...(row[column] ?? "").matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text));
}

/** Those references of which the file does not have the text, or is not there. */
async function dangling(
  references: string[],
  has: (source: string, text: string) => boolean,
): Promise<string[]> {
  const checked = references.map(async (reference) => {
    const [path = "", ...text] = reference.split(": ");
    const source = await Deno.readTextFile(new URL(path, ROOT)).catch(() => "");
    return has(source, text.join(": ")) ? [] : [reference];
  });
  return (await Promise.all(checked)).flat();
}

Deno.test("The list of limits has the rows of the table in SECURITY.md, and a test for each", async () => {
  const promised = (await rowsBelow("SECURITY.md", "Limits")).map(([limit]) => limit);
  assert(promised.length > 20, "the table was not found");
  assertEquals(ROWS.map(([limit]) => limit), promised);
  assertEquals(ROWS.filter(([, , tests]) => !tests?.startsWith("`tests/")), []);
});

Deno.test("Every constant and flag in the list of limits is there, with that value", async () => {
  const flags = new Set(Object.values<Setting>(SETTINGS).map(({ flag }) => `--${flag}`));
  const named = referencesOf(1);
  assertEquals(named.filter((one) => one.startsWith("--") && !flags.has(one)), []);
  // A value ends where a word ends: 4096 is not 40960.
  const hasValue = (source: string, text: string) =>
    source.split(text).slice(1).some((rest) => /^\W/.test(rest));
  assertEquals(await dangling(named.filter((one) => !one.startsWith("--")), hasValue), []);
});

Deno.test("Every test in the list of limits is there, under that name", async () => {
  const isNamed = (source: string, name: string) =>
    [`"${name}"`, `\`${name}\``].some((literal) => source.includes(literal));
  assertEquals(await dangling(referencesOf(2), isNamed), []);
});

/** All sources of tests, one text each. */
async function sourcesBelow(folder: URL): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(folder), async ({ name, isDirectory }) => {
    if (isDirectory) return await sourcesBelow(new URL(`${name}/`, folder));
    return name.endsWith(".ts") ? [await Deno.readTextFile(new URL(name, folder))] : [];
  });
  return found.flat();
}

/** The literal of a test's name in its source; an ellipsis stands for anything. */
function nameLiteral(name: string): RegExp {
  const parts = name.replace(/^Registry: /, "").split("…").map((part) => RegExp.escape(part));
  return new RegExp(`["\`]${parts.join(".*?")}${name.endsWith("…") ? "" : '["`]'}`);
}

Deno.test("Every test that the list of the contract names is there", async () => {
  const sources = await sourcesBelow(new URL("tests/", ROOT));
  const text = await Deno.readTextFile(new URL("tests/contract_coverage.md", ROOT));
  const named = text.split("\n").filter((line) => line.startsWith("|")).flatMap((row) => {
    const [, ...tests] = row.slice(1, -1).split(" | ");
    return [...tests.join(" | ").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
  });
  // What is no name of a test is a folder, a task, or what all tests call.
  const names = named.filter((name) => !/^(?:tests\/|deno task |\w+$)/.test(name));
  assert(names.length > 200, "the tables were not found");
  assertEquals(names.filter((name) => !sources.some((source) => nameLiteral(name).test(source))), []);
});
