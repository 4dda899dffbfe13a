/** Answers that are there as a whole. They are counted on their way out, and get all their headers here. */
import { Buffer } from "node:buffer";
import { corsHeaders } from "./cors.ts";
import type { Exchange } from "./exchange.ts";

/** What these answers want of a request's context. */
interface Asked {
  env: Exchange;
}

/** The headers of a text. */
interface TextHeaders extends Record<string, string> {
  "Content-Type": string;
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
  headers: TextHeaders,
): Response {
  exchange.isWhole = true;
  exchange.bytesOut = Buffer.byteLength(text);
  // Measured in Deno 2.9.6: an answer made with its type alone takes several times less than one made with more headers, and
  // adding them one by one costs less than that saves.
  const response = new Response(text, { status, headers: { "Content-Type": headers["Content-Type"] } });
  for (const name in headers) if (name !== "Content-Type") response.headers.append(name, headers[name] ?? "");
  // Hono takes the body away from the answer to HEAD, and with it its length (RFC 9110 §9.3.2).
  if (exchange.method === "HEAD") response.headers.append("Content-Length", String(exchange.bytesOut));
  addCommonHeaders(response.headers, exchange);
  return response;
}

/** Adds to an answer what every answer has. */
export function addCommonHeaders(headers: Headers, { id, edge, origin }: Exchange): void {
  headers.append("X-Request-Id", id);
  headers.append("X-Content-Type-Options", "nosniff");
  if (edge.origins.length === 0) return;
  for (const [name, value] of Object.entries(corsHeaders(edge.origins, origin))) headers.append(name, value);
}
