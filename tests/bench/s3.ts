/** Large files in S3: our server next to the same bytes sent straight to and fetched straight from the service. */
import { join } from "node:path";
import type { S3Service } from "../../scripts/services/s3_service.ts";
import { S3Store } from "../../src/objects/s3_store.ts";
import type { LargeFiles } from "./large_file_report.ts";
import { type MeasuredServer, missingProgram, startAssetsServer } from "./processes.ts";
import {
  curlDownload,
  curlPut,
  curlUpload,
  multipartClients,
  type S3Target,
  writeRandomFile,
} from "./public_clients.ts";
import { measureInTurn, type Subject } from "./subject.ts";
import { download, objectUrl, rate, remove, storedFile, uploadAndVerify } from "./transfers.ts";

const BUCKET = "bench";

/** Where the public clients put what they upload. */
const DIRECT_KEY = "direct";

/** What the server has to reach of the service itself. */
const LEAST_DOWNLOAD_SHARE = 0.9;
const LEAST_UPLOAD_SHARE = 0.8;

/** Longer than any bench takes. */
const PRESIGNED_SECONDS = 6 * 60 * 60;

/** A service that can be started here. */
export interface S3Kind {
  name: string;
  start: () => Promise<S3Service>;
  /** How long it goes on being busy with what has been deleted. */
  freesWithinMs: number;
}

/** What is measured: our server and what it stores to. */
interface Setup {
  kind: S3Kind;
  server: MeasuredServer;
  store: S3Store;
  target: S3Target;
  sizeBytes: number;
  rounds: number;
}

/** Measures one size on a service of its own, downloads first. */
export async function* benchS3(
  kind: S3Kind,
  folder: string,
  sizeBytes: number,
  rounds: number,
): AsyncGenerator<LargeFiles> {
  await using service = await kind.start();
  await service.createBucket(BUCKET);
  const { endpoint, region, accessKeyId, secretAccessKey } = service;
  const target = { endpoint, region, accessKeyId, secretAccessKey, bucket: BUCKET, key: DIRECT_KEY };
  const name = `${kind.name}-${sizeBytes}`;
  await using server = await startAssetsServer(join(folder, name), {
    S3_BUCKET_NAME: BUCKET,
    S3_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
  const store = new S3Store({ ...target, addressing: "path" });
  const setup = { kind, server, store, target, sizeBytes, rounds };
  yield await benchDownloads(setup);
  const file = join(folder, `${name}.bin`);
  await writeRandomFile(file, sizeBytes);
  yield await benchUploads(setup, file);
  await Deno.remove(file);
}

/** Each client fetches the same object from both. */
async function benchDownloads(setup: Setup): Promise<LargeFiles> {
  const { kind, server, store, sizeBytes, rounds } = setup;
  const { id, uri } = await uploadAndVerify(server, sizeBytes);
  const ours = objectUrl(server, id);
  const direct = (await store.presignGet(`asset/${id}`, { expiresSeconds: PRESIGNED_SECONDS })).href;
  const names = {
    ours: "GET /asset-object/<asset_id>",
    direct: `straight from ${kind.name}`,
    oursByCurl: "GET /asset-object/<asset_id>, curl",
    directByCurl: `straight from ${kind.name}, curl`,
  };
  const bare = async (url: string) => rate(await download(url, sizeBytes));
  const curl = async (url: string) => rate(await curlDownload(url, sizeBytes));
  const series = await measureInTurn([
    { name: names.ours, server, isOurs: true, run: () => bare(ours) },
    { name: names.oursByCurl, server, isOurs: true, run: () => curl(ours) },
    { name: names.direct, run: () => bare(direct) },
    { name: names.directByCurl, run: () => curl(direct) },
  ], rounds);
  await remove(server, uri);
  await freed(kind);
  return {
    direction: "download",
    place: kind.name,
    sizeBytes,
    series,
    goals: [
      { ours: names.ours, next: names.direct, least: LEAST_DOWNLOAD_SHARE },
      { ours: names.oursByCurl, next: names.directByCurl, least: LEAST_DOWNLOAD_SHARE },
    ],
    notes: ["client: tests/bench/transfer_client.ts, or curl; straight means by a presigned URL"],
  };
}

/** Public clients all, each sending `file`. */
async function benchUploads(setup: Setup, file: string): Promise<LargeFiles> {
  const { kind, server, store, target, sizeBytes, rounds } = setup;
  const ours = "POST /upload_asset, curl";
  const direct = (name: string, send: () => Promise<number>): Subject => ({
    name,
    async run() {
      const seconds = await send();
      await removeDirect(store, sizeBytes);
      await freed(kind);
      return rate({ sizeBytes, seconds });
    },
  });
  const uploadHere = async () => {
    const { seconds, answer } = await curlUpload(`${server.url}/upload_asset`, file, crypto.randomUUID());
    await remove(server, storedFile(answer).uri);
    await freed(kind);
    return rate({ sizeBytes, seconds });
  };
  const subjects: Subject[] = [
    { name: ours, server, isOurs: true, run: uploadHere },
    direct(`straight to ${kind.name}, curl, one PUT`, () => curlPut(target, file)),
  ];
  const notes = ["every client sends a file; multipart clients as they are without further options"];
  for (const { program, put } of multipartClients) {
    if (await missingProgram([program]) !== undefined) {
      notes.push(`${program} skipped: it is not installed`);
      continue;
    }
    subjects.push(direct(`straight to ${kind.name}, ${program}, multipart`, () => put(target, file)));
  }
  return {
    direction: "upload",
    place: kind.name,
    sizeBytes,
    series: await measureInTurn(subjects, rounds),
    goals: subjects.slice(1).map(({ name }) => ({ ours, next: name, least: LEAST_UPLOAD_SHARE })),
    notes,
  };
}

/** Removes what a public client has stored. Throws unless it was whole. */
async function removeDirect(store: S3Store, sizeBytes: number): Promise<void> {
  const found = await store.head(DIRECT_KEY);
  if (found?.sizeBytes !== sizeBytes) {
    throw new Error(`${found?.sizeBytes} of ${sizeBytes} bytes were stored.`);
  }
  await store.delete(DIRECT_KEY);
}

/** Waits until a service is done with what has been deleted; it does not say when it is. */
async function freed({ freesWithinMs }: S3Kind): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, freesWithinMs));
}
