/**
 * `deno task bundle`: the scripts of the browser pages, from the modules in `web`. What it makes is committed, so that
 * neither a start nor the executable needs it; a test compares.
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The pages that have a script: `web/<name>_app.ts` becomes `src/web/<name>.js`. */
export const PAGES: readonly string[] = ["assets", "registry"];

/** The committed script of a page. */
export function scriptPath(page: string): string {
  return `${ROOT}src/web/${page}.js`;
}

/** Bundles the script of a page. */
export async function bundle(page: string, output: string): Promise<void> {
  const entry = `${ROOT}web/${page}_app.ts`;
  const args = ["bundle", "--quiet", "--platform", "browser", "--minify", "--output", output, entry];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`The page ${page} was not bundled: ${new TextDecoder().decode(stderr)}`);
}

if (import.meta.main) await Promise.all(PAGES.map((page) => bundle(page, scriptPath(page))));
