/** Files read in pieces: as the body of a request, and for their checksum. */
import { createHash } from "node:crypto";

const CHUNK_BYTES = 256 * 1024;

/** What is told while a file is read. */
export interface ReadOptions {
  /** Called with the number of bytes read so far. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/**
 * A part of a file as a `Blob`: a body whose size is known, so that `fetch` says it in `Content-Length`, and which is read as
 * it is sent. (A `Blob` of the runtime's own would hold the bytes in memory; a stream would go out in chunks, unsized.)
 */
export class FilePart extends Blob {
  readonly #path: string;
  readonly #start: number;
  readonly #sizeBytes: number;
  readonly #options: ReadOptions;

  constructor(path: string, start: number, sizeBytes: number, options: ReadOptions = {}) {
    super([]);
    this.#path = path;
    this.#start = start;
    this.#sizeBytes = sizeBytes;
    this.#options = options;
  }

  override get size(): number {
    return this.#sizeBytes;
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const pieces = readPieces(this.#path, this.#start, this.#sizeBytes, this.#options);
    return new ReadableStream({
      async pull(controller) {
        const next = await pieces.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await pieces.return();
      },
    }, { highWaterMark: 0 });
  }
}

/** The SHA-256 of a file's first `sizeBytes` bytes. */
export async function hashOfFile(path: string, sizeBytes: number, options: ReadOptions = {}) {
  const hash = createHash("sha256");
  for await (const piece of readPieces(path, 0, sizeBytes, options)) hash.update(piece);
  return hash;
}

/** @throws {Error} when the file ends before that many bytes */
async function* readPieces(
  path: string,
  start: number,
  sizeBytes: number,
  { onBytes, signal }: ReadOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  using file = await Deno.open(path);
  await file.seek(start, Deno.SeekMode.Start);
  let readBytes = 0;
  while (readBytes < sizeBytes) {
    signal?.throwIfAborted();
    const piece = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes - readBytes));
    const length = await file.read(piece);
    if (length === null) throw new Error(`${JSON.stringify(path)} became shorter while it was read`);
    readBytes += length;
    onBytes?.(readBytes);
    yield piece.subarray(0, length);
  }
}
