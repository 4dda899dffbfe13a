/** The files in what was dropped, those in folders included. */
import type { ChosenFile } from "./unfinished.ts";

/** All files of a drop, in the order of their paths. The names of folders stand in front: `folder/sub/file.bin`. */
export async function droppedFiles(
  drop: DataTransfer | null,
): Promise<ChosenFile[]> {
  // The drop is gone after the first wait: its entries are taken at once.
  const entries = [...drop?.items ?? []].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) return chosenFiles(drop?.files);
  const found = await Promise.all(entries.map(filesIn));
  return found.flat();
}

/** The files of an input. */
export function chosenFiles(
  files: Iterable<File> | null | undefined,
): ChosenFile[] {
  return [...files ?? []].map((file) => ({ file, path: file.name }));
}

async function filesIn(entry: FileSystemEntry): Promise<ChosenFile[]> {
  const path = entry.fullPath.replace(/^\//, "");
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path }];
  }
  if (!isFolder(entry)) return [];
  const found: ChosenFile[] = [];
  const reader = entry.createReader();
  for (;;) {
    // A folder is read in batches, to the first empty one.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (batch.length === 0) break;
    for (const inner of batch) found.push(...await filesIn(inner));
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Browsers do not agree on the names of these classes. */
function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
