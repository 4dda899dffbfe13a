/** Nodes on one shared KV and one S3 service, as processes, and what is asked of them. */
import { startDenokv } from "../../scripts/services/denokv.ts";
import type { DenokvService } from "../../scripts/services/denokv.ts";
import { startCeph } from "../../scripts/services/ceph.ts";
import type { S3Service } from "../../scripts/services/s3_service.ts";
import { type Answer, send } from "../server/client.ts";
import { json } from "../server/harness.ts";
import { type ProcessServer, startProcessServer } from "./process_server.ts";

const BUCKET = "global";

/** Three Assets DBs, one of them three replicas strong. */
export interface World extends AsyncDisposable {
  denokv: DenokvService;
  s3: S3Service;
  /** The replicas of the first Assets DB: one id, one bucket, one public URL. */
  a: [ProcessServer, ProcessServer, ProcessServer];
  b: ProcessServer;
  c: ProcessServer;
  all: ProcessServer[];
}

/** Starts all of it. */
export async function startWorld(): Promise<World> {
  const stack = new AsyncDisposableStack();
  const [denokv, s3] = await Promise.all([startDenokv(), startCeph()]);
  stack.use(denokv);
  stack.use(s3);
  await s3.createBucket(BUCKET);
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
  const start = async (id: string, publicUrl?: string) =>
    stack.use(
      await startProcessServer({
        db: denokv.url,
        assetsDbId: id,
        publicUrl,
        s3Bucket: BUCKET,
        // One bucket for all, a prefix for each Assets DB.
        s3Prefix: `${id}/`,
        s3Endpoint: s3.endpoint,
        s3Region: s3.region,
        s3AccessKeyId: s3.accessKeyId,
        s3SecretAccessKey: s3.secretAccessKey,
      }),
    );
  const first = await start("a");
  const [second, third, b, c] = await Promise.all([
    start("a", `http://localhost:${new URL(first.url).port}`),
    start("a", `http://localhost:${new URL(first.url).port}`),
    start("b"),
    start("c"),
  ]);
  return {
    denokv,
    s3,
    a: [first, second, third],
    b,
    c,
    all: [first, second, third, b, c],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Creates an asset whose file lives elsewhere. */
export function create(
  node: { url: string },
  asset: Record<string, unknown>,
  idempotencyKey?: string,
): Promise<Answer> {
  const headers: Record<string, string> = idempotencyKey === undefined
    ? {}
    : { "Idempotency-Key": idempotencyKey };
  return send(node, "/asset", json("POST", asset, headers));
}

/** How many assets match a filter, as a node sees it. */
export async function countOf(node: { url: string }, filter: unknown): Promise<number> {
  const { body } = await send(node, "/assets?count=only", json("POST", filter));
  return typeof body.count === "number" ? body.count : NaN;
}

/** Waits until something is so; fails after a time. */
export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  { mostMs = 60_000, everyMs = 20 } = {},
): Promise<number> {
  const startedAt = performance.now();
  while (!await isSo()) {
    if (performance.now() - startedAt > mostMs) throw new Error(`${what}: not within ${mostMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return performance.now() - startedAt;
}

/** Runs work for 0, 1, … `count` - 1, so many at a time. */
export async function inParallel(
  count: number,
  atATime: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

/** The value that this share of the others does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
