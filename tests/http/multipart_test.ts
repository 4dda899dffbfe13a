import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { BodyReader } from "../../src/http/body_reader.ts";
import { FormReader } from "../../src/http/multipart.ts";

const OPTIONS = { files: ["asset"], maxFieldBytes: 1024, maxParts: 4 };

interface Part {
  name: string;
  fileName?: string;
  contentType?: string;
  text: string;
}

/** Reads a body that arrives in the given chunks. */
async function read(chunks: Uint8Array[], boundary: string, options = OPTIONS): Promise<Part[]> {
  const body = new BodyReader(ReadableStream.from(chunks));
  const reader = new FormReader(body, `multipart/form-data; boundary=${boundary}`, options);
  const decoder = new TextDecoder();
  const parts: Part[] = [];
  for (let event = await reader.next(); event; event = await reader.next()) {
    const last = parts.at(-1);
    if (event.kind === "field") parts.push({ name: event.name, text: decoder.decode(event.bytes) });
    else if (event.kind === "file") {
      parts.push({ name: event.name, fileName: event.fileName, contentType: event.contentType, text: "" });
    } else if (event.kind === "chunk" && last) last.text += decoder.decode(event.bytes, { stream: true });
  }
  return parts;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function body(boundary: string, file: string): string {
  return [
    `--${boundary}`,
    'Content-Disposition: form-data; name="asset_metadata"',
    "",
    '{"a":1}',
    `--${boundary}`,
    'Content-Disposition: form-data; name="asset"; filename="f.bin"',
    "Content-Type: text/plain; charset=utf-8",
    "",
    file,
    `--${boundary}--`,
  ].join("\r\n");
}

const EXPECTED = (text: string): Part[] => [
  { name: "asset_metadata", text: '{"a":1}' },
  { name: "asset", fileName: "f.bin", contentType: "text/plain; charset=utf-8", text },
];

// Boundaries as curl, browsers and Python make them, and one that ends with hyphens; files that nearly hold them.
for (
  const boundary of [
    "------------------------d74496d66958873e",
    "X",
    "ab--",
    "----WebKitFormBoundary7MA4YWxk",
  ]
) {
  for (
    const file of [
      "",
      "plain",
      "\r\n",
      `\r\n--${boundary.slice(0, -1)}`,
      "--\r\n--",
      "-".repeat(200),
      "\r\n-\r\n--",
    ]
  ) {
    Deno.test(`FormReader reads a body cut anywhere in two: boundary ${boundary}, file ${JSON.stringify(file.slice(0, 30))}`, async () => {
      const whole = bytes(body(boundary, file));
      for (const tail of ["", "\r\n", "\r\nepilogue"]) {
        const all = new Uint8Array([...whole, ...bytes(tail)]);
        for (let cut = 0; cut <= all.length; cut++) {
          const parts = await read([all.subarray(0, cut), all.subarray(cut)], boundary);
          assertEquals(parts, EXPECTED(file), `cut at ${cut} of ${all.length}`);
        }
      }
    });
  }
}

Deno.test("FormReader reads a body that arrives byte by byte", async () => {
  const chunks = [...bytes(body("--b", "some\r\n--\r\n--bytes"))].map((byte) => new Uint8Array([byte]));
  assertEquals(await read(chunks, "--b"), EXPECTED("some\r\n--\r\n--bytes"));
});

const NAMES: [header: string, fileName: string | undefined][] = [
  ['filename="модель 日本.bin"', "модель 日本.bin"],
  ['filename="a%22b.bin"', 'a"b.bin'],
  ['filename="a\\"b.bin"', 'a"b.bin'],
  ["filename*=UTF-8''%e2%82%ac.bin", "€.bin"],
  ["filename=plain.bin", "plain.bin"],
];

for (const [header, fileName] of NAMES) {
  Deno.test(`FormReader finds the file name in ${header}`, async () => {
    const text = `--b\r\nContent-Disposition: form-data; name="asset"; ${header}\r\n\r\nx\r\n--b--\r\n`;
    const [part] = await read([bytes(text)], "b");
    assertEquals([part?.name, part?.fileName, part?.text], ["asset", fileName, "x"]);
  });
}

const MALFORMED: [what: string, text: string][] = [
  ["an empty body", ""],
  ["a body without boundaries", "hello"],
  [
    "a body cut off in a file",
    '--b\r\nContent-Disposition: form-data; name="asset"; filename="f"\r\n\r\nsome',
  ],
  ["a body cut off in a header", "--b\r\nContent-Dispo"],
  ["a body cut off in a field", '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nsome\r\n--b'],
  ["a part without a name", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"],
  ["malformed headers", "--b\r\n\u0000bad: x\r\n\r\nx\r\n--b--"],
  ["too many parts", `${'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nx\r\n'.repeat(5)}--b--`],
];

for (const [what, text] of MALFORMED) {
  Deno.test(`FormReader refuses ${what}`, async () => {
    const error = await assertRejects(() => read([bytes(text)], "b"), ServiceError);
    assertEquals(error.code, "invalid_request");
  });
}

Deno.test("FormReader refuses a field above the limit", async () => {
  const text = `--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n${"x".repeat(2000)}\r\n--b--`;
  const error = await assertRejects(() => read([bytes(text)], "b"), ServiceError);
  assertEquals(error.code, "too_large");
});

Deno.test("FormReader refuses another media type and a missing boundary", () => {
  const make = (contentType: string) =>
    new FormReader(new BodyReader(ReadableStream.from([])), contentType, OPTIONS);
  assertEquals(assertThrows(() => make("application/json"), ServiceError).code, "unsupported_media_type");
  assertEquals(assertThrows(() => make("multipart/form-data"), ServiceError).code, "invalid_request");
});

Deno.test("FormReader gives every byte of a file and of the fields around it, read into buffers that are used again", async () => {
  const random = new Uint8Array(3_000_000);
  for (let n = 0; n < random.length; n += 65_536) crypto.getRandomValues(random.subarray(n, n + 65_536));
  const before = "a".repeat(700_000);
  const after = "b".repeat(900_000);
  const field = (name: string, text: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
  const file = '--b\r\nContent-Disposition: form-data; name="asset"; filename="f"\r\n\r\n';
  const whole = new Uint8Array(
    await new Blob([field("before", before), file, random, "\r\n", field("after", after), "--b--\r\n"])
      .arrayBuffer(),
  );
  let offset = 0;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    type: "bytes",
    pull(controller) {
      if (!(controller instanceof ReadableByteStreamController)) throw new Error("Not a byte stream");
      const { byobRequest } = controller;
      const view = byobRequest?.view;
      if (!view || !byobRequest) throw new Error("Read without a buffer");
      const part = whole.subarray(offset, offset + Math.min(view.byteLength, 50_000));
      new Uint8Array(view.buffer, view.byteOffset).set(part);
      offset += part.length;
      if (part.length === 0) controller.close();
      byobRequest.respond(part.length);
    },
  });
  const options = { files: ["asset"], maxFieldBytes: 1_000_000, maxParts: 4 };
  const reader = new FormReader(
    new BodyReader(source, { hasLength: true }),
    "multipart/form-data; boundary=b",
    options,
  );
  const texts: string[] = [];
  const got = new Uint8Array(random.length);
  let gotBytes = 0;
  for (let event = await reader.next(); event; event = await reader.next()) {
    if (event.kind === "field") texts.push(new TextDecoder().decode(event.bytes));
    if (event.kind !== "chunk") continue;
    got.set(event.bytes, gotBytes);
    gotBytes += event.bytes.length;
  }
  assertEquals(texts.map((text) => text.length), [before.length, after.length]);
  assertEquals(texts, [before, after]);
  assertEquals(gotBytes, random.length);
  assertEquals(got.every((byte, n) => byte === random[n]), true);
});
