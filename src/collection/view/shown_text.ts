/**
 * The text of a document as the view keeps it, ready to be sent but for what depends on the servers that run now.
 *
 * A field may begin with the public URL of a server. In its place stand two control characters with the server's id between
 * them. JSON escapes control characters, so they can be nothing else.
 */
import type { JsonObject } from "../json.ts";

/** Delimits the id of a server in a text. */
const MARK = "\u0001";

/** The public URLs of servers by their ids. */
export type BaseUrls = ReadonlyMap<string, string>;

/** A document as it is shown, and the field that begins with a server's public URL, if one does. */
export interface Shown {
  document: JsonObject;
  /** `field` of the document is to be the URL of `server` followed by `rest`, whatever it is in `document`. */
  live?: { field: string; server: string; rest: string };
}

/** The value of a live field as the index has it. */
export function liveValue({ server, rest }: { server: string; rest: string }): string {
  return `${MARK}${server}${MARK}${rest}`;
}

/** The text to be kept. */
export function toText({ document, live }: Shown): string {
  if (live === undefined) return JSON.stringify(document);
  const fields = Object.entries(document).map(([key, value]) => {
    // The marks go in raw, what is between and behind them as JSON.
    const text = key === live.field
      ? `"${MARK}${inner(live.server)}${MARK}${inner(live.rest)}"`
      : JSON.stringify(value);
    return `${JSON.stringify(key)}:${text}`;
  });
  return `{${fields.join(",")}}`;
}

/** The text as clients see it: a server without a URL, which is unknown, has "". */
export function resolveText(text: string, bases: BaseUrls): string {
  const start = text.indexOf(MARK);
  if (start === -1) return text;
  const end = text.indexOf(MARK, start + 1);
  const base = bases.get(serverBetween(text, start, end)) ?? "";
  return text.slice(0, start) + inner(base) + text.slice(end + 1);
}

/** The server on whose public URL a text depends, if it depends on one. */
export function liveServerOf(text: string): string | undefined {
  const start = text.indexOf(MARK);
  return start === -1 ? undefined : serverBetween(text, start, text.indexOf(MARK, start + 1));
}

function serverBetween(text: string, start: number, end: number): string {
  return String(JSON.parse(`"${text.slice(start + 1, end)}"`));
}

/** The document with its live field as the index has it. */
export function forIndex(text: string): JsonObject {
  return JSON.parse(text.replaceAll(MARK, "\\u0001"));
}

/** What a live field may hold in the index when a client sees `value` in it. */
export function indexedForms(value: string, bases: BaseUrls): string[] {
  const forms = [value];
  for (const [server, url] of bases) {
    if (value.startsWith(url)) forms.push(liveValue({ server, rest: value.slice(url.length) }));
  }
  return forms;
}

function inner(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
