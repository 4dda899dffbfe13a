/** How large the files of a folder are. */
import { join } from "node:path";

/** The files right in a folder, with their sizes in bytes. */
export async function fileSizes(folder: string): Promise<{ name: string; sizeBytes: number }[]> {
  const files: { name: string; sizeBytes: number }[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile) files.push({ name, sizeBytes: (await Deno.stat(join(folder, name))).size });
  }
  return files;
}
