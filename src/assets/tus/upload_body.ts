/** The bodies of requests on an upload: checked against a digest, or against what an earlier request has brought. */
import { createHash } from "node:crypto";

/** What a client wants checked of one request's body. */
export interface ChunkChecksum {
  algorithm: "sha1" | "sha256" | "md5";
  /** The digest in Base64. */
  expected: string;
}

/** Bytes that an upload began with. */
export interface FirstBytes {
  sizeBytes: number;
  /** In hexadecimal digits. */
  sha256: string;
}

/** The stream, and whether it had the checksum once it has ended. One that breaks off is not it. */
export function checkedBody(
  body: ReadableStream<Uint8Array>,
  { algorithm, expected }: ChunkChecksum,
): { stream: ReadableStream<Uint8Array>; matches: () => boolean } {
  const hash = createHash(algorithm);
  let hasEnded = false;
  const stream = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        hash.update(chunk);
        controller.enqueue(chunk);
      },
      flush() {
        hasEnded = true;
      },
    }),
  );
  return { stream, matches: () => hasEnded && hash.digest("base64") === expected };
}

/** What of a stream follows the given bytes; `undefined` if it does not begin with them. */
export async function behind(
  first: FirstBytes,
  body: ReadableStream<Uint8Array>,
): Promise<ReadableStream<Uint8Array> | undefined> {
  const reader = body.getReader();
  const hash = createHash("sha256");
  let leftBytes = first.sizeBytes;
  let rest: Uint8Array = new Uint8Array();
  while (leftBytes > 0) {
    const { value, done } = await reader.read();
    if (done) return undefined;
    const same = value.subarray(0, leftBytes);
    hash.update(same);
    leftBytes -= same.length;
    rest = value.subarray(same.length);
  }
  if (hash.digest("hex") !== first.sha256) {
    await reader.cancel();
    return undefined;
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (rest.length > 0) {
        controller.enqueue(rest);
        rest = rest.subarray(rest.length);
        return;
      }
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Reads a stream to its end. */
export async function drain(body: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** SHA-256 of a stream, in hexadecimal digits. */
export async function digestOf(body: ReadableStream<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of body) hash.update(chunk);
  return hash.digest("hex");
}
