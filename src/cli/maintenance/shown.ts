/** How the maintenance commands show what they work on. */
import type { Progress, ProgressFile } from "../client/progress.ts";
import type { Mode } from "../settings.ts";

/** What a server of this mode keeps, in the plural. */
export function documentsOf(mode: Mode): string {
  return mode === "registry" ? "entries" : "assets";
}

/** Shows how many bytes of files have passed, from the first one on. */
export function bytesShown(progress: Progress): (count: number) => void {
  let file: ProgressFile | undefined;
  let bytes = 0;
  return (count) => {
    file ??= progress.file("files", undefined);
    file.at(bytes += count);
  };
}
