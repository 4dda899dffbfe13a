/**
 * Reads `multipart/form-data` (RFC 7578) as a stream of events, never holding more of a file than the chunk in hand.
 *
 * multipasta finds the boundaries. Put right here: a close delimiter cut between its two hyphens, which it takes for the
 * beginning of a header, and names in `Content-Disposition` beyond Latin-1,
 * which it drops.
 */
import * as contentDisposition from "content-disposition";
import { make, type MultipartError, type Parser, type PartInfo } from "multipasta";
import { ServiceError } from "../errors.ts";
import type { BodyReader } from "./body_reader.ts";

/** What a form consists of, in the order in which it arrives. */
export type FormEvent =
  | { kind: "field"; name: string; bytes: Uint8Array }
  | { kind: "file"; name: string; fileName: string | undefined; contentType: string | undefined }
  | { kind: "chunk"; bytes: Uint8Array }
  | { kind: "file_end" };

/** What a form may hold. */
export interface FormOptions {
  /** The parts of these names are streamed as files; all others are fields and held in memory. */
  files: string[];
  /** The most bytes in a field. */
  maxFieldBytes: number;
  /** The most parts. */
  maxParts: number;
}

const HYPHEN = 45;

/** A boundary has at most 70 characters (RFC 2046 §5.1.1), and the close delimiter two hyphens more: no run that matters is longer. */
const MAX_HELD_HYPHENS = 72;

/** A form being read. Ask for the next event until there is none. */
export class FormReader {
  readonly #body: BodyReader;
  readonly #parser: Parser;
  readonly #events: FormEvent[] = [];
  #problem: string | undefined;
  #tooLarge: string | undefined;
  #hasClosed = false;
  #hasEnded = false;
  #held: Uint8Array = new Uint8Array(0);
  #isInFile = false;

  /**
   * @param contentType the request's `Content-Type` header
   * @throws {ServiceError} `unsupported_media_type` if it is another one, `invalid_request` without a boundary
   */
  constructor(body: BodyReader, contentType: string, options: FormOptions) {
    if (!/^multipart\/form-data *(;|$)/i.test(contentType.trim())) {
      throw new ServiceError(
        "unsupported_media_type",
        `The body must be multipart/form-data, not ${contentType === "" ? "untyped" : contentType}.`,
      );
    }
    this.#parser = this.#makeParser(contentType, options);
    this.#throwProblem();
    this.#body = body;
  }

  /**
   * The next event, or `undefined` at the end of the form.
   *
   * @throws {ServiceError} `invalid_request` if the form is malformed or cut off, `too_large` if a field is
   */
  async next(): Promise<FormEvent | undefined> {
    while (this.#events.length === 0) {
      if (this.#hasEnded) return undefined;
      await this.#read();
    }
    return this.#events.shift();
  }

  async #read(): Promise<void> {
    // Of a file nothing is kept when its next bytes are asked for; of fields and headers the parser keeps views.
    const chunk = await this.#body.read({ mayReuse: this.#isInFile });
    if (chunk) this.#write(chunk);
    else this.#end();
    this.#throwProblem();
  }

  #write(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#held.length > 0) {
      bytes = new Uint8Array(this.#held.length + chunk.length);
      bytes.set(this.#held);
      bytes.set(chunk, this.#held.length);
    }
    // Hyphens at the end wait for what follows them, so that a close delimiter is never cut.
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === HYPHEN && bytes.length - end < MAX_HELD_HYPHENS) end--;
    this.#held = bytes.slice(end);
    if (end > 0) this.#parse(bytes.subarray(0, end));
  }

  #end(): void {
    this.#hasEnded = true;
    if (this.#held.length > 0) this.#parse(this.#held);
    if (!this.#hasClosed) this.#parser.end();
    if (!this.#hasClosed) this.#problem ??= "it ends before its last boundary";
  }

  #parse(bytes: Uint8Array): void {
    // What follows the close delimiter is to be ignored (RFC 2046 §5.1.1).
    if (this.#hasClosed) return;
    try {
      this.#parser.write(bytes);
    } catch (error) {
      this.#problem ??= error instanceof Error ? error.message : String(error);
    }
  }

  #throwProblem(): void {
    if (this.#tooLarge !== undefined) throw new ServiceError("too_large", this.#tooLarge);
    if (this.#problem !== undefined) {
      throw new ServiceError("invalid_request", `The multipart body is malformed: ${this.#problem}.`);
    }
  }

  #makeParser(contentType: string, { files, maxFieldBytes, maxParts }: FormOptions): Parser {
    const isFile = (info: PartInfo) => files.includes(partName(info).name);
    return make({
      headers: { "content-type": contentType },
      isFile,
      maxParts,
      maxFieldSize: maxFieldBytes,
      onField: (info, bytes) => this.#events.push({ kind: "field", name: partName(info).name, bytes }),
      onFile: (info) => {
        this.#events.push({ kind: "file", ...partName(info), contentType: header(info, "content-type") });
        this.#isInFile = true;
        return (bytes) => {
          this.#isInFile = bytes !== null;
          this.#events.push(bytes === null ? { kind: "file_end" } : { kind: "chunk", bytes });
        };
      },
      onError: (error) => this.#note(error, maxFieldBytes, maxParts),
      onDone: () => {
        this.#hasClosed = true;
      },
    });
  }

  #note(error: MultipartError, maxFieldBytes: number, maxParts: number): void {
    switch (error._tag) {
      case "InvalidBoundary":
        this.#problem ??= "its Content-Type names no boundary";
        break;
      case "BadHeaders":
        this.#problem ??= "a part has malformed headers";
        break;
      case "InvalidDisposition":
        this.#problem ??= "a part has no name in its Content-Disposition";
        break;
      case "EndNotReached":
        this.#problem ??= "it ends before its last boundary";
        break;
      case "ReachedLimit":
        if (error.limit === "MaxParts") this.#problem ??= `it has more than ${maxParts} parts`;
        else this.#tooLarge ??= `A text part of the form is larger than ${maxFieldBytes} bytes.`;
    }
  }
}

function partName(info: PartInfo): { name: string; fileName: string | undefined } {
  const disposition = header(info, "content-disposition");
  if (disposition === undefined) return { name: "", fileName: undefined };
  // Browsers send a backslash as it is; only before a quotation mark or another one is it curl's escape.
  const { parameters } = contentDisposition.parse(disposition.replaceAll(/\\(?!["\\])/g, "\\\\"));
  // Browsers and curl write a quotation mark in a name as %22 (WHATWG HTML, "multipart/form-data encoding").
  return { name: parameters.name ?? "", fileName: parameters.filename?.replaceAll("%22", '"') };
}

function header(info: PartInfo, name: string): string | undefined {
  const value = info.headers[name];
  // A header that came in two chunks keeps the space before its value.
  return (Array.isArray(value) ? value[0] : value)?.trim();
}
