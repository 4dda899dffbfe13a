/**
 * Proxies between a server and what it stands on, which do to connections what networks do: Shopify's toxiproxy.
 *
 * By hand: `deno run -A scripts/services/toxiproxy.ts` prints the URL of its own API and runs until SIGINT or SIGTERM. The
 * program itself is built by `scripts/services/install.sh`.
 */

import { join } from "node:path";
import { freePorts, ServiceFolder } from "./processes.ts";

/** Where `install.sh` puts the program: `$ASSETS_TEST_CACHE` or `~/.cache/assets-server-tests`, in `bin`. */
export function toxiproxyPath(): string {
  const cache = Deno.env.get("ASSETS_TEST_CACHE") ||
    join(Deno.env.get("HOME") ?? ".", ".cache", "assets-server-tests");
  return join(cache, "bin", "toxiproxy-server");
}

/** One thing that happens to connections, in the words of toxiproxy 2.5 (README, "Toxics"). */
export interface Toxic {
  type: "latency" | "bandwidth" | "slow_close" | "timeout" | "reset_peer" | "slicer" | "limit_data";
  /** Downstream are the answers. */
  stream: "upstream" | "downstream";
  /** Milliseconds, bytes, or KB/s, as the type has it. */
  attributes: Record<string, number>;
}

/** A proxy in front of one service. */
export interface ToxicProxy {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** From now on these happen to every connection, those that are open included. */
  set(toxics: readonly Toxic[]): Promise<void>;
  /** Cuts every connection, and takes none until `restore`. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

/** A toxiproxy under way. Dispose of it with `await using`. */
export interface Toxiproxy extends AsyncDisposable {
  readonly url: string;
  /** Makes a proxy in front of the service at a URL. */
  proxy(target: string): Promise<ToxicProxy>;
}

/** Starts a toxiproxy. Throws an error that says what to do when the program is not there. */
export async function startToxiproxy(): Promise<Toxiproxy> {
  const command = toxiproxyPath();
  await Deno.stat(command).catch((cause) => {
    throw new Error(`There is no toxiproxy at ${command}: run scripts/services/install.sh first.`, { cause });
  });
  const [port = 0] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const folder = await ServiceFolder.open("toxiproxy");
  try {
    const args = ["-host", "127.0.0.1", "-port", String(port)];
    const running = await folder.start({ name: "toxiproxy", command, args });
    await folder.untilItAnswers(running, (signal) => fetch(`${url}/version`, { signal }));
  } catch (error) {
    await folder.stop();
    throw error;
  }
  return {
    url,
    proxy: (target) => makeProxy(url, new URL(target)),
    [Symbol.asyncDispose]: () => folder.stop(),
  };
}

async function makeProxy(api: string, { host }: URL): Promise<ToxicProxy> {
  const name = crypto.randomUUID();
  const [port = 0] = freePorts(1);
  const listen = `127.0.0.1:${port}`;
  await ask(`${api}/proxies`, { name, listen, upstream: host, enabled: true });
  const path = `${api}/proxies/${name}`;
  let toxics = 0;
  return {
    url: `http://${listen}`,
    async set(wanted) {
      for (let n = 0; n < toxics; n++) await ask(`${path}/toxics/${n}`, undefined, "DELETE");
      toxics = 0;
      for (const toxic of wanted) {
        await ask(`${path}/toxics`, { ...toxic, name: String(toxics), toxicity: 1 });
        toxics++;
      }
    },
    cut: () => ask(path, { enabled: false }),
    restore: () => ask(path, { enabled: true }),
  };
}

/** Asks toxiproxy's own API. */
async function ask(url: string, body: unknown, method = "POST"): Promise<void> {
  const response = await fetch(url, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`toxiproxy answered ${response.status} to ${method} ${url}: ${text}`);
}

if (import.meta.main) {
  const service = await startToxiproxy();
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify({ url: service.url })}\n`));
  const { promise: told, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => resolve());
  await told;
  await service[Symbol.asyncDispose]();
  Deno.exit(0);
}
