/** Splits bytes into lines, as they come, without holding more than one line that is not too long. */

const LINE_FEED = 10;
/** Everything up to the space is blank: JSON's white space is in it, and no JSON text consists of the rest. */
const SPACE = 32;

const FIRST_ROOM_BYTES = 4096;

/** A line that is not blank. */
export interface Line {
  /** Blank lines count as well; the first is 1. */
  number: number;
  /** Without its end, and only until the next line is asked for; nothing if it is too long. */
  bytes: Uint8Array | undefined;
}

/** A body on its way in, line by line. */
export class LineSplitter {
  readonly #maxBytes: number;
  #chunk: Uint8Array = new Uint8Array();
  /** What came before the chunk of the line that has not ended yet, if it is not too long already. */
  #open: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_ROOM_BYTES);
  #openBytes = 0;
  #isEnd = false;
  #number = 0;

  /** @param maxBytes of a line; of a longer one nothing is held */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The number of the line that comes next, or has not ended yet. */
  get nextNumber(): number {
    return this.#number + 1;
  }

  /** Takes the next bytes, once `next` has nothing more to give. They must not change until it has nothing more again. */
  feed(chunk: Uint8Array): void {
    this.#chunk = chunk;
  }

  /** There are no more bytes; the last line needs no end. */
  end(): void {
    this.#isEnd = true;
  }

  /** The next line; `undefined` if that takes more bytes, or at the end. */
  next(): Line | undefined {
    for (;;) {
      const end = this.#chunk.indexOf(LINE_FEED);
      if (end === -1) {
        this.#hold(this.#chunk);
        this.#chunk = new Uint8Array();
        if (!this.#isEnd || this.#openBytes === 0) return undefined;
      }
      const line = this.#take(Math.max(end, 0));
      this.#chunk = this.#chunk.subarray(end + 1);
      this.#number++;
      if (line === undefined || !isBlank(line)) return { number: this.#number, bytes: line };
    }
  }

  /** The line that ends so far into the chunk. */
  #take(end: number): Uint8Array | undefined {
    const last = this.#chunk.subarray(0, end);
    if (this.#openBytes === 0) return end > this.#maxBytes ? undefined : last;
    this.#hold(last);
    const sizeBytes = this.#openBytes;
    this.#openBytes = 0;
    return sizeBytes > this.#maxBytes ? undefined : this.#open.subarray(0, sizeBytes);
  }

  #hold(bytes: Uint8Array): void {
    const start = this.#openBytes;
    this.#openBytes += bytes.length;
    if (this.#openBytes > this.#maxBytes) return;
    if (this.#openBytes > this.#open.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, 2 * this.#openBytes));
      larger.set(this.#open.subarray(0, start));
      this.#open = larger;
    }
    this.#open.set(bytes, start);
  }
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte <= SPACE);
}
