/** Many large transfers at once: every byte is right, and the server's memory stays bounded. */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { startCeph } from "../../scripts/services/ceph.ts";
import { startMinio } from "../../scripts/services/minio.ts";
import { concat, MULTIPART, multipartBody } from "../server/multipart.ts";
import { connect, readAnswer, writeAll } from "../server/raw.ts";
import { everythingIn, type ProcessServer, startProcessServer } from "./process_server.ts";
import { seededBlocks, seededBytes } from "./seeded_bytes.ts";

const MIB = 2 ** 20;
const UPLOADS = 20;
const FILE_BYTES = 64 * MIB;
const DOWNLOADS = 50;
/** Longest of the ranges. */
const RANGE_BYTES = 12 * MIB;
const MAX_MEMORY_BYTES = 400 * MIB;

const BUCKET = "parallel";

/** How the bodies of the uploads are framed: by their length, or as HTTP chunks of so many bytes. */
type Framing = "length" | { chunkBytes: number };

Deno.test("20 uploads and 50 ranged downloads at once on a disk are right and take less than 400 MiB", async () => {
  await using server = await startProcessServer({});
  await assertTransfers(server, "length");
});

Deno.test("20 uploads in HTTP chunks and 50 ranged downloads at once on a disk are right and take less than 400 MiB", async () => {
  await using server = await startProcessServer({});
  await assertTransfers(server, { chunkBytes: 64 * 1024 });
});

for (const { name, start } of [{ name: "MinIO", start: startMinio }, { name: "Ceph", start: startCeph }]) {
  Deno.test(`20 uploads and 50 ranged downloads at once with ${name} are right and take less than 400 MiB`, async () => {
    await using service = await start();
    await service.createBucket(BUCKET);
    await using server = await startProcessServer({
      s3Bucket: BUCKET,
      s3Endpoint: service.endpoint,
      s3Region: service.region,
      s3AccessKeyId: service.accessKeyId,
      s3SecretAccessKey: service.secretAccessKey,
    });
    await assertTransfers(server, "length");
  });
}

/** Everything goes up, parts of it come down, nothing else is left, and the memory stayed bounded. */
async function assertTransfers(server: ProcessServer, framing: Framing): Promise<void> {
  const seeds = Array.from({ length: UPLOADS }, (_, n) => n + 1);
  const assets = await timed(
    `${UPLOADS} uploads`,
    server,
    UPLOADS * FILE_BYTES,
    () => Promise.all(seeds.map((seed) => upload(server, seed, framing))),
  );
  const ranges = Array.from({ length: DOWNLOADS }, (_, n) => rangeOf(n));
  const total = ranges.reduce((sum, { length }) => sum + length, 0);
  await timed(`${DOWNLOADS} ranges`, server, total, () =>
    Promise.all(ranges.map(({ start, length }, n) => {
      const seed = n % UPLOADS;
      return assertRange(server, { id: assets[seed] ?? "", seed: seed + 1, start, length });
    })));
  const keys = assets.map((id) => `asset/${id}`);
  const { documents, stored } = await everythingIn(server, keys);
  assertEquals({ documents, stored: stored.sort() }, { documents: UPLOADS, stored: keys.sort() });
  const peak = await server.peakMemoryBytes();
  assert(peak < MAX_MEMORY_BYTES, `${Math.round(peak / MIB)} MiB`);
}

