/** `assets-server backup`: a copy of the data in one file. */
import type { Command } from "commander";
import { interruptible } from "../client/interrupt.ts";
import { Progress } from "../client/progress.ts";
import { count, formatBytes } from "../client/quantities.ts";
import { print, printable } from "../client/terminal.ts";
import { type Config, ConfigError } from "../config.ts";
import { configOf, withData } from "./data_flags.ts";
import { bytesShown, countDocuments, documentsOf } from "./shown.ts";

interface BackupFlags {
  objects?: boolean;
  json?: boolean;
}

const HELP = `
The server may be running. A KV on this machine is backed up as of one moment; for that it is copied into the data folder for
a while. One across the network is read, and what changed meanwhile is added. Unfinished uploads, idempotency keys and the
index are not in a backup.

The file is a plain tar: documents as NDJSON, and with --objects each file of this Assets DB behind its document. It is
written beside its place and gets its name when it is whole; a file that is there is not replaced.

Exit codes: 0 fine, 1 it failed, or files were missing or damaged; 2 a flag, an argument or a variable is wrong.

Example:
  assets-server backup /backups/assets-$(date +%F).tar --objects --data-dir /srv/assets`;

/** Adds the command. */
export function addBackupCommand(program: Command): void {
  const command = withData(
    program.command("backup")
      .summary("copy the data into one file")
      .description("Writes the documents of a server, and its files with --objects, into a tar.")
      .argument("<file>", "the tar to write")
      .option("--objects", "the files, too")
      .addHelpText("after", HELP),
  );
  command.action(async (path: string, flags: BackupFlags) => {
    const config = configOf(command);
    if (path === "-") {
      throw new ConfigError("backup writes a file that appears when it is whole, so - will not do");
    }
    await interruptible((signal) => backUp(config, path, flags, signal), "Interrupted; nothing was written.");
  });
}

async function backUp(config: Config, path: string, flags: BackupFlags, signal: AbortSignal): Promise<void> {
  const { backup } = await import("../../maintenance/backup.ts");
  const { readSite } = await import("../../maintenance/site.ts");
  await using site = await readSite(config);
  await using progress = new Progress();
  const documents = progress.file(documentsOf(config.mode), undefined, String);
  const manifest = await backup(site, path, {
    hasObjects: flags.objects ?? false,
    signal,
    progress: { documents: (count) => documents.at(count), bytes: bytesShown(progress) },
  });
  const { documents: lines, objects, object_bytes, removed, incomplete } = manifest;
  for (const id of incomplete) {
    await progress.say(
      `The file of ${printable(id)} is missing or damaged: assets-server fsck tells more.\n`,
    );
  }
  const result = { path, documents: lines - removed.length, objects, object_bytes, incomplete };
  const files = flags.objects ? ` and ${count(objects, "file")} of ${formatBytes(object_bytes)}` : "";
  await progress.say(
    flags.json
      ? `${JSON.stringify(result)}\n`
      : `${countDocuments(result.documents, config.mode)}${files} in ${printable(path)}\n`,
    print,
  );
  if (incomplete.length > 0) {
    throw new Error(`${count(incomplete.length, "file")} could not be backed up well.`);
  }
}
