/** Requests per second of the small answers, next to servers that answer as many bytes of JSON without any work. */
import { join } from "node:path";
import { chooseLoadGenerator } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { startAssetsServer, startCeiling } from "./processes.ts";
import type { GroupReport } from "./report.ts";
import { measureInTurn, measurementOf } from "./subject.ts";

const ASSETS = 1000;
const DEFAULT_ROUNDS = 5;
const WARM_UP_MS = 1000;

/** Measures `GET /asset` and `GET /health`. */
export async function* benchHttp(folder: string, options: BenchOptions): AsyncGenerator<GroupReport> {
  const { rounds = DEFAULT_ROUNDS, seconds } = options;
  const client = await chooseLoadGenerator(folder);
  await using server = await startAssetsServer(join(folder, "http"));
  const paths = await storeAssets(server.url);
  const sizeBytes = await answerBytes(`${server.url}${paths[0]}`);
  await using bare = await startCeiling("json", String(sizeBytes));
  await using hono = await startCeiling("hono", String(sizeBytes));
  const subjects = [
    { name: "GET /asset/<asset_uri>", server, paths },
    { name: "GET /health", server, paths: ["/health"] },
    { name: "bare Hono", server: hono, paths },
    { name: "bare Deno.serve", server: bare, paths },
  ].map((one) => ({ ...one, run: () => client.run(one.server.url, one.paths, seconds * 1000) }));
  for (const one of subjects) await client.run(one.server.url, one.paths, WARM_UP_MS);
  const series = await measureInTurn(subjects, rounds);
  yield {
    title: `http: ${ASSETS} assets stored, answers of ${sizeBytes} bytes`,
    notes: [`${rounds} rounds of ${seconds} s, alternating; client: ${client.description}`],
    // Each next to what comes after it, which does less.
    measurements: series.map((one, n) => measurementOf(one, "requests/s", series.slice(Math.max(n + 1, 2)))),
    bars: [],
  };
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
    const answer = await response.json();
    if (response.status !== 201) throw new Error(`POST /asset answered ${response.status}: ${answer.error}`);
    paths.push(`/asset/${encodeURIComponent(answer.data.asset_uri)}`);
  }
  return paths;
}

async function answerBytes(url: string): Promise<number> {
  const response = await fetch(url);
  const { length } = await response.bytes();
  if (!response.ok) throw new Error(`GET ${url} answered ${response.status}.`);
  return length;
}
