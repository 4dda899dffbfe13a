/** How the maintenance commands show what they work on. */
import type { Progress, ProgressFile } from "../client/progress.ts";
import type { Mode } from "../settings.ts";

/** What a server of this mode keeps, in the plural. */
export function documentsOf(mode: Mode): string {
  return mode === "registry" ? "entries" : "assets";
}

/** `1 asset`, `3 assets`; of a registry `1 entry`, `3 entries`. */
export function countDocuments(number: number, mode: Mode): string {
  if (number !== 1) return `${number} ${documentsOf(mode)}`;
  return mode === "registry" ? "1 entry" : "1 asset";
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
