/** Several nodes on one Deno KV across the network (denokv, here on loopback) next to one node on its own embedded one. */
import { join } from "node:path";
import { denokvPath, startDenokv } from "../../scripts/services/denokv.ts";
import type { BenchOptions } from "./options.ts";
import { type MeasuredServer, missingProgram, startAssetsServer } from "./processes.ts";
import type { GroupReport, Measurement } from "./report.ts";

const NODE_COUNTS = [1, 2, 4];

/** Clients that write, spread over the nodes. */
const WRITERS = 16;

/** Before and while they write, one client of each node asks for a page of what matches a tag. */
const QUERY = { path: "/assets?limit=20", filter: { asset_tags: "tag-3" } };
const QUERY_PAUSE_MS = 10;

const POLL_MS = 2;
const LAG_PAUSE_MS = 100;

/** What one setup did. */
interface Outcome {
  writesPerSecond: number;
  /** In microseconds. */
  queries: number[];
  lags: number[];
}

/** Measures writes, queries and lag on 1, 2 and 4 nodes. */
export async function* benchGlobal(folder: string, { seconds }: BenchOptions): AsyncGenerator<GroupReport> {
  const missing = await missingProgram([denokvPath()]);
  const measurements: Measurement[] = [];
  {
    await using server = await startAssetsServer(join(folder, "global-local"));
    measurements.push(...rows("embedded KV, 1 node", await run([server], seconds)));
  }
  for (const count of missing === undefined ? NODE_COUNTS : []) {
    await using denokv = await startDenokv();
    await using stack = new AsyncDisposableStack();
    const nodes: MeasuredServer[] = [];
    for (let n = 0; n < count; n++) {
      const settings = { DENO_KV_URL: denokv.url, DENO_KV_ACCESS_TOKEN: denokv.token };
      nodes.push(stack.use(await startAssetsServer(join(folder, `global-${count}-${n}`), settings)));
    }
    measurements.push(
      ...rows(`denokv, ${count} node${count > 1 ? "s" : ""}`, await run(nodes, seconds)),
    );
  }
  yield {
    title: "global: nodes that share a KV, next to one on its own",
    notes: [
      `${WRITERS} clients write for ${seconds} s, spread over the nodes; meanwhile one client a node asks for 20 of a tag`,
      "lag: from the answer to a write on the first node until a query on the last one finds it",
      ...missing === undefined
        ? []
        : [`denokv skipped: ${missing} is not there (scripts/services/install.sh)`],
    ],
    measurements,
    bars: [],
  };
}

function rows(name: string, { writesPerSecond, queries, lags }: Outcome): Measurement[] {
  const row = (what: string, unit: string, value: number): Measurement => ({
    subject: `${name}: ${what}`,
    unit,
    rounds: [value],
    shares: {},
    peakMemoryBytes: undefined,
  });
  return [
    row("writes", "a second", writesPerSecond),
    row("query p50", "µs", percentile(queries, 0.5)),
    row("query p99", "µs", percentile(queries, 0.99)),
    row("lag p50", "µs", percentile(lags, 0.5)),
    row("lag p99", "µs", percentile(lags, 0.99)),
  ];
}

async function run(nodes: MeasuredServer[], seconds: number): Promise<Outcome> {
  const urls = nodes.map(({ url }) => url);
  const [first = ""] = urls;
  const last = urls.at(-1) ?? first;
  const outcome: Outcome = { writesPerSecond: 0, queries: [], lags: [] };
  let isOn = true;
  let writes = 0;
  const write = async (url: string, writer: number) => {
    for (let n = 0; isOn; n++) {
      await create(url, `bench ${writer} ${n}`, `tag-${n % 10}`);
      writes++;
    }
  };
  const ask = async (url: string) => {
    while (isOn) {
      const startedAt = performance.now();
      await post(url, QUERY.path, QUERY.filter);
      outcome.queries.push((performance.now() - startedAt) * 1000);
      await pause(QUERY_PAUSE_MS);
    }
  };
  const measureLag = async () => {
    for (let n = 0; isOn; n++) {
      await create(first, `lag ${n}`, "lag");
      const startedAt = performance.now();
      while (!(await post(last, "/assets?count=only", { asset_name: `lag ${n}` })).includes('"count":1')) {
        await pause(POLL_MS);
      }
      outcome.lags.push((performance.now() - startedAt) * 1000);
      await pause(LAG_PAUSE_MS);
    }
  };
  const startedAt = performance.now();
  const work = [...urls.map(ask), measureLag()];
  for (let n = 0; n < WRITERS; n++) work.push(write(urls[n % urls.length] ?? first, n));
  await pause(seconds * 1000);
  outcome.writesPerSecond = writes / ((performance.now() - startedAt) / 1000);
  isOn = false;
  await Promise.all(work);
  return outcome;
}

async function create(url: string, name: string, tag: string): Promise<void> {
  await post(url, "/asset", {
    asset_name: name,
    asset_version: { version: "1.0", tag: "initial" },
    asset_tags: [tag],
    asset_public_url: "https://models.example/model.bin",
  });
}

async function post(url: string, path: string, body: unknown): Promise<string> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${text}`);
  return text;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
