/** Queries, loading and starting with few and many assets, next to FerretDB with the same documents and filters. */
import { join } from "node:path";
import { fileSizes } from "./disk_use.ts";
import { ndjsonOf } from "./documents.ts";
import { openFerret } from "./ferretdb.ts";
import { percentile, timesOf } from "./latencies.ts";
import { chooseLoadGenerator } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import {
  type MeasuredServer,
  ownMemoryBytes,
  peakMemoryBytes,
  startAssetsServer,
  startCeiling,
} from "./processes.ts";
import { type ShapeResult, shapesReport } from "./queries_report.ts";
import { PAGE, type Shape, SHAPES } from "./query_shapes.ts";
import { atLeast, atMost, type Bar, type GroupReport, median } from "./report.ts";
import { measureInTurn, shareOf } from "./subject.ts";

/** How many assets, where `--sizes` does not say. */
const DEFAULT_COUNTS = [1000, 100_000, 1_000_000];
/** FerretDB tests every document where the first level of a filter is no equality: with more it takes hours. */
const MAX_FERRET_COUNT = 100_000;

const DEFAULT_ROUNDS = 3;
const PATIENCE = { times: 200, mostMs: 3000 };
/** Paths that are asked for while the rate of `GET /asset` is measured. */
const PATHS = 1000;
const HEALTH_EVERY_MS = 5;
/** So many scans run at once in the second measurement of `GET /health`. */
const SCANS = 4;

/** Measures with each number of assets; the first one is what the others are compared with. */
export async function* benchQueries(folder: string, options: BenchOptions): AsyncGenerator<GroupReport> {
  let least: ShapeResult[] | undefined;
  for (const count of options.sizes ?? DEFAULT_COUNTS) {
    const dataDir = join(folder, `queries-${count}`);
    const loaded = await load(dataDir, count);
    const bars = [...loaded.bars];
    let server = loaded.server;
    const results: ShapeResult[] = [];
    try {
      for (const shape of SHAPES) results.push(await ask(server, shape, count));
      bars.push(...await healthWhileScanning(server));
      bars.push(await assetRate(server, folder, options));
      bars.push(...await memory(server, "after loading and queries"));
    } finally {
      await server[Symbol.asyncDispose]();
    }
    bars.push(...await diskUse(dataDir, count));
    for (const view of ["warm", "missing"] as const) {
      const started = await startTime(dataDir, view);
      server = started.server;
      await server[Symbol.asyncDispose]();
      bars.push(started.bar);
    }
    const ferret = count <= MAX_FERRET_COUNT ? await askFerret(folder, count) : undefined;
    await Deno.remove(dataDir, { recursive: true });
    yield shapesReport({ count, results, least, ferret, bars });
    least ??= results;
  }
}

/** How many assets one request brings. */
const LINES_PER_REQUEST = 20_000;

async function load(dataDir: string, count: number): Promise<{ server: MeasuredServer; bars: Bar[] }> {
  const server = await startAssetsServer(dataDir);
  const startedAt = performance.now();
  let lines = 0;
  // Requests with a length: a body in HTTP chunks may be refused when it comes faster than it is stored.
  const bodyFrom = (first: number) => ndjsonOf(first, Math.min(count, first + LINES_PER_REQUEST));
  let body = bodyFrom(0);
  for (let first = 0; first < count; first += LINES_PER_REQUEST) {
    const answer = fetch(`${server.url}/assets/bulk`, {
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson" },
      body,
    });
    // Made while the server is busy with the one before.
    await new Promise((resolve) => setTimeout(resolve, 20));
    body = bodyFrom(first + LINES_PER_REQUEST);
    for await (const chunk of (await answer).body ?? []) for (const byte of chunk) if (byte === 10) lines++;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  if (lines !== count) throw new Error(`${lines} of ${count} lines were answered.`);
  const stored = await countOf(server, {});
  if (stored !== count) throw new Error(`${stored} of ${count} assets are there.`);
  const rate = Math.round(count / seconds);
  const bars = [
    {
      name: "loaded by /assets/bulk",
      value: rate,
      shown: `${rate}/s, to be at least 8000/s`,
      isMet: rate >= 8000,
    },
    ...await memory(server, "after loading"),
  ];
  return { server, bars };
}

/** Measures one shape. */
async function ask(server: MeasuredServer, shape: Shape, count: number): Promise<ShapeResult> {
  const run = async (n: number) => {
    const { filter, sort } = shape.query(n, count);
    const search = shape.asks === "count"
      ? "?count=only"
      : `?limit=${PAGE}${sort === undefined ? "" : `&sort=${sort}`}`;
    await post(server, `/assets${search}`, filter);
  };
  const times = await timesOf(run, PATIENCE);
  const hits = await countOf(server, shape.query(0, count).filter);
  return { shape, hits, times };
}

async function post(server: MeasuredServer, path: string, body: unknown): Promise<string> {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`POST ${path} ${JSON.stringify(body)} answered ${response.status}: ${text}`);
  }
  return text;
}

