/** Bytes per second of large files up and down, on disk, next to servers that only take or only give, and their memory. */
import { join } from "node:path";
import { z } from "zod";
import type { BenchOptions } from "./options.ts";
import { type MeasuredServer, runModule, startAssetsServer, startCeiling } from "./processes.ts";
import { atLeast, type Bar, type GroupReport, lessMemoryThan } from "./report.ts";
import { measureInTurn, measurementOf, type Series, shareOf } from "./subject.ts";

const DEFAULT_ROUNDS = 3;

/** What the server must reach of the ceiling that discards, and of the one that sends from memory. */
const LEAST_SHARE = 0.5;

/** What the server may have resident, whatever the size of a file. */
const MEMORY_LIMIT_BYTES = 250 * 2 ** 20;

/** What `transfer_client.ts` prints. */
const transferResult = z.object({ seconds: z.number(), sizeBytes: z.number(), sha256: z.string() });

/** What an upload answered. */
const uploadAnswer = z.object({
  asset_uri: z.string(),
  asset_id: z.string(),
  data: z.object({ asset_file_info: z.object({ sha256: z.string() }) }),
});

type Transfer = z.infer<typeof transferResult>;

/** A file that the server keeps while downloads are measured. */
interface KeptFile {
  id: string;
  sizeBytes: number;
  dataDir: string;
}

/** Measures uploads and downloads of each size, with a server of its own. */
export async function benchObjects(folder: string, options: BenchOptions): Promise<GroupReport[]> {
  const { rounds = DEFAULT_ROUNDS } = options;
  const reports: GroupReport[] = [];
  for (const sizeBytes of options.sizesBytes) {
    const dataDir = join(folder, `objects-${sizeBytes}`);
    await using server = await startAssetsServer(dataDir);
    const { id, uri } = await uploadAndVerify(server, sizeBytes);
    reports.push(await benchUploads(server, sizeBytes, rounds));
    reports.push(await benchDownloads(server, { id, sizeBytes, dataDir }, rounds));
    await remove(server, uri);
  }
  return reports;
}

async function benchUploads(server: MeasuredServer, sizeBytes: number, rounds: number): Promise<GroupReport> {
  await using discard = await startCeiling("discard");
  await using hash = await startCeiling("hash");
  const uploadHere = async () => {
    const { transfer, answer } = await upload(server, sizeBytes);
    await remove(server, uploadAnswer.parse(answer).asset_uri);
    return rate(transfer);
  };
  const uploadTo = async (ceiling: MeasuredServer) => rate((await upload(ceiling, sizeBytes)).transfer);
  const series = await measureInTurn([
    { name: "POST /upload_asset", server, run: uploadHere },
    { name: "reads and hashes", server: hash, run: () => uploadTo(hash) },
    { name: "reads and discards", server: discard, run: () => uploadTo(discard) },
  ], rounds);
  return report("upload", sizeBytes, series);
}

async function benchDownloads(
  server: MeasuredServer,
  { id, sizeBytes, dataDir }: KeptFile,
  rounds: number,
): Promise<GroupReport> {
  await using memory = await startCeiling("memory", String(sizeBytes));
  await using file = await startCeiling("file", join(dataDir, "objects", "asset", id));
  const downloadFrom = async (url: string) => {
    const transfer = await download(url);
    if (transfer.sizeBytes !== sizeBytes) throw new Error(`${url} sent ${transfer.sizeBytes} bytes.`);
    return rate(transfer);
  };
  const series = await measureInTurn([
    { name: "GET /asset-object/<asset_id>", server, run: () => downloadFrom(objectUrl(server, id)) },
    { name: "sends the same file", server: file, run: () => downloadFrom(file.url) },
    { name: "sends from memory", server: memory, run: () => downloadFrom(memory.url) },
  ], rounds);
  return report("download", sizeBytes, series);
}

/** The first of the series is ours, the last is the ceiling that counts. */
function report(direction: string, sizeBytes: number, series: Series[]): GroupReport {
  const [ours, ceiling] = [series[0], series.at(-1)];
  const bars: Bar[] = [];
  if (ours && ceiling) {
    bars.push(
      atLeast(`${direction} next to one that ${ceiling.subject}`, shareOf(ours, ceiling), LEAST_SHARE),
    );
    if (ours.peakBytes !== undefined) {
      bars.push(lessMemoryThan("peak memory of the server", ours.peakBytes, MEMORY_LIMIT_BYTES));
    }
  }
  return {
    title: `objects: ${direction} of ${sizeBytes / 2 ** 20} MiB on disk`,
    notes: [`${ours?.rates.length} rounds, alternating; client: tests/bench/transfer_client.ts`],
    measurements: series.map((one, n) => measurementOf(one, "MB/s", series.slice(n + 1))),
    bars,
  };
}

/** Uploads a file and sees that the server says and sends what went up. */
async function uploadAndVerify(
  server: MeasuredServer,
  sizeBytes: number,
): Promise<{ id: string; uri: string }> {
  const { transfer, answer } = await upload(server, sizeBytes);
  const { asset_id: id, asset_uri: uri, data } = uploadAnswer.parse(answer);
  const back = await download(objectUrl(server, id), "hash");
  for (const digest of [data.asset_file_info.sha256, back.sha256]) {
    if (digest !== transfer.sha256) throw new Error(`${transfer.sha256} went up, ${digest} came back.`);
  }
  return { id, uri };
}

async function upload(
  { url }: MeasuredServer,
  sizeBytes: number,
): Promise<{ transfer: Transfer; answer: unknown }> {
  const args = ["upload", `${url}/upload_asset`, String(sizeBytes), crypto.randomUUID()];
  const result = transferResult.extend({ answer: z.unknown() }).parse(
    await runModule("transfer_client.ts", args),
  );
  return { transfer: result, answer: result.answer };
}

async function download(url: string, ...more: string[]): Promise<Transfer> {
  return transferResult.parse(await runModule("transfer_client.ts", ["download", url, ...more]));
}

async function remove({ url }: MeasuredServer, uri: string): Promise<void> {
  const response = await fetch(`${url}/asset/${encodeURIComponent(uri)}`, { method: "DELETE" });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`DELETE of ${uri} answered ${response.status}.`);
}

function objectUrl({ url }: MeasuredServer, id: string): string {
  return `${url}/asset-object/${encodeURIComponent(id)}`;
}

/** Megabytes, of a million bytes, per second. */
function rate({ sizeBytes, seconds }: Transfer): number {
  return sizeBytes / 1e6 / seconds;
}
