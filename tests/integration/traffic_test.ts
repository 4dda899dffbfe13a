/** What a download moves between the server and S3: what the client takes, and little more. */
import { assert, assertEquals } from "@std/assert";
import { startMinio } from "../../scripts/services/minio.ts";
import { uploaded } from "../server/client.ts";
import { startTestServer } from "../server/harness.ts";
import { patternBytes } from "../objects/object_store_suite.ts";
import { MeteringProxy, type Relayed } from "../metering_proxy.ts";
import { settingsFor, withService } from "./s3_service_suite.ts";

const KIB = 1024;
const MIB = 2 ** 20;
const FILE_BYTES = 64 * MIB;

/** What may lie in the sockets of three connections, and in the server, when a client hangs up. */
const MAX_UNDER_WAY_BYTES = 32 * MIB;

const minio = withService(startMinio);

Deno.test("A range of an object on S3 moves the bytes of that range alone", async () => {
  await using proxy = new MeteringProxy(minio.service().endpoint);
  await using server = await startTestServer(settingsFor(minio, { s3Endpoint: proxy.url }));
  const bytes = patternBytes(FILE_BYTES);
  const { id } = await uploaded(server, bytes);
  const before = proxy.receivedBytes;
  const start = 30 * MIB + 7;
  const response = await fetch(`${server.url}/asset-object/${id}`, {
    headers: { Range: `bytes=${start}-${start + 999}` },
  });
  assertEquals(response.status, 206);
  assertEquals(new Uint8Array(await response.arrayBuffer()), bytes.slice(start, start + 1000));
  const moved = proxy.receivedBytes - before;
  assert(moved >= 1000 && moved < 20 * KIB, `${moved} bytes`);
});

Deno.test("A client that hangs up early in a download from S3 ends the read from S3", async () => {
  await using proxy = new MeteringProxy(minio.service().endpoint);
  await using server = await startTestServer(settingsFor(minio, { s3Endpoint: proxy.url }));
  const { id } = await uploaded(server, patternBytes(FILE_BYTES));
  const before = proxy.receivedBytes;
  const hangUp = new AbortController();
  const response = await fetch(`${server.url}/asset-object/${id}`, { signal: hangUp.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  hangUp.abort();
  await reader?.closed.catch(() => {});
  // A server that read on would take all of it; one that stops has no other way than to close the connection.
  await proxy.until(() => proxy.receivedBytes - before >= FILE_BYTES || !mostTaken(proxy).isOpen);
  const moved = proxy.receivedBytes - before;
  assert(moved < MAX_UNDER_WAY_BYTES, `${moved / MIB} MiB`);
});

/** The connection of the download: all others bring back little. */
function mostTaken({ relayed }: MeteringProxy): Relayed {
  const [most] = relayed.toSorted((one, other) => other.receivedBytes - one.receivedBytes);
  return most ?? { receivedBytes: 0, isOpen: true };
}
