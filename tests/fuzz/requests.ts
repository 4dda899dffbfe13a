/** Random requests to a described route: mostly nearly right, so that they get past the first check. */
import fc from "fast-check";
import type { Json } from "../../src/collection/json.ts";
import type { DescribedRoute } from "./described_routes.ts";
import { filter } from "./filters.ts";
import { form } from "./forms.ts";
import { flipped, jsonText, KNOWN, mutated, text } from "./nasty.ts";
import type { WireRequest } from "./wire.ts";

const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "get",
  "__proto__",
];

const MEDIA_TYPES = [
  ...[
    "application/json",
    "application/json;charset=utf-16",
    "application/x+json",
    "text/plain",
    "",
    ";",
    "*/*",
  ],
  ...[
    "application/x-ndjson",
    "application/offset+octet-stream",
    "multipart/form-data",
    "multipart/form-data; boundary=",
  ],
  ...[
    "multipart/form-data; boundary=" + "b".repeat(300),
    'multipart/form-data; boundary="a b"',
    "application/x-www-form-urlencoded",
  ],
];

/** Addresses that nobody may be made to fetch from, in all spellings, and some that answer nothing. */
export const TARGETS = [
  ...[
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
  ],
  ...[
    "http://[::ffff:169.254.169.254]/",
    "http://[fe80::1]/",
    "http://169.254.169.254.:80/",
    "http://①⑥⑨.254.169.254/",
  ],
  ...[
    "http://127.0.0.1:1/",
    "http://localhost:1",
    "http://[::1]:1/",
    "http://0:1/",
    "http://user:pw@127.0.0.1:1/",
  ],
  ...[
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "javascript:alert(1)",
    "gopher://127.0.0.1:1/",
    "http://",
    "//x",
    "http://a b/",
  ],
  ...[
    "http://127.0.0.1:1/?" + "q".repeat(3000),
    "http://127.0.0.1:99999/",
    "HTTP://127.0.0.1:1#x",
    "http:127.0.0.1:1",
  ],
];

/** Values of headers that are nearly right. */
const HEADER_VALUES: Record<string, readonly string[]> = {
  "if-match": ["*", "@etag@", "W/@etag@", '"a", "b"', '"', ",,,", `${'"a",'.repeat(500)}"b"`],
  "if-none-match": ["*", "@etag@", "W/@etag@", '""', '"', `${'"a",'.repeat(500)}"b"`],
  "if-modified-since": ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "never", "0"],
  "if-unmodified-since": ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "x"],
  "if-range": ["@etag@", '"x"', "Thu, 01 Jan 1970 00:00:00 GMT", "W/"],
  "range": [
    ...[
      "bytes=0-0",
      "bytes=-1",
      "bytes=5-",
      "bytes=9-2",
      "bytes=0-99999999999999999999",
      "bytes=-0",
      "items=0-1",
    ],
    ...[
      "bytes=0-1,2-3",
      `bytes=${"0-0,".repeat(1000)}1-1`,
      "bytes=",
      "bytes=a-b",
      "bytes=1e3-",
      "bytes= 0 - 5 ",
    ],
  ],
  "accept": [
    "application/x-ndjson",
    "*/*",
    "text/html",
    `${"a/b,".repeat(2000)}`,
    "application/x-ndjson;q=0",
  ],
  "idempotency-key": ["k", "k2", "x".repeat(255), "x".repeat(256), " ", '"'],
  "tus-resumable": ["1.0.0", "1.0.0", "1.0.0", "0.2.2", "", "9".repeat(500)],
  "upload-length": ["0", "1", "6", "-1", "1.5", "1e9", "99999999999999999999", "0x10", " 6", "NaN"],
  "upload-offset": ["0", "1", "3", "-1", "1e1", "99999999999999999999", "00", "NaN", ""],
  "upload-defer-length": ["1", "0", "true"],
  "upload-concat": ["partial", "final;/uploads/a /uploads/b", "final;"],
  "upload-checksum": [
    ...[
      "sha1 AAAA",
      "sha256 WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=",
      "md5",
      "crc32 AAAA",
      "sha1  ",
      "sha256 %",
    ],
  ],
  "upload-metadata": [
    ...[
      "filename Zg==",
      "filename",
      "filename %%%",
      "a b c",
      ",",
      ", ,",
      "asset_metadata e30=",
      "asset_metadata Ww==",
    ],
    ...[
      "__proto__ YQ==,constructor YQ==",
      `${"k YQ==,".repeat(1000)}k YQ==`,
      "filename Zg==,filename Zw==",
      "é YQ==",
    ],
  ],
  "x-http-method-override": ["PATCH", "DELETE", "HEAD", "delete", "TRACE", "constructor", ""],
};

