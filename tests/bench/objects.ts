/** Bytes per second of large files up and down, next to servers that do less, and the memory that it takes. */
import { startCeph } from "../../scripts/services/ceph.ts";
import { minioPath, startMinio } from "../../scripts/services/minio.ts";
import { benchDisk } from "./disk.ts";
import { growthReports, largeFileReport, type LargeFiles, skippedReport } from "./large_file_report.ts";
import type { BenchOptions } from "./options.ts";
import { missingProgram } from "./processes.ts";
import type { GroupReport } from "./report.ts";
import { benchS3 } from "./s3.ts";

const DEFAULT_SIZES_BYTES = [64 * 2 ** 20, 2 ** 30];
const DEFAULT_ROUNDS = 3;

/**
 * Has Ceph's gateway free what is deleted within two seconds instead of two hours (Ceph documentation, "Ceph Object
 * Gateway Config Reference", garbage collection); the cluster holds no more than 4 GiB. Ceph's programs take options
 * from this variable of the environment.
 */
const CEPH_ARGS = "--rgw-gc-obj-min-wait=1 --rgw-gc-processor-period=1";
const CEPH_FREES_WITHIN_MS = 3000;

/** Where files can be kept. */
interface Place {
  name: string;
  /** What it needs. */
  programs: string[];
  bench(folder: string, sizeBytes: number, rounds: number): AsyncIterable<LargeFiles>;
}

const PLACES: Place[] = [
  { name: "disk", programs: [], bench: benchDisk },
  {
    name: "MinIO",
    programs: [minioPath(), "curl"],
    bench: (...how) => benchS3({ name: "MinIO", start: startMinio, freesWithinMs: 0 }, ...how),
  },
  {
    name: "Ceph",
    programs: ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool", "curl"],
    bench(...how) {
      Deno.env.set("CEPH_ARGS", CEPH_ARGS);
      return benchS3({ name: "Ceph", start: startCeph, freesWithinMs: CEPH_FREES_WITHIN_MS }, ...how);
    },
  },
];

/** Measures every size in every place, with a server of its own for each; reports what it has as it goes. */
export async function* benchObjects(folder: string, options: BenchOptions): AsyncGenerator<GroupReport> {
  const { rounds = DEFAULT_ROUNDS, sizes = DEFAULT_SIZES_BYTES, places } = options;
  const all: LargeFiles[] = [];
  for (const { name, programs, bench } of PLACES) {
    if (places.length > 0 && !places.includes(name)) continue;
    const missing = await missingProgram(programs);
    if (missing !== undefined) {
      yield skippedReport(name, `${missing} is not installed; scripts/services/install.sh has what it takes`);
      continue;
    }
    for (const sizeBytes of sizes) {
      for await (const files of bench(folder, sizeBytes, rounds)) {
        all.push(files);
        yield largeFileReport(files);
      }
    }
  }
  yield* growthReports(all);
}
