/**
 * The file of a view, and whether it can be trusted.
 *
 * The view is written without waiting for the disk, so a crash of the machine may leave it damaged, one of the program does
 * not. While a view is open a file beside it says since which boot; where that is another one, the view is made anew.
 */

/** Two moments of a start that are as close as this are the same: the uptime is in whole seconds, and clocks are adjusted. */
const SAME_BOOT_MS = 5000;

/** The file of one view. */
export class ViewFile {
  readonly path: string;
  readonly #marker: string;

  constructor(path: string) {
    this.path = path;
    this.#marker = `${path}.open`;
  }

  /** Whether the file was closed well, or the machine has not been restarted since it was opened. Marks it as open. */
  async take(): Promise<boolean> {
    // Linux has an id of the boot (random(4)), but the runtime lets nobody read it without all permissions.
    const bootedAtMs = bootTimeMs();
    const openedIn = await readIfThere(this.#marker);
    await Deno.writeTextFile(this.#marker, String(bootedAtMs));
    return openedIn === undefined || Math.abs(Number(openedIn) - bootedAtMs) < SAME_BOOT_MS;
  }

  /** To be called when the view has been closed: what was written goes to the disk, then the mark goes. */
  async release(): Promise<void> {
    {
      using file = await Deno.open(this.path, { read: true, write: true });
      await file.sync();
    }
    await Deno.remove(this.#marker);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return undefined;
  }
}

/** When the machine started, in milliseconds since the epoch; `NaN`, which is no moment, where the runtime may not say. */
function bootTimeMs(): number {
  try {
    return Date.now() - Deno.osUptime() * 1000;
  } catch {
    return NaN;
  }
}