async function countOf(server: MeasuredServer, filter: unknown): Promise<number> {
  return JSON.parse(await post(server, "/assets?count=only", filter)).count;
}

/** `GET /health` while one scan of everything runs, and while several do. */
async function healthWhileScanning(server: MeasuredServer): Promise<Bar[]> {
  const scan = SHAPES.find(({ held }) => held === "scan");
  if (!scan) return [];
  const bars: Bar[] = [];
  for (const scans of [1, SCANS]) {
    let running = scans;
    const all = Array.from({ length: scans }, async (_, n) => {
      await countOf(server, scan.query(n, 1).filter);
      running--;
    });
    const times: number[] = [];
    while (running > 0) {
      const before = performance.now();
      await (await fetch(`${server.url}/health`)).text();
      times.push(performance.now() - before);
      await new Promise((resolve) => setTimeout(resolve, HEALTH_EVERY_MS));
    }
    await Promise.all(all);
    const name = `GET /health, p99 of ${times.length} while ${
      scans === 1 ? "a scan runs" : `${scans} scans run`
    }`;
    bars.push(atMost(name, percentile(times, 0.99), 20, "ms"));
  }
  return bars;
}

/** `GET /asset` next to Hono and the bare runtime. */
async function assetRate(server: MeasuredServer, folder: string, options: BenchOptions): Promise<Bar> {
  const found = JSON.parse(await post(server, `/assets?limit=${PATHS}`, {}));
  const uris: string[] = found.data.map(({ asset_uri }: { asset_uri: string }) => asset_uri);
  const paths = uris.map((uri) => `/asset/${encodeURIComponent(uri)}`);
  const sizeBytes = String((await (await fetch(`${server.url}${paths[0]}`)).bytes()).length);
  const client = await chooseLoadGenerator(folder);
  await using hono = await startCeiling("hono", sizeBytes);
  await using bare = await startCeiling("json", sizeBytes);
  const subjects = Object.entries({ ours: server, hono, bare }).map(([name, one]) => ({
    name,
    run: () => client.run(one.url, paths, options.seconds * 1000),
  }));
  for (const { run } of subjects) await run();
  const [ours, router, runtime] = await measureInTurn(subjects, options.rounds ?? DEFAULT_ROUNDS);
  if (!ours || !router || !runtime) throw new Error("Nothing was measured.");
  const name = `GET /asset, ${Math.round(median(ours.rates))}/s, next to Hono's hello (${
    Math.round(shareOf(ours, runtime) * 100)
  } % of bare Deno.serve)`;
  return atLeast(name, shareOf(ours, router), 0.7);
}

/** `when`: at which moment. */
async function memory(server: MeasuredServer, when: string): Promise<Bar[]> {
  const inMiB = (name: string) => (bytes: number): Bar => ({
    name,
    value: bytes,
    shown: `${Math.round(bytes / 2 ** 20)} MiB`,
    isMet: true,
  });
  return [
    ...(await peakMemoryBytes(server)).map(inMiB(`resident at most, ${when}`)),
    ...(await ownMemoryBytes(server)).map(inMiB(`resident ${when}, without mapped files`)),
  ];
}

async function diskUse(dataDir: string, count: number): Promise<Bar[]> {
  const sizes = await fileSizes(dataDir);
  const of = (part: string) =>
    sizes.filter(({ name }) => name.includes(part)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return [["Deno KV", ".kv"], ["the view", ".view."]].map(([name = "", part = ""]) => ({
    name: `on disk, ${name}`,
    value: of(part),
    shown: `${Math.round(of(part) / 2 ** 20)} MiB, ${Math.round(of(part) / count)} bytes an asset`,
    isMet: true,
  }));
}

/** From the start of the process until it is ready. */
async function startTime(
  dataDir: string,
  view: "warm" | "missing",
): Promise<{ server: MeasuredServer; bar: Bar }> {
  if (view === "missing") {
    for (const { name } of await fileSizes(dataDir)) {
      if (name.includes(".view.")) await Deno.remove(join(dataDir, name));
    }
  }
  const startedAt = performance.now();
  const server = await startAssetsServer(dataDir);
  for (;;) {
    const response = await fetch(`${server.url}/readyz`);
    await response.body?.cancel();
    if (response.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const name = `ready after its start, the view ${view}`;
  if (view === "warm") return { server, bar: atMost(name, seconds * 1000, 1000, "ms") };
  return { server, bar: { name, value: seconds, shown: `${seconds.toFixed(1)} s`, isMet: true } };
}

/** The same shapes asked of FerretDB, if it is installed. */
async function askFerret(folder: string, count: number): Promise<ShapeResult[] | undefined> {
  await using ferret = await openFerret(join(folder, `ferretdb-${count}`));
  if (!ferret) return undefined;
  await ferret.load(count);
  const results: ShapeResult[] = [];
  for (const shape of SHAPES) results.push(await ferret.ask(shape, count, PATIENCE));
  return results;
}
