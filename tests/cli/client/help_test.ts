/** The help of the commands. */
import { assert, assertEquals } from "@std/assert";
import type { Command } from "commander";
import { completionScript } from "../../../src/cli/client/completions_command.ts";
import { makeProgram } from "../../../src/cli/program.ts";
import { assertOneLine, User } from "../command_line.ts";

/** Every command, with the words that call it. */
function commandsOf(command: Command, words: string[] = []): { words: string[]; command: Command }[] {
  const inner = command.commands.flatMap((one) => commandsOf(one, [...words, one.name()]));
  return [...words.length === 0 ? [] : [{ words, command }], ...inner];
}

/** What the help of a command says, the texts behind the flags included. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (more) => void (text += more) });
  command.outputHelp();
  return text;
}

for (const { words, command } of commandsOf(makeProgram())) {
  Deno.test(`The help of ${words.join(" ")} teaches by an example that calls it`, () => {
    const help = helpOf(command);
    assert(help.includes(`assets-server ${words.join(" ")}`) || words[0] === "registry", help);
    assert(/Examples?:|To run a registry/.test(help), help);
    // What speaks to a server.
    if (help.includes("--server")) {
      for (const flag of ["--server", "--token", "--json"]) assert(help.includes(flag), `${flag}: ${help}`);
    }
  });
}

Deno.test("help of a command is its --help, and what is no command is named in one line", async () => {
  await using user = await User.create({ url: "http://127.0.0.1:9" });
  assertEquals(await user.succeed(["help", "push"]), await user.succeed(["push", "--help"]));
  assertOneLine(await user.run(["frobnicate", "x", "y"]), 2, "frobnicate", "--help");
  assertOneLine(await user.run(["pusj", "x"]), 2, "pusj", "did you mean push?");
  assertOneLine(await user.run(["registry", "ad"]), 2, "ad", "Did you mean add?");
  assertOneLine(await user.run(["push"]), 2, "path", "push --help");
});

Deno.test("Menus of completions read as the help does, with an apostrophe that no shell takes for a quote", () => {
  for (const shell of ["zsh", "fish"] as const) {
    const script = completionScript(makeProgram(), shell);
    assert(script.includes("change an asset’s metadata"), script);
  }
});
