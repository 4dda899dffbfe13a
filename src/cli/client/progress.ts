/**
 * Progress on a terminal: a line for each file on its way, and one for all of them. In a pipe it draws nothing.
 *
 * No library: those that are kept up draw one bar and measure names in characters, or bring a whole task runner.
 */
import { count, formatBytes, formatDuration } from "./quantities.ts";
import { note, printable, progressSize } from "./terminal.ts";
import { fitMiddle, pad, widthOf } from "./text_width.ts";

const REDRAW_MS = 100;

/** Speed is what the last seconds say: a stop shows soon, a jitter does not. */
const SPEED_WINDOW_MS = 5000;

/** A file on its way. */
export interface ProgressFile {
  /** Says that the file now stands at this byte. */
  at(bytes: number): void;
  /** Says what happens to it when that is not the transfer itself, such as "checking"; counts bytes anew. */
  phase(name: string): void;
  end(): void;
}

interface Line {
  name: string;
  phase: string;
  /** Or whatever else is counted, such as documents. */
  bytes: number;
  sizeBytes: number | undefined;
  format: (bytes: number) => string;
  samples: { atMs: number; bytes: number }[];
}

/** The lines at the bottom of the terminal. Dispose of it before anything else is said. */
export class Progress implements AsyncDisposable {
  readonly #lines = new Set<Line>();
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
    const line: Line = { name: printable(name), phase: "", bytes: 0, sizeBytes, format, samples: [] };
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

function lineText(line: Line, columns: number): string {
  const { name, phase, bytes, sizeBytes, format } = line;
  const speed = speedOf(line);
  const known = sizeBytes === undefined ? format(bytes) : `${format(bytes)} of ${format(sizeBytes)}`;
  const share = sizeBytes ? Math.min(bytes / sizeBytes, 1) : 0;
  const percent = sizeBytes ? `${Math.floor(share * 100)} %` : "";
  const left = speed > 0 && sizeBytes ? `${formatDuration((sizeBytes - bytes) / speed)} left` : "";
  const facts = [phase, percent, known, speed > 0 ? `${format(speed)}/s` : "", left];
  let text = facts.filter((fact) => fact !== "").join("  ");
  // In a narrow terminal: what is known is worth more than the name, and the bar least.
  const last = columns - 1;
  if (widthOf(text) > last - 10) text = [phase, percent, left].filter((fact) => fact !== "").join("  ");
  const room = last - widthOf(text) - 2;
  const barColumns = sizeBytes && room >= 34 ? Math.min(24, room - 22) : 0;
  const bar = barColumns === 0 ? "" : `  ${barOf(share, barColumns)}`;
  const nameColumns = Math.max(0, room - (barColumns === 0 ? 0 : barColumns + 2));
  return `${pad(fitMiddle(name, nameColumns), Math.min(nameColumns, 24), "left")}${bar}  ${text}`.slice(
    0,
    columns * 4,
  );
}

function barOf(share: number, columns: number): string {
  const full = Math.round(share * columns);
  return "━".repeat(full) + "╌".repeat(columns - full);
}

/** Bytes a second over the last seconds; 0 while that is not known. */
function speedOf({ samples, bytes }: Line, nowMs = performance.now()): number {
  samples.push({ atMs: nowMs, bytes });
  while (samples[0] && nowMs - samples[0].atMs > SPEED_WINDOW_MS) samples.shift();
  const [first] = samples;
  return first && nowMs - first.atMs > 500 ? (bytes - first.bytes) * 1000 / (nowMs - first.atMs) : 0;
}
