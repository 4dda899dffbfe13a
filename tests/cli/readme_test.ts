/** The README names what the command line has, and nothing else. */
import { assertEquals } from "@std/assert";
import type { Command } from "commander";
import { makeProgram } from "../../src/cli/program.ts";
import { type Setting, SETTINGS } from "../../src/cli/settings.ts";

const README = await Deno.readTextFile(new URL("../../README.md", import.meta.url));

/** Lines with the flags of others: of tools, of tasks, of the scripts for services. */
const OTHERS = /\b(task|curl|denokv|radosgw-admin|aws|cargo)\b/;

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

Deno.test("The README names every setting and every command", () => {
  const settings = Object.values<Setting>(SETTINGS).flatMap(({ flag, env }) => {
    const name = flag?.replace(/^(--)?/, "--").split(" ")[0];
    return [env, ...name === undefined ? [] : [name]];
  });
  assertEquals(settings.filter((name) => !README.includes(`\`${name}\``)), []);
  const commands = makeProgram().commands.map((command) => command.name());
  const isNamed = (name: string) =>
    README.includes(`assets-server ${name}`) || README.includes(`**${name}**`);
  assertEquals(commands.filter((name) => !isNamed(name)), []);
});

Deno.test("The README names no flag that there is not", () => {
  const there = commandsOf(makeProgram()).flatMap(({ options }) => options.map(({ long }) => long));
  const own = README.split("\n").filter((line) => !OTHERS.test(line)).join("\n");
  const named = new Set([...own.matchAll(/--[a-z][a-z0-9-]+/g)].map(([flag]) => flag));
  const known = new Set<string | undefined>([...there, "--help"]);
  assertEquals([...named].filter((flag) => !known.has(flag)), []);
});
