/** The command line: what can be called, with which flags, and how its mistakes are answered. */
import { Command, CommanderError } from "commander";
import deno from "../../deno.json" with { type: "json" };
import { addInfoCommand, addRemoveCommand, addUpdateCommand } from "./client/asset_commands.ts";
import { addCompletionsCommand } from "./client/completions_command.ts";
import { explain } from "./client/explain.ts";
import { Interrupted } from "./client/interrupt.ts";
import { addPullCommand } from "./client/pull_command.ts";
import { addPushCommand } from "./client/push_command.ts";
import { addRegistryCommand } from "./client/registry_commands.ts";
import { addSearchCommand } from "./client/search_command.ts";
import { addExportCommand, addImportCommand } from "./client/transfer_commands.ts";
import { ConfigError, readConfig } from "./config.ts";
import { addHealthCommand } from "./health_command.ts";
import { addBackupCommand } from "./maintenance/backup_command.ts";
import { addFsckCommand } from "./maintenance/fsck_command.ts";
import { addRestoreCommand } from "./maintenance/restore_command.ts";
import { addSettingFlags, flagTexts } from "./setting_flags.ts";
import { type Setting, SETTINGS } from "./settings.ts";
import { similarWord } from "./similar_word.ts";

/**
 * Exit codes: all went well; something failed; the command line or the environment is wrong; Ctrl-C ended it (128 and the
 * number of SIGINT, as shells have it).
 */
const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const ENVIRONMENT_ONLY = Object.values<Setting>(SETTINGS).filter(({ flag }) => flag === undefined);

const HELP = `
Only from the environment:
${ENVIRONMENT_ONLY.map(({ env, description }) => `  ${env.padEnd(24)} ${description}`).join("\n")}
  ${"DENO_KV_ACCESS_TOKEN".padEnd(24)} the token of the KV Connect endpoint that --db names

Every flag also has an environment variable, shown in its brackets; a flag wins. Switches take true/false, 1/0, yes/no, on/off.

Examples:
  assets-server                                   an Assets DB on this machine, data in ./data
  assets-server --mode registry --port 4001       a registry
  assets-server --s3-bucket models --s3-endpoint http://127.0.0.1:9000
  assets-server push model.bin --name M --version 1.0 --tag initial
  assets-server search 'size>1GB' --sort -size
  assets-server pull M:1.0-initial

Exit codes: 0 fine, 1 something failed, 2 a flag, an argument or a variable is wrong, 130 ended by Ctrl-C.`;

/** What speaks to a running server, in the order of `--help`. */
const COMMANDS = [
  addPushCommand,
  addPullCommand,
  addSearchCommand,
  addInfoCommand,
  addUpdateCommand,
  addRemoveCommand,
  addImportCommand,
  addExportCommand,
  addRegistryCommand,
  addHealthCommand,
  addCompletionsCommand,
];

/** What works on the data itself. */
const MAINTENANCE_COMMANDS = [addFsckCommand, addBackupCommand, addRestoreCommand];

/**
 * Runs the program.
 *
 * @param args without the program's own name
 * @returns the exit code
 */
export async function runProgram(args: string[]): Promise<number> {
  try {
    const program = makeProgram();
    const [first, named] = args;
    // Commander would print all there is.
    if (first === "help" && named !== undefined && !isCommand(program, named)) {
      throw unknownCommand(program, named);
    }
    await program.parseAsync(args, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof ConfigError) return fail(error.message, EXIT.usage);
    if (error instanceof Interrupted) return fail(error.message, EXIT.interrupted);
    // Who reads our output has seen enough, as head(1) does.
    if (error instanceof Deno.errors.BrokenPipe) return EXIT.ok;
    return fail(explain(error), EXIT.failed);
  }
}

/** The program with all its commands. */
export function makeProgram(): Command {
  const program = new Command("assets-server")
    .description("Keeps models, policies and other assets with their metadata, and finds them again.")
    .version(deno.version, "--version", "print the version")
    .helpOption("--help", "print this help")
    .addHelpText("after", HELP)
    .exitOverride()
    // What follows a command is the command's own: both may have a --name and a --version.
    .enablePositionalOptions()
    .usage("[options] [command]")
    .argument("[command...]")
    .helpCommand("help [command]", "print the help of a command");
  addSettingFlags(program);
  program.action(async ([unknown]: string[]) => {
    if (unknown !== undefined) throw unknownCommand(program, unknown);
    const config = readConfig(flagTexts(program), (name) => Deno.env.get(name));
    // The other commands do without the server's modules, and start sooner; so does a mistake, which is told at once.
    const { serve } = await import("./serve_command.ts");
    await serve(config);
  });
  program.commandsGroup("Commands, for a running server (each has its own --help):");
  for (const add of COMMANDS) add(program);
  program.commandsGroup("Commands, for the data itself (with the server's flags behind the command):");
  for (const add of MAINTENANCE_COMMANDS) add(program);
  answerMistakes(program, program.name());
  return program;
}

function isCommand(program: Command, name: string): boolean {
  return program.commands.some((command) => command.name() === name);
}

function unknownCommand(program: Command, name: string): ConfigError {
  const meant = similarWord(name, program.commands.map((command) => command.name()));
  return new ConfigError(
    `unknown command ${JSON.stringify(name)}; ` +
      (meant === undefined ? "" : `did you mean ${meant}? `) + "assets-server --help lists them",
  );
}

/** Has mistakes answered in one line that names the help of the command. */
function answerMistakes(command: Command, called: string): void {
  command.configureOutput({
    outputError: (text, write) =>
      write(`assets-server: ${oneLine(text.replace(/^error: /, ""))}; see ${called} --help\n`),
  });
  for (const inner of command.commands) answerMistakes(inner, `${called} ${inner.name()}`);
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}

function fail(message: string, code: number): number {
  Deno.stderr.writeSync(new TextEncoder().encode(`assets-server: ${oneLine(message)}\n`));
  return code;
}
