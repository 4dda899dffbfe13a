/** `assets-server fsck`: are the data as they should be, and if not, mend them. */
import type { Command } from "commander";
import type { Finding } from "../../maintenance/finding.ts";
import type { Outcome, Result } from "../../maintenance/fsck.ts";
import { interruptible } from "../client/interrupt.ts";
import { Progress } from "../client/progress.ts";
import { count, formatBytes } from "../client/quantities.ts";
import { print, printable } from "../client/terminal.ts";
import type { Config } from "../config.ts";
import { configOf, withData } from "./data_flags.ts";
import { bytesShown, countDocuments, documentsOf } from "./shown.ts";

interface FsckFlags {
  repair?: boolean;
  checksums?: boolean;
  force?: boolean;
  json?: boolean;
}

const HELP = `
It finds, and with --repair:
  assets whose file is missing           the asset stays, without a file; what it was goes to lost+found
  files with another size or checksum    the file goes to lost+found, and the asset stays without it
  files that belong to no asset          they go to lost+found
  unfinished uploads that nobody knows   they are removed
  documents that cannot be read          what is left of them goes to lost+found
  unique keys that lack their document   they are removed; missing ones are set
  two documents with one unique value    nothing: rename or remove one of them
  an index that disagrees                it is removed, and built anew when the server starts
lost+found is beside asset/ in the object store: <data-dir>/objects/lost+found, or lost+found/ in the bucket.
Checksums are compared only with --checksums, which reads every file, and where the server's scrub found a file damaged.

Without --repair nothing is changed, and a server may be running: what it is working on is no finding. A KV on this machine
is copied for that into the data folder for a moment. --repair refuses while a server has the data folder.
A bucket and prefix must belong to one KV: files of another look like files without assets.

Exit codes: 0 nothing found or everything mended, 1 something remains, 2 a flag or a variable is wrong.

Examples:
  assets-server fsck --data-dir /srv/assets
  assets-server fsck --data-dir /srv/assets --checksums --repair`;

/** Something was found that remains. The message is the summary. */
class NotInOrder extends Error {
  override readonly name = "NotInOrder";
}

/** Adds the command. */
export function addFsckCommand(program: Command): void {
  const command = withData(
    program.command("fsck")
      .summary("check the data, and mend them")
      .description("Checks the data of a server, and mends them with --repair.")
      .option("--repair", "mend what is found")
      .option("--checksums", "read every file and compare its checksum")
      .option("--force", "with --repair: even if most files are missing")
      .addHelpText("after", HELP),
  );
  command.action(async (flags: FsckFlags) => {
    const config = configOf(command);
    await interruptible((signal) => fsck(config, flags, signal), "Interrupted; what was mended is mended.");
  });
}

async function fsck(config: Config, flags: FsckFlags, signal: AbortSignal): Promise<void> {
  const { check, repair } = await import("../../maintenance/fsck.ts");
  const { holdSite, readSite } = await import("../../maintenance/site.ts");
  await using site = await (flags.repair ? holdSite(config) : readSite(config));
  await using progress = new Progress();
  const documents = progress.file(documentsOf(config.mode), undefined, String);
  const options = {
    readsFiles: flags.checksums ?? false,
    isForced: flags.force ?? false,
    signal,
    progress: { documents: (count: number) => documents.at(count), bytes: bytesShown(progress) },
  };
  const report = (finding: Finding, outcome: Outcome) =>
    progress.say(flags.json ? jsonLine(finding, outcome) : line(finding, outcome), print);
  const result = await (flags.repair ? repair : check)(site, options, report);
  if (flags.json) await progress.say(`${JSON.stringify(toJson(result))}\n`, print);
  const summary = summaryOf(result, config);
  if (result.remaining > 0) throw new NotInOrder(`${summary}.`);
  if (!flags.json) await progress.say(`${summary}.\n`, print);
}

function line({ kind, subject, problem, remedy }: Finding, outcome: Outcome): string {
  const what = `${kind}: ${printable(subject)} ${printable(problem)}`;
  if (outcome === "found") return `${what}; --repair ${remedy}\n`;
  return outcome === "mended" ? `${what}; mended\n` : `${what}; not mended (--repair ${remedy})\n`;
}

function jsonLine({ kind, subject, problem, remedy }: Finding, outcome: Outcome): string {
  return `${JSON.stringify({ kind, subject, problem, remedy, outcome })}\n`;
}

function toJson({ documents, files, fileBytes, pending, uploads, findings, mended, remaining }: Result) {
  return { documents, files, file_bytes: fileBytes, pending, uploads, findings, mended, remaining };
}

function summaryOf(result: Result, { mode }: Config): string {
  const { documents, files, fileBytes, pending, findings, mended, remaining } = result;
  const kept = mode === "registry" ? "" : `, ${count(files, "file")} of ${formatBytes(fileBytes)}`;
  const underWay = pending === 0 ? "" : `, ${pending} under way or left to the server's sweeper`;
  const verdict = findings === 0
    ? "nothing found"
    : `${count(findings, "finding")}, ${mended} mended, ${remaining} remaining`;
  return `${countDocuments(documents, mode)}${kept}${underWay}: ${verdict}`;
}
