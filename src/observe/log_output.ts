/**
 * Where log lines go: gathered for a moment, then written in one piece, and never waited for.
 *
 * A reader that has stopped reading, such as a full pipe, must not stop the server: lines that find no room are dropped and
 * counted.
 */

/** How long a line may wait for others: a write costs as much as forming a hundred lines. */
const GATHER_MS = 20;

/** The most characters that wait to be written. */
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024;

/** Something that takes bytes, such as `Deno.stderr`. */
export interface Writer {
  write(bytes: Uint8Array): Promise<number>;
}

/** Lines on their way to a writer. */
export class LogOutput {
  readonly #writer: Writer;
  readonly #encoder = new TextEncoder();
  #waiting = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #dropped = 0;
  #untold = 0;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** How many lines found no room so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Takes a line, its line feed included.
   *
   * @param isUrgent whether it is written as soon as may be
   */
  write(line: string, isUrgent = false): void {
    if (this.#waiting.length + line.length > MAX_WAITING_CHARACTERS) {
      this.#dropped++;
      this.#untold++;
      return;
    }
    this.#waiting += line;
    if (isUrgent) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), GATHER_MS);
  }

  /** Resolves once everything taken so far is written, or cannot be, or takes too long: a full pipe must not hold up the end. */
  async flush(timeoutMs = 1000): Promise<void> {
    this.#start();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    await Promise.race([this.#writing, late]);
    clearTimeout(timer);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting !== "") {
      let bytes = this.#encoder.encode(this.#waiting);
      this.#waiting = "";
      try {
        while (bytes.length > 0) bytes = bytes.subarray(await this.#writer.write(bytes));
      } catch {
        // Nobody reads any more, and there is nowhere to say so.
        this.#dropped++;
      }
      if (this.#untold > 0) this.#waiting += `(${this.#untold} lines of this log found no room)\n`;
      this.#untold = 0;
    }
  }
}
