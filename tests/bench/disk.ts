/** Large files on disk: our server next to ones that only take or only give, and to nginx. */
import { join } from "node:path";
import type { LargeFiles } from "./large_file_report.ts";
import { startNginx } from "./nginx.ts";
import { type MeasuredServer, missingProgram, startAssetsServer, startCeiling } from "./processes.ts";
import { measureInTurn, type Subject } from "./subject.ts";
import {
  download,
  objectUrl,
  rate,
  remove,
  upload,
  uploadAndVerify,
  uploadAnywhere,
  uploadResumably,
} from "./transfers.ts";

/** The names of the rows, which the goals repeat. */
const UPLOAD = "POST /upload_asset";
const RESUMABLE_UPLOAD = "PATCH /uploads/<id>";
const DOWNLOAD = "GET /asset-object/<asset_id>";
const HASHES = "reads and hashes";
const DISCARDS = "reads and discards";
const NGINX = "nginx";
const FROM_MEMORY = "sends from memory";

const CLIENT = "client: tests/bench/transfer_client.ts";

/** Measures one size, uploads first. */
export async function* benchDisk(
  folder: string,
  sizeBytes: number,
  rounds: number,
): AsyncGenerator<LargeFiles> {
  const dataDir = join(folder, `disk-${sizeBytes}`);
  await using server = await startAssetsServer(dataDir);
  const { id, uri } = await uploadAndVerify(server, sizeBytes);
  yield await benchUploads(server, sizeBytes, rounds);
  const path = join(dataDir, "objects", "asset", id);
  yield await benchDownloads({ server, url: objectUrl(server, id), path }, sizeBytes, rounds);
  await remove(server, uri);
}

async function benchUploads(server: MeasuredServer, sizeBytes: number, rounds: number): Promise<LargeFiles> {
  await using discard = await startCeiling("discard");
  await using hash = await startCeiling("hash");
  const uploadHere = async () => {
    const { transfer, stored } = await upload(server, sizeBytes);
    await remove(server, stored.uri);
    return rate(transfer);
  };
  const uploadHereResumably = async () => {
    const { transfer, uri } = await uploadResumably(server, sizeBytes);
    await remove(server, uri);
    return rate(transfer);
  };
  const uploadTo = async (ceiling: MeasuredServer) =>
    rate((await uploadAnywhere(ceiling, sizeBytes)).transfer);
  const series = await measureInTurn([
    { name: UPLOAD, server, isOurs: true, run: uploadHere },
    { name: RESUMABLE_UPLOAD, server, isOurs: true, run: uploadHereResumably },
    { name: HASHES, server: hash, run: () => uploadTo(hash) },
    { name: DISCARDS, server: discard, run: () => uploadTo(discard) },
  ], rounds);
  return {
    direction: "upload",
    place: "disk",
    sizeBytes,
    series,
    goals: [
      { ours: UPLOAD, next: HASHES, least: 0.7 },
      { ours: RESUMABLE_UPLOAD, next: HASHES, least: 0.7 },
      { ours: UPLOAD, next: DISCARDS, least: 0.5 },
    ],
    notes: [CLIENT],
  };
}

/** `path` is the file behind `url`. */
async function benchDownloads(
  { server, url, path }: { server: MeasuredServer; url: string; path: string },
  sizeBytes: number,
  rounds: number,
): Promise<LargeFiles> {
  await using servers = new AsyncDisposableStack();
  const memory = servers.use(await startCeiling("memory", String(sizeBytes)));
  const file = servers.use(await startCeiling("file", path));
  const downloadFrom = async (from: string) => rate(await download(from, sizeBytes));
  const subjects: Subject[] = [
    { name: DOWNLOAD, server, isOurs: true, run: () => downloadFrom(url) },
    { name: "Deno.serve sends the same file", server: file, run: () => downloadFrom(file.url) },
    { name: FROM_MEMORY, server: memory, run: () => downloadFrom(memory.url) },
  ];
  const notes = [CLIENT];
  if (await missingProgram(["nginx"]) === undefined) {
    const nginx = servers.use(await startNginx(path));
    subjects.push({ name: NGINX, server: nginx, run: () => downloadFrom(nginx.url) });
  } else {
    notes.push("nginx skipped: it is not installed (Debian: nginx-light)");
  }
  return {
    direction: "download",
    place: "disk",
    sizeBytes,
    series: await measureInTurn(subjects, rounds),
    goals: [
      { ours: DOWNLOAD, next: NGINX, least: 0.9 },
      { ours: DOWNLOAD, next: FROM_MEMORY, least: 0.5 },
    ],
    notes,
  };
}