/** Headers that no route asks for. */
const OTHER_HEADERS = [
  ...["Authorization: Bearer x", "Authorization: Basic Og==", "Authorization: ", "Content-Encoding: gzip"],
  ...[
    "Origin: null",
    "Origin: https://evil.example.com",
    "Sec-Fetch-Site: cross-site",
    "X-Forwarded-For: 1.1.1.1, x",
  ],
  ...[
    "X-Request-Id: a b",
    "Expect: 100-continue",
    "Expect: x",
    "TE: trailers",
    "Upgrade: h2c",
    "Via: x",
    "Cookie: a=b",
  ],
  ...[
    "traceparent: 00-0-0-00",
    "Forwarded: for=x",
    "X-Forwarded-Host: evil",
    "Accept-Encoding: gzip, br",
    "Priority: u=9",
  ],
];

/** Any request to a route. */
export function requestTo(route: DescribedRoute): fc.Arbitrary<WireRequest> {
  return fc.record({
    method: often(9, fc.constant(route.method), fc.constantFrom(...METHODS)),
    target: targetOf(route),
    headers: fc.tuple(describedHeaders(route), otherHeaders).map(([some, more]) => [...some, ...more]),
    content: contentOf(route),
    framing: fc.constantFrom<WireRequest["framing"]>(
      ...["length", "length", "length", "length", "length", "chunks", "chunks", "cut"] as const,
    ),
  }).map(({ content, headers, ...rest }) => ({
    ...rest,
    body: content.body,
    headers: content.type === undefined ? headers : [["Content-Type", content.type], ...headers],
  }));
}

function often<T>(weight: number, usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: other });
}

/** A value in a path or a query string: encoded, or as it is where a request line can hold that. */
const piece: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<string>(...KNOWN) },
  { weight: 3, arbitrary: text.map((one) => KNOWN.some((known) => known === one) ? one : encode(one)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/",
        "%c0%ae%c0%ae/",
        "%00",
        "%",
        "%zz",
        "%ff%fe",
      ],
      ...[
        "%0d%0aX-Evil:%201",
        "a%2Fb",
        "\\..\\..",
        "....//",
        ";jsessionid=1",
        "a?b",
        "a#b",
        "\xe9\xff",
        "%ed%a0%80",
      ],
    ),
  },
);

function encode(one: string): string {
  return encodeURIComponent(one.toWellFormed());
}

function targetOf({ path, queries }: DescribedRoute): fc.Arbitrary<string> {
  const filled = fc.array(piece, { minLength: 2, maxLength: 2 }).map((values) => {
    let n = 0;
    return path.replaceAll(/\{\w+\}/g, () => values[n++] ?? "");
  });
  const usual = path.includes("{") ? filled : fc.constant(path);
  const odd = fc.tuple(usual, fc.constantFrom("/", "//", "/.", "/..", "%2f", ";a", "%20", "/x"), fc.boolean())
    .map(([one, more, isBefore]) =>
      isBefore ? `${more.startsWith("/") ? more : `/${more}`}${one}` : one + more
    );
  return fc.tuple(often(15, usual, odd), queryString(queries)).map(([one, more]) =>
    more === "" || one.includes("?") ? one : `${one}?${more}`
  );
}

