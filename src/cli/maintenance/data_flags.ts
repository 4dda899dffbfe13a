/** The flags of every command that works on the data of a server: those of the server. */
import type { Command } from "commander";
import { type Config, readConfig } from "../config.ts";
import { addSettingFlags, flagTexts } from "../setting_flags.ts";
import type { SettingName } from "../settings.ts";

/** Those that say where the data are. The others are taken, too, so that the server's whole command line may be repeated. */
const SHOWN: readonly SettingName[] = [
  "mode",
  "dataDir",
  "db",
  "assetsDbId",
  "s3Bucket",
  "s3Endpoint",
  "s3Region",
  "s3Prefix",
  "s3Addressing",
];

/** Adds the flags to a command. */
export function withData(command: Command): Command {
  addSettingFlags(command, SHOWN);
  return command.option("--json", "print JSON, for programs").helpOption("--help", "print this help");
}

/**
 * Where the data are: as the command's flags say, the program's before it, the environment.
 *
 * @throws {ConfigError}
 */
export function configOf(command: Command): Config {
  const before = command.parent ? flagTexts(command.parent) : {};
  return readConfig({ ...before, ...flagTexts(command) }, (name) => Deno.env.get(name));
}
