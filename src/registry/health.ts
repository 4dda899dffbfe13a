/** Asks an Assets DB how it is, with a guard on where the registry lets itself be sent. */
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import type { Json } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";

/** What a healthy Assets DB said. */
export interface HealthReport {
  /** The JSON of its `/health`. */
  said: Json;
  health: { status: "healthy"; latency_ms: number; checked_at: string };
}

/** How the registry fetches. */
export interface ProbeOptions {
  /** Refuse private and loopback addresses. */
  noPrivateTargets: boolean;
  /** How long a probe may take. */
  probeTimeoutMs?: number;
}

const DEFAULT_PROBE_TIMEOUT_MS = 5000;

/** The most bytes of an answer that are read. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Link-local addresses, which clouds use for their metadata services: never a target (RFC 3927, RFC 4291 §2.5.6). */
const LINK_LOCAL = new BlockList();
LINK_LOCAL.addSubnet("169.254.0.0", 16);
LINK_LOCAL.addSubnet("fe80::", 10, "ipv6");
// Metadata services outside the link-local range: Alibaba Cloud's, Oracle's, Azure's, and AWS's over IPv6.
for (const address of ["100.100.100.200", "192.0.0.192", "168.63.129.16"]) LINK_LOCAL.addAddress(address);
LINK_LOCAL.addAddress("fd00:ec2::254", "ipv6");

/** Addresses of this host and of private networks (RFC 1918, RFC 6598, RFC 4193, RFC 6890). */
const PRIVATE = new BlockList();
for (
  const [network, prefix] of [["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8]] as const
) {
  PRIVATE.addSubnet(network, prefix);
}
PRIVATE.addSubnet("172.16.0.0", 12);
PRIVATE.addSubnet("192.168.0.0", 16);
PRIVATE.addSubnet("fc00::", 7, "ipv6");
PRIVATE.addAddress("::1", "ipv6");
PRIVATE.addAddress("::", "ipv6");

/**
 * Asks the Assets DB at this URL for its health.
 *
 * @throws {ServiceError} `unhealthy` if it has no URL, may not be asked, refuses, answers with a bad status or not in JSON;
 * `timeout` if it does not answer in time
 */
export async function probe(publicUrl: string, options: ProbeOptions): Promise<HealthReport> {
  if (publicUrl === "") throw unhealthy("The asset registry has no public URL to ask.");
  const url = new URL(publicUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/health`;
  const { probeTimeoutMs = DEFAULT_PROBE_TIMEOUT_MS } = options;
  const signal = AbortSignal.timeout(probeTimeoutMs);
  const startedAt = performance.now();
  try {
    await checkTarget(url, options, signal);
    const said = await fetchJson(url, signal);
    const latency_ms = Math.round((performance.now() - startedAt) * 10) / 10;
    return { said, health: { status: "healthy", latency_ms, checked_at: new Date().toISOString() } };
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    if (signal.aborted) {
      throw new ServiceError("timeout", `${url.href} did not answer within ${probeTimeoutMs / 1000} s.`);
    }
    throw unhealthy(
      `${url.href} could not be reached: ${error instanceof Error ? error.message : error}.`,
      error,
    );
  }
}

async function checkTarget(url: URL, { noPrivateTargets }: ProbeOptions, signal: AbortSignal): Promise<void> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const resolved = isIP(host) ? [{ address: host }] : await abortable(lookup(host, { all: true }), signal);
  for (const { address } of resolved) {
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (isIn(LINK_LOCAL, address, family)) {
      throw unhealthy(`${url.host} is a link-local or metadata address (${address}), which is never asked.`);
    }
    if (noPrivateTargets && isIn(PRIVATE, address, family)) {
      throw unhealthy(`${url.host} is a private address (${address}), which --no-private-targets refuses.`);
    }
  }
}

/** An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address. */
function isIn(list: BlockList, address: string, family: "ipv4" | "ipv6"): boolean {
  const mapped = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i.exec(address);
  if (!mapped) return list.check(address, family);
  const [, dotted, high = "0", low = "0"] = mapped;
  const bits = parseInt(high, 16) * 0x10000 + parseInt(low, 16);
  const ipv4 = dotted ?? [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join(".");
  return list.check(ipv4, "ipv4");
}

async function fetchJson(url: URL, signal: AbortSignal): Promise<Json> {
  const response = await fetch(url, { signal, redirect: "manual", headers: { Accept: "application/json" } });
  const text = await readText(response);
  if (!response.ok) throw unhealthy(`${url.href} answered ${response.status}.`);
  try {
    return JSON.parse(text);
  } catch {
    throw unhealthy(`${url.href} answered something that is not JSON.`);
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) {
      throw unhealthy(`${response.url} answered with more than ${MAX_ANSWER_BYTES} bytes.`);
    }
  }
  return text;
}

/** A promise that cannot be stopped, but need not be waited for either. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function unhealthy(message: string, cause?: unknown): ServiceError {
  return new ServiceError("unhealthy", message, { cause });
}
