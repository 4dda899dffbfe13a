/** `assets-server restore`: the data of a server from a backup. */
import type { Command } from "commander";
import { interruptible } from "../client/interrupt.ts";
import { Progress } from "../client/progress.ts";
import { count } from "../client/quantities.ts";
import { print, printable } from "../client/terminal.ts";
import { type Config, ConfigError } from "../config.ts";
import { configOf, withData } from "./data_flags.ts";
import { countDocuments } from "./shown.ts";

interface RestoreFlags {
  json?: boolean;
}

const HELP = `
The backup is read to its end and compared with its checksums first; one that is damaged or broken off restores nothing. Then
its documents, with their ids, and its files go to where the flags say: an empty folder, an empty KV. The Assets DB keeps its
id. It refuses while a server has the data folder. One that was interrupted goes on when it is run again.
Documents of a backup without --objects expect their files where they were: fsck tells which are not.

Exit codes: 0 fine, 1 it failed, or something was incomplete; 2 a flag, an argument or a variable is wrong.

Example:
  assets-server restore /backups/assets-2026-11-25.tar --data-dir /srv/assets`;

/** Adds the command. */
export function addRestoreCommand(program: Command): void {
  const command = withData(
    program.command("restore")
      .summary("make the data from a backup")
      .description("Makes the data of a server from what backup has written.")
      .argument("<file>", "the backup")
      .addHelpText("after", HELP),
  );
  command.action(async (path: string, flags: RestoreFlags) => {
    const config = configOf(command);
    if (path === "-") {
      throw new ConfigError("restore reads the backup twice, so - will not do: save it as a file first");
    }
    await interruptible(
      (signal) => restoreFrom(config, path, flags, signal),
      "Interrupted; the same command goes on.",
    );
  });
}

async function restoreFrom(
  config: Config,
  path: string,
  flags: RestoreFlags,
  signal: AbortSignal,
): Promise<void> {
  const { verifyBackup } = await import("../../maintenance/verify_backup.ts");
  const { restore } = await import("../../maintenance/restore.ts");
  const sizeBytes = await Deno.stat(path).then(({ size }) => size, () => undefined);
  await using progress = new Progress();
  const shown = progress.file(path, sizeBytes);
  shown.phase("verifying");
  const backup = await verifyBackup(path, { onBytes: (count) => shown.at(count), signal });
  shown.phase("restoring");
  const { documents, files, contested } = await restore(config, path, backup, {
    progress: { documents: () => {}, bytes: () => {} },
    onBytes: (count) => shown.at(count),
    signal,
  });
  shown.end();
  const { incomplete } = backup.manifest;
  for (const id of contested) {
    await progress.say(
      `${printable(id)} was not restored: another document holds one of its unique values.\n`,
    );
  }
  for (const id of incomplete) {
    await progress.say(`The file of ${printable(id)} was missing or damaged when the backup was made.\n`);
  }
  const kept = backup.head.has_objects ? ` and ${count(files, "file")}` : "";
  await progress.say(
    flags.json
      ? `${JSON.stringify({ documents, files, contested, incomplete })}\n`
      : `${countDocuments(documents, config.mode)}${kept} restored\n`,
    print,
  );
  const lacking = contested.length + incomplete.length;
  if (lacking > 0) throw new Error(`${count(lacking, "document")} could not be restored as it was.`);
}
