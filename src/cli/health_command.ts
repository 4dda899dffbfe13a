/** `assets-server health`: the container's health check. */
import { ConfigError } from "./config.ts";

const TIMEOUT_MS = 5000;

/**
 * Resolves if the server says that it is healthy.
 *
 * @param server its URL; else from `ASSETS_SERVER_URL`, else on this machine
 * @throws {Error} with one line that says why not
 */
export async function checkHealth(
  server: string | undefined,
  environment: (name: string) => string | undefined,
): Promise<void> {
  const base = server ??
    (environment("ASSETS_SERVER_URL") || `http://localhost:${environment("PORT") || "4000"}`);
  if (!/^https?:\/\//i.test(base) || !URL.canParse(base)) {
    throw new ConfigError(`--server must be an http(s) URL, not ${JSON.stringify(base)}`);
  }
  const response = await ask(base);
  const said = await response.text();
  if (!response.ok) throw new Error(`${base} is unhealthy: ${said}`);
  await Deno.stdout.write(new TextEncoder().encode(`${base} is healthy\n`));
}

async function ask(base: string): Promise<Response> {
  try {
    return await fetch(`${base.replace(/\/+$/, "")}/health`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Error(`${base} does not answer: ${error instanceof Error ? error.message : error}`);
  }
}
