/** FerretDB 1.24 with SQLite (`scripts/services/install.sh ferretdb`), asked through the driver of MongoDB. */
import { homedir } from "node:os";
import { join } from "node:path";
import { type Collection, MongoClient, type Sort } from "mongodb";
import { documentOf } from "./documents.ts";
import { type Patience, timesOf } from "./latencies.ts";
import { untilItListens } from "./processes.ts";
import type { ShapeResult } from "./queries_report.ts";
import { PAGE, type Shape } from "./query_shapes.ts";

/** How many documents go into one insertion. */
const BATCH = 1000;

/** FerretDB under measurement. Dispose of it with `await using`. */
export interface Ferret extends AsyncDisposable {
  /** Stores the documents 0 to `count` - 1. */
  load(count: number): Promise<void>;
  /** Measures one shape; a filter that it does not take is said to be refused. */
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
  const run = async (n: number) => {
    const { filter, sort } = shape.query(n, count);
    if (shape.asks === "count") return await assets.countDocuments(filter);
    return await assets.find(filter).sort(sort === undefined ? {} : sortOf(sort)).limit(PAGE).toArray();
  };
  try {
    const times = await timesOf(run, patience);
    return { shape, times, hits: await assets.countDocuments(shape.query(0, count).filter) };
  } catch (error) {
    const refusal = error instanceof Error ? error.message.slice(0, 60) : String(error);
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
