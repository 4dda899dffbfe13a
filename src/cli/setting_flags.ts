/** The settings of a server as flags of a command. */
import { type Command, Option } from "commander";
import { type Setting, type SettingName, SETTINGS, type SettingTexts } from "./settings.ts";

/**
 * Adds every setting that has a flag to a command.
 *
 * @param shown those that its help shows; without it, all
 */
export function addSettingFlags(command: Command, shown?: readonly SettingName[]): void {
  for (const name of settingNames()) addFlag(command, name, { isHidden: shown && !shown.includes(name) });
}

/** What the command line gave, by the names of the settings. */
export function flagTexts(command: Command): SettingTexts {
  const texts: SettingTexts = {};
  for (const name of settingNames()) {
    const value: unknown = command.getOptionValue(name);
    if (typeof value === "string") texts[name] = value;
  }
  return texts;
}

function addFlag(command: Command, name: SettingName, { isHidden = false }): void {
  const { flag, env, value, description, default: shown }: Setting = SETTINGS[name];
  if (flag === undefined) return;
  const notes = `[${env}]${shown === undefined ? "" : ` (default: ${shown})`}`;
  const option = new Option(
    value === undefined ? `--${flag}` : `--${flag} <${value}>`,
    `${description} ${notes}`,
  );
  // A leading "no-" negates for commander; here it is a part of the flag's name.
  if (option.negate) option.default(undefined);
  command.addOption(option.hideHelp(isHidden));
  command.on(`option:${flag}`, (text: string | null) => {
    command.setOptionValueWithSource(name, text ?? "true", "cli");
  });
}

function settingNames(): SettingName[] {
  return Object.keys(SETTINGS).filter((name): name is SettingName => Object.hasOwn(SETTINGS, name));
}
