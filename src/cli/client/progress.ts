/**
 * Progress on a terminal: a line for each file on its way, and one for all of them. In a pipe it draws nothing.
 *
 * No library: those that are kept up draw one bar and measure names in characters, or bring a whole task runner.
 */
import type { ProgressLine } from "./progress_line.ts";
import { count, formatBytes } from "./quantities.ts";
import { note, printable, progressSize } from "./terminal.ts";

const REDRAW_MS = 100;

/** A file on its way. */
export interface ProgressFile {
  /** Says that the file now stands at this byte. */
  at(bytes: number): void;
  /** Says what happens to it when that is not the transfer itself, such as "checking"; counts bytes anew. */
  phase(name: string): void;
  end(): void;
}

/** The lines at the bottom of the terminal. Dispose of it before anything else is said. */
export class Progress implements AsyncDisposable {
  readonly #lines = new Set<ProgressLine>();
  readonly #totalFiles: number;
  readonly #isDrawn: boolean;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #endedFiles = 0;
  #drawnLines = 0;
  #drawing: Promise<void> = Promise.resolve();

  /** @param totalFiles how many files will be on their way, one after the other or at once */
  constructor({ totalFiles = 1, isQuiet = false } = {}) {
    this.#totalFiles = totalFiles;
    this.#isDrawn = !isQuiet && progressSize() !== undefined;
    if (this.#isDrawn) this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
  }

  /**
   * Adds a file, or something else that goes on.
   *
   * @param format how much it is, for people
   */
  file(name: string, sizeBytes: number | undefined, format = formatBytes): ProgressFile {
    const line: ProgressLine = { name: printable(name), phase: "", bytes: 0, sizeBytes, format, samples: [] };
    this.#lines.add(line);
    return {
      at: (bytes) => void (line.bytes = bytes),
      phase: (phase) => void Object.assign(line, { phase, bytes: 0, samples: [] }),
      end: () => {
        this.#lines.delete(line);
        this.#endedFiles++;
      },
    };
  }

  /** Prints something that stays, above the lines. */
  async say(text: string, write: (text: string) => Promise<void> = note): Promise<void> {
    this.#drawing = this.#drawing.then(async () => {
      await this.#clear();
      await write(text);
    });
    await this.#drawing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.say("");
  }

  #draw(): void {
    this.#drawing = this.#drawing.then(async () => {
      // What measures text takes a while to load, and only a terminal needs it.
      const { lineText } = await import("./progress_line.ts");
      const { columns, rows } = progressSize() ?? { columns: 80, rows: 24 };
      // What scrolls out of the screen could not be drawn over.
      const lines = [...this.#lines].slice(0, Math.max(1, rows - 3)).map((line) => lineText(line, columns));
      if (this.#totalFiles > 1) lines.push(`${this.#endedFiles} of ${count(this.#totalFiles, "file")}`);
      await note(`${erasure(this.#drawnLines)}${lines.map((line) => `${line}\n`).join("")}`);
      this.#drawnLines = lines.length;
    });
  }

  async #clear(): Promise<void> {
    if (this.#drawnLines === 0) return;
    await note(erasure(this.#drawnLines));
    this.#drawnLines = 0;
  }
}

/** Up over what was drawn, and erase from there (ECMA-48, CUU and ED). */
function erasure(lines: number): string {
  return lines === 0 ? "" : `\x1b[${lines}A\r\x1b[J`;
}
