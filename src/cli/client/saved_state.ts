/**
 * What a transfer needs to go on after its process is gone: one small JSON file each, in the user's folder for state.
 *
 * Keeping it is a convenience: where there is no home folder, or no right to write there, transfers work and begin anew.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { isJsonObject, type Json, type JsonObject } from "../../collection/json.ts";

/** Older ones are of no use: the server forgets an upload after 7 days. */
const MAX_AGE_MS = 8 * 24 * 60 * 60 * 1000;

/** A folder of saved states, of one kind. */
export class SavedStates {
  readonly #folder: string | undefined;

  /** @param folder `undefined` where nothing can be kept */
  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** The name of the state of whatever these values identify. */
  static keyOf(identity: Json): string {
    return createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 32);
  }

  async read(key: string): Promise<JsonObject | undefined> {
    if (this.#folder === undefined) return undefined;
    try {
      const json: unknown = JSON.parse(await Deno.readTextFile(join(this.#folder, `${key}.json`)));
      return isJsonObject(json) ? json : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps a state. Resolves to false where that cannot be done. */
  async write(key: string, state: JsonObject): Promise<boolean> {
    if (this.#folder === undefined) return false;
    const path = join(this.#folder, `${key}.json`);
    // Another process may be at the same; a rename leaves one of both whole.
    const temporary = `${path}.${Deno.pid}.tmp`;
    try {
      await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await Deno.writeTextFile(temporary, JSON.stringify(state), { mode: 0o600 });
      await Deno.rename(temporary, path);
      return true;
    } catch {
      return false;
    }
  }

  async remove(key: string): Promise<void> {
    if (this.#folder === undefined) return;
    await Deno.remove(join(this.#folder, `${key}.json`)).catch(() => {});
  }

  /** Removes what is too old to be of use. */
  async removeOld(nowMs = Date.now()): Promise<void> {
    if (this.#folder === undefined) return;
    try {
      for await (const { name, isFile } of Deno.readDir(this.#folder)) {
        const path = join(this.#folder, name);
        const { mtime } = await Deno.stat(path);
        if (isFile && mtime && nowMs - mtime.getTime() > MAX_AGE_MS) await Deno.remove(path);
      }
    } catch {
      // There is none yet, or another process was faster.
    }
  }
}

/** The states of one kind of transfer, in the folder that the system has for such things. */
export function savedStates(
  kind: "uploads" | "downloads",
  environment = (name: string) => Deno.env.get(name),
): SavedStates {
  const base = stateFolder(environment);
  return new SavedStates(base === undefined ? undefined : join(base, "assets-server", kind));
}

/** XDG Base Directory Specification, `XDG_STATE_HOME`; on Windows the user's local application data. */
function stateFolder(environment: (name: string) => string | undefined): string | undefined {
  const named = environment("XDG_STATE_HOME");
  // The specification has relative paths ignored.
  if (named?.startsWith("/")) return named;
  if (Deno.build.os === "windows") return environment("LOCALAPPDATA") || undefined;
  const home = environment("HOME");
  return home ? join(home, ".local", "state") : undefined;
}
