/** Multipart bodies: a file and its metadata, and everything that can be wrong with their framing. */
import fc from "fast-check";
import {
  BOUNDARY,
  filePart,
  metadata,
  metadataPart,
  MULTIPART,
  multipartBody,
  type Part,
} from "../server/multipart.ts";
import { flipped, jsonText, mutated, text } from "./nasty.ts";

const NAMES = [
  "asset",
  "asset_metadata",
  "",
  "x",
  "__proto__",
  "a".repeat(5000),
  'a"b',
  "a\r\nX: y",
  "é",
  "asset[]",
];

const HEADERS = [
  ...[
    "Content-Type: text/html",
    "Content-Transfer-Encoding: base64",
    "Content-Type: multipart/mixed; boundary=x",
  ],
  ...[
    "Content-Encoding: gzip",
    "Content-Length: 5",
    ":",
    "no colon",
    "X: " + "y".repeat(20_000),
    "Content-Disposition",
  ],
];

const part: fc.Arbitrary<Part> = fc.record({
  headers: fc.tuple(
    fc.constantFrom(...NAMES),
    fc.option(text),
    fc.array(fc.constantFrom(...HEADERS), { maxLength: 3 }),
    fc.boolean(),
  ).map(([name, fileName, more, hasDisposition]) => [
    ...hasDisposition
      ? [
        `Content-Disposition: form-data; name="${name}"${
          fileName === null ? "" : `; filename="${fileName}"`
        }`,
      ]
      : [],
    ...more,
  ]),
  body: fc.oneof<fc.Arbitrary<string | Uint8Array>[]>(
    text,
    jsonText([metadata()]),
    fc.uint8Array({ maxLength: 50 }),
    fc.constantFrom(`--${BOUNDARY}`, `\r\n--${BOUNDARY}`, `\r\n--${BOUNDARY}--`, "\r\n--", "-".repeat(500)),
    fc.nat(100_000).map((length) => "z".repeat(length)),
  ),
});

const usualParts = fc.tuple(
  fc.tuple(mutated([metadata()]), fc.nat(1_000_000)).map(([json, fresh]) =>
    metadataPart(
      typeof json === "object" && json !== null && !Array.isArray(json)
        ? { ...json, asset_name: `upload ${fresh}` }
        : json,
    )
  ),
  fc.oneof(fc.uint8Array({ maxLength: 2000 }), fc.nat(200_000).map((length) => "f".repeat(length))).map((
    body,
  ) => filePart(body)),
).map((parts): Part[] => parts);

const parts: fc.Arbitrary<Part[]> = fc.oneof(
  { weight: 4, arbitrary: usualParts },
  {
    weight: 2,
    arbitrary: fc.tuple(usualParts, part, fc.nat(2)).map(([usual, odd, at]) => usual.toSpliced(at, 0, odd)),
  },
  { weight: 2, arbitrary: fc.array(part, { maxLength: 5 }) },
  // Many parts, many fields.
  {
    weight: 1,
    arbitrary: fc.tuple(part, fc.integer({ min: 20, max: 3000 })).map(([one, count]) =>
      count * sizeOf(one) > 3e6 ? [one] : Array<Part>(count).fill(one)
    ),
  },
);

function sizeOf({ headers, body }: Part): number {
  return headers.join().length + body.length;
}

/** A form with its media type. */
export const form: fc.Arbitrary<{ type: string; body: Uint8Array }> = fc.record({
  type: fc.oneof(
    { weight: 12, arbitrary: fc.constant(MULTIPART) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...[
          `multipart/form-data; boundary="${BOUNDARY}"; charset=x`,
          "multipart/form-data; boundary=-",
          "multipart/form-data",
        ],
        ...[
          "multipart/form-data; boundary=\xe9",
          `Multipart/Form-Data;boundary=${BOUNDARY};boundary=b`,
          "multipart/mixed; boundary=b",
        ],
      ),
    },
  ),
  body: fc.oneof(
    {
      weight: 5,
      arbitrary: fc.tuple(parts, fc.boolean()).map(([all, isOpen]) =>
        multipartBody(all, isOpen && all.length % 2 === 1)
      ),
    },
    { weight: 1, arbitrary: flipped(parts.map((all) => multipartBody(all))) },
    {
      weight: 1,
      arbitrary: fc.tuple(parts, fc.nat(5000)).map(([all, length]) => multipartBody(all).slice(0, length)),
    },
  ),
});
