/** Asks a KV Connect endpoint whether it is there (KV Connect protocol, "Metadata exchange"), without Deno's client and its retries. */

const PROBE_TIMEOUT_MS = 1500;

/** How an endpoint answered. */
export type EndpointState = { state: "there" } | { state: "away" | "refuses"; reason: string };

/** Asks once. */
export async function probeEndpoint(
  url: string,
  token: string,
  signal?: AbortSignal,
): Promise<EndpointState> {
  const timeout = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ supportedVersions: [1, 2, 3] }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const said = (await response.text()).slice(0, 200).trim();
    if (response.ok) return { state: "there" };
    const reason = `it answers ${response.status}: ${said}`;
    return { state: response.status >= 500 || response.status === 429 ? "away" : "refuses", reason };
  } catch (error) {
    return { state: "away", reason: error instanceof Error ? error.message : String(error) };
  }
}
