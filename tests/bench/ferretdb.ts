/** FerretDB 1.24 with SQLite (`scripts/services/install.sh ferretdb`), asked through the driver of MongoDB. */
import { homedir } from "node:os";
import { join } from "node:path";
import { type Collection, MongoClient, MongoServerError, type Sort } from "mongodb";
import { documentOf } from "./documents.ts";
import { type Patience, timesOf } from "./latencies.ts";
import { untilItListens } from "./processes.ts";
import type { ShapeResult } from "./queries_report.ts";
import { PAGE, type Shape } from "./query_shapes.ts";

/** How many documents go into one insertion. */
const BATCH = 1000;

/** No query may take longer: with many documents a round of all shapes would take hours. */
const QUERY_LIMIT_MS = 20_000;

/** The code of an error that says that a query took longer than it may (MongoDB manual, "MaxTimeMSExpired"). */
const TIME_EXPIRED = 50;

/** FerretDB under measurement. Dispose of it with `await using`. */
export interface Ferret extends AsyncDisposable {
  /** Stores the documents 0 to `count` - 1. */
  load(count: number): Promise<void>;
  /** Measures one shape; a filter that it does not take, or for which it takes too long, is said so. */
  ask(shape: Shape, count: number, patience: Patience): Promise<ShapeResult>;
}

/** Starts it on a new folder; `undefined` if it is not installed. */
export async function openFerret(folder: string): Promise<Ferret | undefined> {
  const cache = Deno.env.get("ASSETS_TEST_CACHE") ?? join(homedir(), ".cache", "assets-server-tests");
  const program = join(cache, "bin", "ferretdb");
  try {
    await Deno.stat(program);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  await Deno.mkdir(folder, { recursive: true });
  const port = freePort();
  const args = ["--handler=sqlite", `--sqlite-url=file:${folder}/`, `--state-dir=${folder}`];
  args.push(`--listen-addr=127.0.0.1:${port}`, "--debug-addr=-", "--telemetry=disable", "--log-level=error");
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  const ended = child.status.then(({ code }) => {
    throw new Error(`${program} ended with ${code} before it listened.`);
  });
  ended.catch(() => {});
  await Promise.race([untilItListens(port), ended]);
  const client = await MongoClient.connect(`mongodb://127.0.0.1:${port}/`, { directConnection: true });
  const assets = client.db("bench").collection("assets");
  return {
    load: (count) => load(assets, count),
    ask: (shape, count, patience) => ask(assets, shape, count, patience),
    async [Symbol.asyncDispose]() {
      await client.close();
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function load(assets: Collection, count: number): Promise<void> {
  for (let first = 0; first < count; first += BATCH) {
    const length = Math.min(BATCH, count - first);
    await assets.insertMany(Array.from({ length }, (_, n) => documentOf(first + n)));
  }
}

async function ask(
  assets: Collection,
  shape: Shape,
  count: number,
  patience: Patience,
): Promise<ShapeResult> {
  const limits = { maxTimeMS: QUERY_LIMIT_MS };
  const run = async (n: number) => {
    const { filter, sort } = shape.query(n, count);
    if (shape.asks === "count") return await assets.countDocuments(filter, limits);
    const order = sort === undefined ? {} : sortOf(sort);
    return await assets.find(filter, limits).sort(order).limit(PAGE).toArray();
  };
  try {
    const startedAt = performance.now();
    await run(0);
    const firstMs = performance.now() - startedAt;
    // What takes long takes about as long every time.
    const times = firstMs > patience.mostMs ? [firstMs] : await timesOf(run, patience);
    const hits = await assets.countDocuments(shape.query(0, count).filter, limits);
    return { shape, times, hits };
  } catch (error) {
    const isLate = error instanceof MongoServerError && error.code === TIME_EXPIRED;
    const refusal = isLate
      ? `not within ${QUERY_LIMIT_MS / 1000} s`
      : `refused: ${error instanceof Error ? error.message.slice(0, 60) : error}`;
    return { shape, times: [], hits: undefined, refusal };
  }
}

function sortOf(sort: string): Sort {
  return sort.startsWith("-") ? { [sort.slice(1)]: -1 } : { [sort]: 1 };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
