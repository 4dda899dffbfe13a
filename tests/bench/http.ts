/** Requests per second of the small answers, next to servers that answer as many bytes of JSON without any work. */
import { join } from "node:path";
import type { BenchOptions } from "./options.ts";
import { chooseLoadGenerator, type LoadGenerator } from "./load.ts";
import {
  type MeasuredServer,
  peakMemoryBytes,
  resetPeakMemory,
  startAssetsServer,
  startCeiling,
} from "./processes.ts";
import { type GroupReport, type Measurement, shareOf } from "./report.ts";

const ASSETS = 1000;
const WARM_UP_MS = 1000;

interface Subject {
  name: string;
  server: MeasuredServer;
  paths: string[];
  rounds: number[];
  peakBytes: number | undefined;
}

/** Measures `GET /asset` and `GET /health`. */
export async function benchHttp(folder: string, options: BenchOptions): Promise<GroupReport> {
  const rounds = options.rounds ?? 5;
  const generator = await chooseLoadGenerator(folder);
  await using assetsServer = await startAssetsServer(join(folder, "http"));
  const paths = await storeAssets(assetsServer.url);
  const sizeBytes = (await answer(`${assetsServer.url}${paths[0]}`)).length;
  await using bare = await startCeiling("json", String(sizeBytes));
  await using hono = await startCeiling("hono", String(sizeBytes));
  const asset = subject("GET /asset/<asset_uri>", assetsServer, paths);
  const health = subject("GET /health", assetsServer, ["/health"]);
  const serve = subject("bare Deno.serve", bare, paths);
  const router = subject("bare Hono", hono, paths);
  const all = [asset, health, serve, router];
  for (const one of all) await generator.run(one.server.url, one.paths, WARM_UP_MS);
  for (let round = 0; round < rounds; round++) {
    for (const one of all) await measure(generator, one, options.seconds * 1000);
  }
  const measurements = all.map((one): Measurement => ({
    subject: one.name,
    unit: "requests/s",
    rounds: one.rounds,
    shares: one === serve ? {} : sharesOf(one, one === router ? [serve] : [serve, router]),
    peakMemoryBytes: one.peakBytes,
  }));
  return {
    title: `http: ${ASSETS} assets stored, answers of ${sizeBytes} bytes`,
    notes: [`${rounds} rounds of ${options.seconds} s, alternating; client: ${generator.description}`],
    measurements,
    bars: [],
  };
}

function subject(name: string, server: MeasuredServer, paths: string[]): Subject {
  return { name, server, paths, rounds: [], peakBytes: undefined };
}

function sharesOf(one: Subject, others: Subject[]): Record<string, number> {
  return Object.fromEntries(others.map((other) => [other.name, shareOf(one.rounds, other.rounds)]));
}

async function measure(generator: LoadGenerator, one: Subject, durationMs: number): Promise<void> {
  await resetPeakMemory(one.server);
  one.rounds.push(await generator.run(one.server.url, one.paths, durationMs));
  const peakBytes = await peakMemoryBytes(one.server);
  if (peakBytes !== undefined) one.peakBytes = Math.max(one.peakBytes ?? 0, peakBytes);
}

/** Makes assets such as a model registry would hold; returns their paths. */
async function storeAssets(url: string): Promise<string[]> {
  const paths: string[] = [];
  for (let n = 0; n < ASSETS; n++) {
    const response = await fetch(`${url}/asset`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        asset_name: `vision/model-${n}`,
        asset_version: { version: "1.0", tag: "initial" },
        asset_metadata: { description: "A model of the bench", framework: "PyTorch", parameters: n * 1000 },
        asset_public_url: `https://models.example/vision/${n}`,
        asset_file_info: { file_name: "model.safetensors", file_size: n },
        asset_tags: ["vision", "bench"],
      }),
    });
    const { asset_uri } = (await response.json()).data;
    if (response.status !== 201) throw new Error(`POST /asset answered ${response.status}.`);
    paths.push(`/asset/${encodeURIComponent(asset_uri)}`);
  }
  return paths;
}

async function answer(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`GET ${url} answered ${response.status}.`);
  return await response.bytes();
}
