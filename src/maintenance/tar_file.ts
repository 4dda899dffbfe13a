/** A tar on its way into a file that appears when it is whole, and the members of one that is there. */
import { dirname } from "node:path";
import { createTarDecoder, createTarPacker } from "modern-tar";

/** Writes a tar. Dispose of it: a file that was not finished goes. */
export class TarWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #part: string;
  readonly #file: Deno.FsFile;
  readonly #controller: ReturnType<typeof createTarPacker>["controller"];
  readonly #written: Promise<void>;
  #isFinished = false;

  private constructor(path: string, part: string, file: Deno.FsFile) {
    this.#path = path;
    this.#part = part;
    this.#file = file;
    const { readable, controller } = createTarPacker();
    this.#controller = controller;
    this.#written = writeInto(file, readable);
    this.#written.catch(() => {});
  }

  /**
   * Begins a file beside `path`, which nobody may have yet.
   *
   * @throws {Error} if there is something, or the folder cannot be written to
   */
  static async create(path: string): Promise<TarWriter> {
    if (await Deno.lstat(path).then(() => true, () => false)) {
      throw new Error(`${path} is there already; it is not replaced.`);
    }
    const part = `${path}.part`;
    try {
      const file = await Deno.open(part, { write: true, create: true, truncate: true, mode: 0o600 });
      return new TarWriter(path, part, file);
    } catch (error) {
      throw new Error(`${part} cannot be written: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Adds a member whose bytes are at hand. */
  async add(name: string, bytes: Uint8Array): Promise<void> {
    const body = this.#controller.add({ name, size: bytes.length, mtime: new Date(), mode: 0o644 })
      .getWriter();
    await this.#orFailed(body.write(bytes));
    await this.#orFailed(body.close());
  }

  /**
   * Adds a member of exactly `sizeBytes` bytes.
   *
   * @throws {Error} if more or fewer come
   */
  async addStream(name: string, sizeBytes: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const header = { name, size: sizeBytes, mtime: new Date(), mode: 0o644 };
    const body = this.#controller.add(header).getWriter();
    for await (const chunk of chunks) await this.#orFailed(body.write(chunk));
    await this.#orFailed(body.close());
  }

  /** Ends the tar; it is on the disk and has its name then. */
  async finish(): Promise<void> {
    this.#controller.finalize();
    await this.#written;
    await this.#file.sync();
    this.#file.close();
    this.#isFinished = true;
    await Deno.rename(this.#part, this.#path);
    if (Deno.build.os === "windows") return;
    using folder = await Deno.open(dirname(this.#path));
    await folder.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isFinished) return;
    this.#controller.error(new Error("The tar is given up."));
    await this.#written.catch(() => {});
    this.#file.close();
    await Deno.remove(this.#part).catch(() => {});
  }

  /** When the file cannot be written, nobody takes any more what is written into the tar. */
  async #orFailed(step: Promise<void>): Promise<void> {
    step.catch(() => {});
    await Promise.race([step, this.#written.then(() => step)]);
  }
}

async function writeInto(file: Deno.FsFile, chunks: ReadableStream<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) {
    for (let written = 0; written < chunk.length;) written += await file.write(chunk.subarray(written));
  }
}

/** A member of a tar. Its body must be read to its end before the next one is asked for. */
export interface TarMember {
  name: string;
  sizeBytes: number;
  body: ReadableStream<Uint8Array>;
}

/**
 * The members of a tar, in their order.
 *
 * @param onBytes told how many bytes of the file have been read
 * @throws {Error} if it is no tar, or broken off within a member
 */
export async function* readTar(
  path: string,
  onBytes: (count: number) => void = () => {},
): AsyncGenerator<TarMember> {
  const file = await Deno.open(path, { read: true });
  let read = 0;
  const counted = file.readable.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        onBytes(read += chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
  for await (const { header, body } of counted.pipeThrough(createTarDecoder({ strict: true }))) {
    if ((header.type ?? "file") !== "file") await body.cancel();
    else yield { name: header.name, sizeBytes: header.size, body };
  }
}

/** The bytes of a small member. */
export async function readMember(
  { body, name, sizeBytes }: TarMember,
  mostBytes: number,
): Promise<Uint8Array> {
  if (sizeBytes > mostBytes) throw new Error(`The backup is damaged: ${name} is too large.`);
  const bytes = new Uint8Array(sizeBytes);
  let offset = 0;
  for await (const chunk of body) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
