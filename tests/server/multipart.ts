/** Multipart bodies byte by byte: what no well-behaved client would send, and what a browser cannot. */

/** One part: its header lines, and its body. */
export interface Part {
  headers: string[];
  body: string | Uint8Array;
}

export const BOUNDARY = "----a-boundary-of-the-tests";

/** The header of a request with such a body. */
export const MULTIPART = `multipart/form-data; boundary=${BOUNDARY}`;

/** The body of the parts; `isOpen` leaves the last delimiter out. */
export function multipartBody(parts: Part[], isOpen = false): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  for (const { headers, body } of parts) {
    pieces.push(bytesOf(`--${BOUNDARY}\r\n${headers.join("\r\n")}\r\n\r\n`), bytesOf(body), bytesOf("\r\n"));
  }
  if (!isOpen) pieces.push(bytesOf(`--${BOUNDARY}--\r\n`));
  return concat(pieces);
}

/** A `POST` of the parts. */
export function multipartRequest(parts: Part[], isOpen = false): RequestInit {
  return { method: "POST", body: multipartBody(parts, isOpen), headers: { "Content-Type": MULTIPART } };
}

/** The part `asset`. */
export function filePart(body: string | Uint8Array = "bytes", fileName: string | null = "a.bin"): Part {
  const name = fileName === null ? "" : `; filename="${fileName}"`;
  return {
    headers: [
      `Content-Disposition: form-data; name="asset"${name}`,
      "Content-Type: application/octet-stream",
    ],
    body,
  };
}

/** The part `asset_metadata`: an object becomes JSON, a text stays as it is. */
export function metadataPart(metadata: unknown): Part {
  return {
    headers: [`Content-Disposition: form-data; name="asset_metadata"`],
    body: typeof metadata === "string" ? metadata : JSON.stringify(metadata),
  };
}

/** Metadata that is enough. */
export function metadata(name = "Sample", more: Record<string, unknown> = {}) {
  return { asset_name: name, asset_version: { version: "1.0", tag: "initial" }, ...more };
}

/** All of them, one after another. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? new TextEncoder().encode(text) : text;
}
