/** What is no HTTP at all, or hardly: nobody gets a 5xx for it, and it keeps nobody out and nothing in. */
import { assert } from "@std/assert";
import fc from "fast-check";
import { json } from "../server/harness.ts";
import { connect, writeAll } from "../server/raw.ts";
import { Subject } from "./subject.ts";
import { exchangeBytes, latin1 } from "./wire.ts";

const RUNS = Number(Deno.env.get("FUZZ_RUNS") ?? 10);
const SEED = Number(Deno.env.get("FUZZ_SEED") ?? Math.floor(Math.random() * 2 ** 31));

const AT_ONCE = 8;
const SLOW_CLIENTS = 300;
const MOST_ANSWER_MS = 10_000;

const STARTS = [
  ...[
    "GET / HTTP/1.1",
    "POST /assets HTTP/1.1",
    "POST /upload_asset HTTP/1.1",
    "PATCH /uploads/x HTTP/1.1",
    "GET /",
  ],
  ...[
    "GET  /  HTTP/1.1",
    "GET / HTTP/9.9",
    "GET / HTTP/1.0",
    "get / http/1.1",
    "GET /\x00 HTTP/1.1",
    "GET /\xff\xfe HTTP/1.1",
  ],
  ...[
    "PRI * HTTP/2.0",
    "CONNECT evil:443 HTTP/1.1",
    "GET http://a:b@c/ HTTP/1.1",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",
  ],
  ...[
    "",
    " GET / HTTP/1.1",
    "G\tET / HTTP/1.1",
    "GET /?" + "a".repeat(70_000) + " HTTP/1.1",
    "A".repeat(100) + " / HTTP/1.1",
  ],
];

const LINES = [
  ...[
    "Host: localhost",
    "Host: a, Host: b",
    "Host:",
    "Host: a/b",
    "Host: [::1",
    "Host : x",
    "Content-Length: 5",
  ],
  ...[
    "Content-Length: -1",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 5, 6",
    "Content-Length: 0x5",
  ],
  ...[
    "Content-Length: 18446744073709551616",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding:\x0bchunked",
  ],
  ...[
    "Transfer-Encoding: chunked, identity",
    "transfer-encoding: CHUNKED",
    "Transfer-Encoding: gzip, chunked",
    " folded: yes",
    "\tx",
  ],
  ...[
    "No colon",
    ": no name",
    "X: \x00",
    "X: a\rb",
    "X: \x7f",
    "Connection: close",
    "Connection: keep-alive, Upgrade",
    "Expect: 100-continue",
  ],
  ...[
    "Content-Type: application/json",
    "Content-Type: multipart/form-data; boundary=b",
    "Content-Type: application/x-ndjson",
  ],
];

const BODIES = [
  ...[
    "",
    "hello",
    "{}",
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n",
    "ffffffffffffffffff\r\n",
    "-1\r\n",
    "5;a=b\r\nhello\r\n0\r\n\r\n",
  ],
  ...[
    "5\r\nhelloX0\r\n\r\n",
    "0\r\nX-Trailer: y\r\n\r\n",
    "0x5\r\nhello\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    `5;${"e".repeat(70_000)}\r\nhello\r\n`,
  ],
  ...[
    "0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50),
    "\x00".repeat(1000),
  ],
  ...[
    `0\r\n${"X: y\r\n".repeat(5000)}\r\n`,
    "1\r\na\r\n".repeat(2000),
    "--b\r\n\r\n",
    "\n\n\n",
    "5\nhello\n0\n\n",
  ],
];

const bytes = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(
      fc.constantFrom(...STARTS),
      fc.array(fc.constantFrom(...LINES), { maxLength: 6 }),
      fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n\0"),
      fc.constantFrom(...BODIES),
    ).map(([start, lines, end, body]) => latin1([start, ...lines, "", ""].join(end) + body)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 3000 }) },
);

Deno.test("Fuzz: bytes that are no HTTP, or hardly, are never answered 5xx, and their connections go", async () => {
  await using subject = await Subject.start("assets-db");
  const before = await subject.holdings();
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { maxLength: AT_ONCE }), async (all) => {
      await Promise.all(all.map(async (sent) => {
        const { status, text } = await exchangeBytes(subject.url, sent, { closes: true });
        // The method CONNECT and HTTP of another version are not implemented by the runtime.
        assert(status < 500 || status === 501 || status === 505, `${status} ${text}`);
      }));
    }),
    { numRuns: RUNS, seed: SEED },
  );
  await subject.assertDescriptors(before.descriptors);
  await subject.assertSound();
});

const BULK_CLIENTS = 60;
const BULK_HEAD = "POST /assets/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n";
const BULK_LINE = '{"asset_name":"a","asset_version":{"version":"1","tag":"t"}}';

/** Requests that never end, or whose answer is never read. */
const SLOW = [
  "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ",
  "POST /assets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
  "POST /assets/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
  "POST /upload_asset HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n--b\r\n",
  "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20),
];

Deno.test("Fuzz: clients that never end keep nobody out, and leave nothing when they go", async () => {
  await using subject = await Subject.start("assets-db");
  const before = await subject.holdings();
  const slow: Deno.TcpConn[] = [];
  try {
    for (let n = 0; n < SLOW_CLIENTS; n++) {
      const connection = await connect(subject);
      slow.push(connection);
      await writeAll(connection, SLOW[n % SLOW.length] ?? "");
    }
    for (let n = 0; n < 20; n++) {
      const startedAt = performance.now();
      const response = await fetch(`${subject.url}/assets`, json("POST", {}));
      await response.body?.cancel();
      const ms = performance.now() - startedAt;
      assert(response.status === 200 && ms < MOST_ANSWER_MS, `${response.status} after ${ms} ms`);
      await Promise.all(slow.slice(0, 60).map((connection) => writeAll(connection, "x").catch(() => {})));
    }
  } finally {
    for (const connection of slow) connection.close();
  }
  await subject.assertDescriptors(before.descriptors);
  await subject.assertSound();
});

/** What a client of a bulk creation has sent when it goes away; of the first, a line has been answered by then. */
const BULK_BODIES = [
  `${BULK_LINE}\n`,
  `${BULK_LINE}\n${BULK_LINE.slice(0, 30)}`,
  `${BULK_LINE}\n`.repeat(500),
];

Deno.test("Fuzz: clients of a bulk creation that go away while more of its lines are waited for leave no descriptor", async () => {
  await using subject = await Subject.start("assets-db");
  const before = await subject.holdings();
  for (let n = 0; n < BULK_CLIENTS; n++) {
    using connection = await connect(subject);
    const body = BULK_BODIES[n % BULK_BODIES.length] ?? "";
    const framing = n % 2 === 0 ? "Transfer-Encoding: chunked" : "Content-Length: 1000000";
    const sent = n % 2 === 0 ? `${body.length.toString(16)}\r\n${body}\r\n` : body;
    await writeAll(connection, `${BULK_HEAD}${framing}\r\n\r\n${sent}`);
    const buffer = new Uint8Array(4096);
    for (let seen = ""; !seen.includes('"line":1'); seen += new TextDecoder().decode(buffer)) {
      if (await connection.read(buffer) === null) break;
    }
  }
  await subject.assertDescriptors(before.descriptors);
  await subject.assertSound();
});