function queryString(names: readonly string[]): fc.Arbitrary<string> {
  const name = often(9, fc.constantFrom("x", ...names), text.map(encode));
  const value = fc.oneof(
    fc.constantFrom(
      ...[
        "1",
        "10",
        "0",
        "10001",
        "only",
        "true",
        "id",
        "health",
        "id,health",
        "healthy",
        "asset_name",
        "-asset_name",
      ],
      ...["asset_name,-asset_tags,a.b.c", "-", ",", "@cursor@", "a.$b", "__proto__", `${"a,".repeat(500)}a`],
    ),
    piece,
  );
  const pair = fc.tuple(name, value).map(([key, held]) => `${key}=${held}`);
  const most = names.length > 0 ? 3 : 1;
  return fc.array(pair, { maxLength: most }).map((pairs) => pairs.join("&"));
}

function describedHeaders({ headers }: DescribedRoute): fc.Arbitrary<[string, string][]> {
  const each = headers.map((name) => {
    const values = HEADER_VALUES[name.toLowerCase()] ?? [""];
    return often(4, often(6, fc.constantFrom(...values), headerText), fc.constant(undefined))
      .map((value): [string, string][] => value === undefined ? [] : [[name, value]]);
  });
  return fc.tuple(...each).map((all) => all.flat());
}

const otherHeaders: fc.Arbitrary<[string, string][]> = fc.array(
  fc.oneof(
    fc.constantFrom(...OTHER_HEADERS).map((line): [string, string] => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
    fc.tuple(fc.constantFrom(...Object.keys(HEADER_VALUES)), text).map(([name, value]): [string, string] => [
      name,
      inHeader(value),
    ]),
  ),
  { maxLength: 2 },
);

const headerText = text.map(inHeader);

/** What may stand in a header (RFC 9110 §5.5), as bytes of UTF-8. */
function inHeader(value: string): string {
  const bytes = new TextEncoder().encode(value);
  return Array.from(bytes, (byte) => byte < 32 || byte === 127 ? " " : String.fromCharCode(byte)).join("");
}

interface Content {
  type: string | undefined;
  body: Uint8Array;
}

function contentOf({ bodyType, bodies }: DescribedRoute): fc.Arbitrary<Content> {
  const nothing = fc.constant<Content>({ type: undefined, body: new Uint8Array() });
  const anything = fc.record({ type: fc.constantFrom(...MEDIA_TYPES), body: flipped(jsonText(bodies)) });
  if (bodyType === undefined) return often(9, nothing, anything);
  return often(12, usualContent(bodyType, bodies), fc.oneof(nothing, anything));
}

function usualContent(type: string, bodies: readonly Json[]): fc.Arbitrary<Content> {
  if (type === "multipart/form-data") return form;
  if (type === "application/x-ndjson") return lines.map((body) => ({ type, body }));
  if (type.endsWith("json")) {
    return fc.oneof(
      { weight: 6, arbitrary: jsonText([...bodies, ...registryBodies(bodies)], filter) },
      { weight: 1, arbitrary: flipped(jsonText(bodies, filter)) },
    ).map((body) => ({ type, body }));
  }
  return fc.uint8Array({ maxLength: 10 }).map((body) => ({ type, body }));
}

/** Entries that lead to every target. */
function registryBodies(bodies: readonly Json[]): Json[] {
  if (!JSON.stringify(bodies).includes("asset_registry_name")) return [];
  return TARGETS.map((url) => ({ asset_registry_name: "target", asset_registry_public_url: url }));
}

const LINE: Json = { asset_name: "a line", asset_version: { version: "1", tag: "x" } };
const lines: fc.Arbitrary<Uint8Array> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: mutated([LINE]).map((line) => JSON.stringify(line)) },
    { weight: 1, arbitrary: text },
    { weight: 1, arbitrary: fc.constantFrom("", "\r", " ", "[".repeat(5000), "\u2028", "}{", "null") },
  ),
  { maxLength: 30 },
).map((all) => new TextEncoder().encode(all.join("\n")));
