/** Splits bytes into lines of text as they come. A line that takes many pieces costs no more than its length. */
export class TextLines {
  readonly #decoder = new TextDecoder();
  /** Pieces of the line that has not ended yet. */
  #open: string[] = [];
  #openCharacters = 0;

  /** How long the line is so far that has not ended yet. */
  get openCharacters(): number {
    return this.#openCharacters;
  }

  /** The lines that end in these bytes, those that are empty left out. */
  take(bytes: Uint8Array): string[] {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What is left at the end. */
  end(): string[] {
    return this.#take(`${this.#decoder.decode()}\n`);
  }

  #take(text: string): string[] {
    const pieces = text.split("\n");
    const rest = pieces.pop() ?? "";
    if (pieces.length > 0) {
      pieces[0] = this.#open.join("") + pieces[0];
      this.#open = [];
      this.#openCharacters = 0;
    }
    if (rest !== "") this.#open.push(rest);
    this.#openCharacters += rest.length;
    return pieces.filter((line) => line !== "");
  }
}
