/**
 * A client that asks as fast as it gets answers, over connections that stay open.
 *
 *     deno run -A load_client.ts <URL> <file with a JSON list of paths> <connections> <duration in ms>
 *
 * Prints `{"requests": …, "seconds": …, "failures": …}`; a failure is a status other than 200.
 */
import { connect, readHead, requestHead, skipBody, writeAll } from "./raw_http.ts";

/** Room for a head and, as a rule, the whole answer with it. */
const BUFFER_BYTES = 64 * 1024;

/** What a load came to. */
export interface LoadResult {
  requests: number;
  seconds: number;
  failures: number;
}

async function load(url: URL, paths: string[], connections: number, durationMs: number): Promise<LoadResult> {
  const requests = paths.map((path) => requestHead("GET", new URL(path, url)));
  const startedAt = performance.now();
  const endsAt = startedAt + durationMs;
  const total = { requests: 0, failures: 0 };
  const ask = async (first: number) => {
    using connection = await connect(url);
    const buffer = new Uint8Array(BUFFER_BYTES);
    for (let n = first; performance.now() < endsAt; n++) {
      await writeAll(connection, requests[n % requests.length] ?? new Uint8Array());
      const head = await readHead(connection, buffer);
      await skipBody(connection, head, buffer);
      total.requests++;
      if (head.status !== 200) total.failures++;
    }
  };
  const step = Math.ceil(paths.length / connections);
  await Promise.all(Array.from({ length: connections }, (_, n) => ask(n * step)));
  return { ...total, seconds: (performance.now() - startedAt) / 1000 };
}

if (import.meta.main) {
  const [url = "", pathsFile = "", connections, durationMs] = Deno.args;
  const paths: string[] = JSON.parse(await Deno.readTextFile(pathsFile));
  const result = await load(new URL(url), paths, Number(connections), Number(durationMs));
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(result)));
}
