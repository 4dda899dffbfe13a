/** Many documents on standard output: a table, lines with tabs, JSON, or NDJSON. */
import type { JsonObject } from "../../collection/json.ts";
import type { Column } from "./table.ts";
import { outputColumns, print, printable } from "./terminal.ts";

/** How a list is printed. */
export type OutputForm = "table" | "lines" | "json" | "ndjson";

/** A column, and what a document has in it. */
export interface ListingColumn extends Column {
  text(document: JsonObject): string;
  /** The same for programs, if that is another text. */
  rawText?(document: JsonObject): string;
}

/** Output is gathered up to this many characters. */
const FLUSH_CHARACTERS = 64 * 1024;

/** What the flags ask for; else a table on a terminal, and lines in a pipe. */
export function outputForm({ json, ndjson }: { json?: boolean; ndjson?: boolean }): OutputForm {
  if (ndjson) return "ndjson";
  if (json) return "json";
  return outputColumns() === undefined ? "lines" : "table";
}

/** A list on its way out. Only a table holds its documents until the end. */
export class Listing {
  readonly #form: OutputForm;
  readonly #columns: ListingColumn[];
  readonly #width: number;
  readonly #rows: string[][] = [];
  #pending = "";
  /** How many documents were added. */
  count = 0;

  constructor(form: OutputForm, columns: ListingColumn[], width = 80) {
    this.#form = form;
    this.#columns = columns;
    this.#width = width;
  }

  async add(document: JsonObject): Promise<void> {
    this.count++;
    if (this.#form === "table") {
      this.#rows.push(this.#columns.map((column) => column.text(document)));
      return;
    }
    this.#pending += this.#text(document);
    if (this.#pending.length > FLUSH_CHARACTERS) await this.#flush();
  }

  async end(): Promise<void> {
    if (this.#form === "json") this.#pending += this.count === 0 ? "[]\n" : "\n]\n";
    if (this.#form === "table" && this.#rows.length > 0) {
      // What measures text takes a while to load, and only a terminal needs it.
      const { tableLines } = await import("./table.ts");
      this.#pending = tableLines(this.#columns, this.#rows, this.#width).map((line) => `${line}\n`).join("");
    }
    await this.#flush();
  }

  #text(document: JsonObject): string {
    if (this.#form === "ndjson") return `${JSON.stringify(document)}\n`;
    if (this.#form === "json") return `${this.count === 1 ? "[\n" : ",\n"}${JSON.stringify(document)}`;
    const cells = this.#columns.map(({ text, rawText = text }) => printable(rawText(document)));
    return `${cells.join("\t")}\n`;
  }

  async #flush(): Promise<void> {
    await print(this.#pending);
    this.#pending = "";
  }
}
