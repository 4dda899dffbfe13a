/** Bytes per second of large files up and down, on disk, next to servers that only take or only give, and their memory. */
import { join } from "node:path";
import { z } from "zod";
import type { BenchOptions } from "./options.ts";
import {
  type MeasuredServer,
  peakMemoryBytes,
  resetPeakMemory,
  runModule,
  startAssetsServer,
  startCeiling,
} from "./processes.ts";
import { atLeast, type Bar, type GroupReport, lessMemoryThan, type Measurement, shareOf } from "./report.ts";

/** What the server must reach of its ceilings, the one that discards and the one that sends from memory. */
const LEAST_SHARE = 0.5;

/** What the server may have resident, whatever the size of a file. */
const MEMORY_LIMIT_BYTES = 250 * 2 ** 20;

const transferResult = z.object({
  seconds: z.number(),
  sizeBytes: z.number(),
  sha256: z.string().optional(),
});
const uploadResult = transferResult.extend({
  answer: z.object({ asset_uri: z.string().optional(), asset_id: z.string().optional() }),
});

interface Series {
  rates: number[];
  peakBytes: number | undefined;
}

/** An asset that was uploaded. */
interface Uploaded {
  uri: string;
  id: string;
  sha256: string;
}

/** Measures uploads and downloads of each size. */
export async function benchObjects(folder: string, options: BenchOptions): Promise<GroupReport[]> {
  const reports: GroupReport[] = [];
  const rounds = options.rounds ?? 3;
  for (const sizeBytes of options.sizesBytes) {
    const dataDir = join(folder, `objects-${sizeBytes}`);
    await using server = await startAssetsServer(dataDir);
    const kept = await upload(server, sizeBytes, "kept");
    await verify(server, kept);
    reports.push(await benchUploads(server, sizeBytes, rounds));
    reports.push(await benchDownloads(server, { sizeBytes, rounds, kept, dataDir }));
    await remove(server, kept);
  }
  return reports;
}

async function benchUploads(
  server: MeasuredServer,
  sizeBytes: number,
  rounds: number,
): Promise<GroupReport> {
  await using discard = await startCeiling("discard");
  await using hash = await startCeiling("hash");
  const ours = newSeries();
  const ceiling = newSeries();
  const hashCeiling = newSeries();
  for (let round = 0; round < rounds; round++) {
    let uploaded: Uploaded | undefined;
    await measure(ours, server, async () => {
      uploaded = await upload(server, sizeBytes, `round-${round}`);
      return uploaded;
    });
    if (uploaded) await remove(server, uploaded);
    await measure(ceiling, discard, () => upload(discard, sizeBytes, "discarded"));
    await measure(hashCeiling, hash, () => upload(hash, sizeBytes, "hashed"));
  }
  return report("upload", sizeBytes, rounds, {
    ours,
    ceiling,
    others: { "reads and hashes it": hashCeiling },
  }, {
    subject: "POST /upload_asset",
    ceiling: "reads and discards it",
  });
}

async function benchDownloads(
  server: MeasuredServer,
  { sizeBytes, rounds, kept, dataDir }: {
    sizeBytes: number;
    rounds: number;
    kept: Uploaded;
    dataDir: string;
  },
): Promise<GroupReport> {
  await using memory = await startCeiling("memory", String(sizeBytes));
  await using file = await startCeiling("file", join(dataDir, "objects", "asset", kept.id));
  const ours = newSeries();
  const ceiling = newSeries();
  const fileCeiling = newSeries();
  for (let round = 0; round < rounds; round++) {
    await measure(ours, server, () => download(objectUrl(server, kept)));
    await measure(ceiling, memory, () => download(memory.url));
    await measure(fileCeiling, file, () => download(file.url));
  }
  return report("download", sizeBytes, rounds, { ours, ceiling, others: { "sends the file": fileCeiling } }, {
    subject: "GET /asset-object/<asset_id>",
    ceiling: "sends from memory",
  });
}