/** Uploads the content of a seed; returns the asset's id. */
async function upload(server: ProcessServer, seed: number, framing: Framing): Promise<string> {
  const hash = createHash("sha256");
  using connection = await connect(server);
  const { before, after } = formAround(seed);
  const head = [
    "POST /upload_asset HTTP/1.1",
    `Host: ${new URL(server.url).host}`,
    `Content-Type: ${MULTIPART}`,
    framing === "length"
      ? `Content-Length: ${before.length + FILE_BYTES + after.length}`
      : "Transfer-Encoding: chunked",
    "Connection: close",
  ];
  await writeAll(connection, `${head.join("\r\n")}\r\n\r\n`);
  const send = (bytes: Uint8Array) => writeAll(connection, framed(bytes, framing));
  await send(before);
  for (const block of seededBlocks(seed, FILE_BYTES)) {
    hash.update(block);
    await send(block);
  }
  await send(after);
  if (framing !== "length") await writeAll(connection, "0\r\n\r\n");
  const { status, text } = await readAnswer(connection);
  assertEquals(status, 201, text);
  const { asset_id, data } = JSON.parse(text);
  const { file_size, sha256 } = data.asset_file_info;
  assertEquals({ file_size, sha256 }, { file_size: FILE_BYTES, sha256: hash.digest("hex") });
  return String(asset_id);
}

/** Bytes of a body as they go over the wire (RFC 9112 §7.1). */
function framed(bytes: Uint8Array, framing: Framing): Uint8Array {
  if (framing === "length") return bytes;
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += framing.chunkBytes) {
    const chunk = bytes.subarray(start, start + framing.chunkBytes);
    pieces.push(encoder.encode(`${chunk.length.toString(16)}\r\n`), chunk, encoder.encode("\r\n"));
  }
  return concat(pieces);
}

/** The form of `POST /upload_asset` up to the file, and behind it. */
function formAround(seed: number): { before: Uint8Array; after: Uint8Array } {
  const metadata = { asset_name: `File ${seed}`, asset_version: { version: "1.0", tag: "initial" } };
  const mark = "THE FILE";
  const whole = multipartBody([
    { headers: ['Content-Disposition: form-data; name="asset_metadata"'], body: JSON.stringify(metadata) },
    { headers: ['Content-Disposition: form-data; name="asset"; filename="file.bin"'], body: mark },
  ]);
  const fileAt = new TextDecoder().decode(whole).indexOf(mark);
  return { before: whole.slice(0, fileAt), after: whole.slice(fileAt + mark.length) };
}

/** Ranges of many lengths all over a file: its first and last bytes, and across the parts of a multipart upload. */
function rangeOf(n: number): { start: number; length: number } {
  const length = 1 + (n * 7_654_321) % RANGE_BYTES;
  if (n === 0) return { start: 0, length };
  if (n === 1) return { start: FILE_BYTES - 1, length: 1 };
  if (n % 5 === 0) return { start: 8 * MIB * (n % 7 + 1) - 3, length: Math.min(length, 6 * MIB) };
  return { start: (n * 11_111_117) % (FILE_BYTES - length), length };
}

async function assertRange(
  server: ProcessServer,
  { id, seed, start, length }: { id: string; seed: number; start: number; length: number },
): Promise<void> {
  const end = start + length - 1;
  const headers = { Range: `bytes=${start}-${end}` };
  const response = await fetch(`${server.url}/asset-object/${id}`, { headers });
  assertEquals(response.status, 206);
  assertEquals(response.headers.get("Content-Range"), `bytes ${start}-${end}/${FILE_BYTES}`);
  let offset = start;
  for await (const chunk of response.body ?? []) {
    const expected = seededBytes(seed, offset, chunk.length);
    // Byte by byte in one native call: `assertEquals` on millions of bytes takes minutes.
    assert(
      Buffer.compare(chunk, expected) === 0,
      `File ${seed} is different between ${offset} and ${offset + chunk.length}`,
    );
    offset += chunk.length;
  }
  assertEquals(offset, start + length);
}

/** Does the work, and prints how fast it went and what the server has needed so far. */
async function timed<T>(
  what: string,
  server: ProcessServer,
  sizeBytes: number,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const result = await work();
  const seconds = (performance.now() - startedAt) / 1000;
  const rate = Math.round(sizeBytes / seconds / 1e6);
  const peak = Math.round(await server.peakMemoryBytes() / MIB);
  // deno-lint-ignore no-console
  console.log(`${what}: ${seconds.toFixed(1)} s, ${rate} MB/s, the server's peak is ${peak} MiB`);
  return result;
}
