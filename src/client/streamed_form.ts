/** The form of `POST /upload_asset` around a file that comes as a stream, so that none of it has to be held. */
import type { JsonObject } from "../collection/json.ts";

/** A file on its way. */
export interface StreamedFile {
  name: string;
  /** Its media type. */
  type: string;
  /** If it fails, the form has no end, and the server makes nothing of it. */
  body: AsyncIterable<Uint8Array>;
}

/** A request's body and its content type (RFC 7578). */
export interface StreamedForm {
  body: ReadableStream<Uint8Array>;
  contentType: string;
}

/** Makes the form; the metadata come first, so that a server that refuses them need not take the file. */
export function streamedForm(file: StreamedFile, metadata: JsonObject): StreamedForm {
  const boundary = `form-${crypto.randomUUID()}`;
  return {
    body: ReadableStream.from(formBytes(boundary, file, metadata)),
    contentType: `multipart/form-data; boundary=${boundary}`,
  };
}

async function* formBytes(
  boundary: string,
  { name, type, body }: StreamedFile,
  metadata: JsonObject,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  const head = [
    `--${boundary}`,
    'Content-Disposition: form-data; name="asset_metadata"',
    "",
    JSON.stringify(metadata),
    `--${boundary}`,
    `Content-Disposition: form-data; name="asset"; filename="${quoted(name)}"`,
    `Content-Type: ${type.replaceAll(/[\r\n]/g, " ")}`,
    "",
    "",
  ];
  yield encoder.encode(head.join("\r\n"));
  yield* body;
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}

/** As browsers write names in forms (HTML standard, "multipart/form-data encoding algorithm"). */
function quoted(name: string): string {
  return name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}
