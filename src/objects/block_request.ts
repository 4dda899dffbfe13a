/**
 * HTTP requests whose bodies lie in blocks of memory, sent block by block.
 *
 * By `node:http`, not by `fetch`: that one wants a body in one piece and copies it, or sends it without a length, which S3 refuses.
 * Measured with Deno 2.9.6, 1 GiB in bodies of 8 MiB: 0.6 s instead of 1.2 s, 0.7 s of processor time instead of 1.3 s, and memory
 * beside the bodies for neither of them.
 */

import { Buffer } from "node:buffer";
import * as http from "node:http";
import * as https from "node:https";

/** What is sent. */
export interface BlockRequest {
  method: string;
  headers: Record<string, string>;
  /** The body. It must not change before the request has succeeded. */
  blocks: readonly Uint8Array<ArrayBuffer>[];
  signal: AbortSignal;
}

/** An answer without an error is empty or short; nobody reads more of any. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** A connection is kept for the next part, but not for long. */
const IDLE_MS = 4_000;

const AGENTS = {
  "http:": new http.Agent({ keepAlive: true, timeout: IDLE_MS }),
  "https:": new https.Agent({ keepAlive: true, timeout: IDLE_MS }),
};

/** What `fetch` honours and `node:http` does not: proxies, and certificates of one's own. */
const FETCH_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "DENO_CERT", "DENO_TLS_CA_STORE"];

/**
 * Sends a request and returns its answer, redirects too.
 *
 * @throws {TypeError} when the network fails, as `fetch` does; its `cause` is the system's error
 * @throws the signal's reason
 */
export async function sendBlocks(url: URL, request: BlockRequest): Promise<Response> {
  const { method, headers, blocks, signal } = request;
  if (needsFetch()) {
    return await fetch(url, { method, headers, body: new Blob([...blocks]), redirect: "manual", signal });
  }
  signal.throwIfAborted();
  const { protocol } = url;
  if (protocol !== "http:" && protocol !== "https:") throw new TypeError(`${protocol} is no protocol of S3.`);
  const { promise: answered, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const sizeBytes = blocks.reduce((sum, { length }) => sum + length, 0);
  const outgoing = (protocol === "https:" ? https : http).request(url, {
    method,
    headers: { ...headers, "content-length": sizeBytes },
    agent: AGENTS[protocol],
  }, resolve);
  // Also after the answer has begun: an error that nobody listens to ends the process.
  outgoing.on("error", reject);
  const onAbort = () => outgoing.destroy(asError(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([writeBlocks(outgoing, blocks), answered]);
    const response = await asResponse(await answered);
    // An answer that came before all was sent; the rest is for nobody.
    if (!outgoing.writableFinished) outgoing.destroy();
    return response;
  } catch (error) {
    outgoing.destroy();
    signal.throwIfAborted();
    throw new TypeError("The request got no answer.", { cause: error });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Resolves when all is written; does not when the connection breaks before. */
async function writeBlocks(outgoing: http.ClientRequest, blocks: readonly Uint8Array[]): Promise<void> {
  for (const block of blocks) {
    if (outgoing.write(block)) continue;
    await new Promise<void>((resolve) => outgoing.once("drain", resolve));
  }
  outgoing.end();
}

async function asResponse(incoming: http.IncomingMessage): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of incoming) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) break;
    chunks.push(chunk);
  }
  const { statusCode: status = 0, rawHeaders } = incoming;
  const headers = new Headers();
  for (let n = 0; n + 1 < rawHeaders.length; n += 2) {
    headers.append(rawHeaders[n] ?? "", rawHeaders[n + 1] ?? "");
  }
  const hasNoBody = status === 204 || status === 205 || status === 304;
  return new Response(hasNoBody ? null : Buffer.concat(chunks), { status, headers });
}

function needsFetch(): boolean {
  return FETCH_VARIABLES.some((name) => Deno.env.get(name) || Deno.env.get(name.toLowerCase()));
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
