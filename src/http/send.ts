/**
 * Answers that are there as a whole. They are counted on their way out, and get all their headers at once: measured, a header
 * that is set later costs several times as much.
 */
import { Buffer } from "node:buffer";
import { corsHeaders } from "./cors.ts";
import type { Exchange } from "./exchange.ts";

/** What these answers want of a request's context. */
interface Asked {
  env: Exchange;
}

/** Answers with JSON. */
export function sendJson(
  context: Asked,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return sendText(context, JSON.stringify(value), status, { "Content-Type": "application/json", ...headers });
}

/** Answers with a text. */
export function sendText(
  { env: exchange }: Asked,
  text: string,
  status: number,
  headers: Record<string, string>,
): Response {
  const all: Record<string, string> = { ...headers, ...commonHeaders(exchange) };
  exchange.hasCommonHeaders = true;
  exchange.bytesOut = Buffer.byteLength(text);
  // Hono takes the body away from the answer to HEAD, and with it its length (RFC 9110 §9.3.2).
  if (exchange.method === "HEAD") all["Content-Length"] = String(exchange.bytesOut);
  return new Response(text, { status, headers: all });
}

/** What every answer has. */
export function commonHeaders({ id, edge, origin }: Exchange): Record<string, string> {
  const headers = { "X-Request-Id": id, "X-Content-Type-Options": "nosniff" };
  return edge.origins.length === 0 ? headers : { ...headers, ...corsHeaders(edge.origins, origin) };
}
