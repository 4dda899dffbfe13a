/** The command line: what can be called, with which flags, and how its mistakes are answered. */
import { Command, CommanderError, Option } from "commander";
import deno from "../../deno.json" with { type: "json" };
import { ConfigError, readConfig } from "./config.ts";
import { checkHealth } from "./health_command.ts";
import { serve } from "./serve_command.ts";
import { type Setting, type SettingName, SETTINGS, type SettingTexts } from "./settings.ts";

/** Exit codes: all went well; something failed; the command line or the environment is wrong. */
const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

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
  curl -F asset=@model.bin -F 'asset_metadata={"asset_name":"M","asset_version":{"version":"1","tag":"a"}}' \\
    http://localhost:4000/upload_asset

Exit codes: 0 fine, 1 something failed, 2 a flag or a variable is wrong.`;

/**
 * Runs the program.
 *
 * @param args without the program's own name
 * @returns the exit code
 */
export async function runProgram(args: string[]): Promise<number> {
  try {
    await makeProgram().parseAsync(args, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof ConfigError) return fail(error.message, EXIT.usage);
    return fail(error instanceof Error ? error.message : String(error), EXIT.failed);
  }
}

function makeProgram(): Command {
  const program = new Command("assets-server")
    .description("Keeps models, policies and other assets with their metadata, and finds them again.")
    .version(deno.version, "--version", "print the version")
    .helpOption("--help", "print this help")
    .addHelpText("after", HELP)
    .configureOutput({
      outputError: (text, write) => write(`assets-server: ${text.replace(/^error: /, "")}`),
    })
    .exitOverride()
    // What follows a command is the command's own: both may have a --name.
    .enablePositionalOptions()
    .allowExcessArguments(false);
  for (const [name, setting] of Object.entries(SETTINGS)) addFlag(program, name, setting);
  program.action(async () => {
    await serve(readConfig(flagTexts(program), (name) => Deno.env.get(name)));
  });
  program.command("health")
    .description("ask a running server how it is; exit code 0 if it is healthy, 1 if not")
    .helpOption("--help", "print this help")
    .option("--server <URL>", "the server [ASSETS_SERVER_URL] (default: http://localhost:<PORT or 4000>)")
    .action(async (options: { server?: string }) => {
      await checkHealth(options.server, (name) => Deno.env.get(name));
    });
  return program;
}

function addFlag(
  program: Command,
  name: string,
  { flag, env, value, description, default: shown }: Setting,
): void {
  if (flag === undefined) return;
  const notes = `[${env}]${shown === undefined ? "" : ` (default: ${shown})`}`;
  const option = new Option(
    value === undefined ? `--${flag}` : `--${flag} <${value}>`,
    `${description} ${notes}`,
  );
  // A leading "no-" negates for commander; here it is a part of the flag's name.
  if (option.negate) option.default(undefined);
  program.addOption(option);
  program.on(`option:${flag}`, (text: string | null) => {
    program.setOptionValueWithSource(name, text ?? "true", "cli");
  });
}

/** What the command line gave, by the names of the settings. */
function flagTexts(program: Command): SettingTexts {
  const texts: SettingTexts = {};
  for (const name of Object.keys(SETTINGS)) {
    const value: unknown = program.getOptionValue(name);
    if (isSettingName(name) && typeof value === "string") texts[name] = value;
  }
  return texts;
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

function fail(message: string, code: number): number {
  Deno.stderr.writeSync(new TextEncoder().encode(`assets-server: ${message}\n`));
  return code;
}
