/**
 * A client that moves one file and keeps nothing of it.
 *
 *     deno run -A transfer_client.ts upload <URL> <size in bytes> <asset name>
 *     deno run -A transfer_client.ts tus <URL> <size in bytes> <asset name>
 *     deno run -A transfer_client.ts download <URL> [hash]
 *
 * Prints `{"seconds": …, "sizeBytes": …, "sha256": …}`, for an upload also the `answer`, for one by tus the
 * `assetUri`. A download is hashed only if asked; an
 * upload is hashed before the clock starts.
 */
import { createHash } from "node:crypto";
import { connect, readHead, readText, requestHead, writeAll } from "./raw_http.ts";

const BOUNDARY = "----bench-7d1f0c6e5b9a4283";

/** Bytes per write, and per read: larger ones gain nothing. */
const BLOCK_BYTES = 1024 * 1024;

/** `crypto.getRandomValues` gives no more at once. */
const RANDOM_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** Random bytes, made once; the number of each block is written into it, so that no two are the same. */
class Content {
  readonly sizeBytes: number;
  readonly #block = new Uint8Array(BLOCK_BYTES);

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    for (let at = 0; at < BLOCK_BYTES; at += RANDOM_BYTES) {
      crypto.getRandomValues(this.#block.subarray(at, at + RANDOM_BYTES));
    }
  }

  /** The blocks, every time the same; one is overwritten by the next. */
  *blocks(): Generator<Uint8Array> {
    const number = new DataView(this.#block.buffer);
    for (let at = 0; at < this.sizeBytes; at += BLOCK_BYTES) {
      number.setFloat64(0, at);
      yield this.#block.subarray(0, this.sizeBytes - at);
    }
  }
}

async function upload(url: URL, sizeBytes: number, name: string) {
  const content = new Content(sizeBytes);
  const digest = createHash("sha256");
  for (const block of content.blocks()) digest.update(block);
  const before = encoder.encode(formBefore(name));
  const after = encoder.encode(`\r\n--${BOUNDARY}--\r\n`);
  using connection = await connect(url);
  const startedAt = performance.now();
  const head = requestHead("POST", url, {
    "Content-Type": `multipart/form-data; boundary=${BOUNDARY}`,
    "Connection": "close",
    "Content-Length": String(before.length + sizeBytes + after.length),
  });
  await writeAll(connection, head);
  await writeAll(connection, before);
  for (const block of content.blocks()) await writeAll(connection, block);
  await writeAll(connection, after);
  const { status, text } = await readText(connection);
  const seconds = (performance.now() - startedAt) / 1000;
  if (status !== 201) throw new Error(`${url} answered ${status}: ${text}`);
  return { seconds, sizeBytes, sha256: digest.digest("hex"), answer: JSON.parse(text) };
}

/** tus 1.0.0: a creation, all bytes in one PATCH, and a look at what they have become. */
async function uploadResumably(url: URL, sizeBytes: number, name: string) {
  const content = new Content(sizeBytes);
  const digest = createHash("sha256");
  for (const block of content.blocks()) digest.update(block);
  const version = { "Tus-Resumable": "1.0.0" };
  const metadata = `filename ${btoa("file.bin")},asset_metadata ${btoa(assetMetadata(name))}`;
  const startedAt = performance.now();
  const created = await fetch(url, {
    method: "POST",
    headers: { ...version, "Upload-Length": String(sizeBytes), "Upload-Metadata": metadata },
  });
  const location = created.headers.get("Location");
  if (location === null) throw new Error(`${url} answered ${created.status}: ${await created.text()}`);
  await created.body?.cancel();
  const uploadUrl = new URL(location, url);
  using connection = await connect(uploadUrl);
  const head = requestHead("PATCH", uploadUrl, {
    ...version,
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
    "Connection": "close",
    "Content-Length": String(sizeBytes),
  });
  await writeAll(connection, head);
  for (const block of content.blocks()) await writeAll(connection, block);
  const { status, text } = await readText(connection);
  const seconds = (performance.now() - startedAt) / 1000;
  if (status !== 204) throw new Error(`${uploadUrl} answered ${status}: ${text}`);
  const { headers } = await fetch(uploadUrl, { method: "HEAD", headers: version });
  return { seconds, sizeBytes, sha256: digest.digest("hex"), assetUri: headers.get("Asset-Uri") };
}

async function download(url: URL, withDigest: boolean) {
  using connection = await connect(url);
  const digest = withDigest ? createHash("sha256") : undefined;
  const buffer = new Uint8Array(BLOCK_BYTES);
  const startedAt = performance.now();
  await writeAll(connection, requestHead("GET", url));
  const { status, contentLength: sizeBytes, rest } = await readHead(connection, buffer);
  if (status !== 200) throw new Error(`${url} answered ${status}.`);
  if (sizeBytes === undefined) throw new Error(`${url} did not say how long its answer is.`);
  digest?.update(rest);
  let leftBytes = sizeBytes - rest.length;
  while (leftBytes > 0) {
    const readBytes = await connection.read(buffer);
    if (readBytes === null) throw new Error(`${url} ended ${leftBytes} bytes too early.`);
    digest?.update(buffer.subarray(0, readBytes));
    leftBytes -= readBytes;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  return { seconds, sizeBytes, sha256: digest?.digest("hex") ?? "" };
}

function formBefore(name: string): string {
  return [
    `--${BOUNDARY}`,
    'Content-Disposition: form-data; name="asset_metadata"',
    "",
    assetMetadata(name),
    `--${BOUNDARY}`,
    'Content-Disposition: form-data; name="asset"; filename="file.bin"',
    "Content-Type: application/octet-stream",
    "",
    "",
  ].join("\r\n");
}

function assetMetadata(name: string): string {
  return JSON.stringify({ asset_name: name, asset_version: { version: "1.0", tag: "bench" } });
}

if (import.meta.main) {
  const [direction = "", url = "", third = "", name = ""] = Deno.args;
  const move = { upload, tus: uploadResumably }[direction];
  const result = move
    ? await move(new URL(url), Number(third), name)
    : await download(new URL(url), third === "hash");
  await Deno.stdout.write(encoder.encode(JSON.stringify(result)));
}
