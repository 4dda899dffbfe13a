import { assertEquals, assertRejects } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { GuardedClient } from "../../src/registry/guarded_client.ts";
import { probe } from "../../src/registry/health.ts";

function client(noPrivateTargets = false): GuardedClient {
  return new GuardedClient({ noPrivateTargets });
}

const ALWAYS_REFUSED = [
  "http://169.254.169.254",
  "http://2852039166", // 169.254.169.254 as one number
  "http://0xa9fea9fe",
  "http://[::ffff:169.254.169.254]",
  "http://[fe80::1]",
  "http://[fd00:ec2::254]",
  "http://100.100.100.200",
];

for (const url of ALWAYS_REFUSED) {
  Deno.test(`probe() never asks ${url}`, async () => {
    const error = await assertRejects(
      () => probe(url, { client: client() }),
      ServiceError,
      "never asked",
    );
    assertEquals(error.code, "unhealthy");
  });
}

const PRIVATE = [
  "http://127.0.0.1",
  "http://127.1",
  "http://localhost",
  "http://[::1]",
  "http://[::ffff:127.0.0.1]",
  "http://10.1.2.3",
  "http://172.31.255.255",
  "http://192.168.0.1",
  "http://100.64.0.1",
  "http://[fc00::1]",
  "http://0.0.0.0",
];

for (const url of PRIVATE) {
  Deno.test(`probe() does not ask ${url} where private targets are refused`, async () => {
    const options = { client: client(true) };
    const error = await assertRejects(() => probe(url, options), ServiceError, "--no-private-targets");
    assertEquals(error.code, "unhealthy");
  });
}

Deno.test("probe() reads an answer of 64 KiB, and calls what answers with more unhealthy", async () => {
  let sizeBytes = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return new Response('{"success":true}'.padEnd(sizeBytes));
  });
  const ask = () => probe(`http://127.0.0.1:${server.addr.port}`, { client: client() });
  sizeBytes = 64 * 1024;
  assertEquals((await ask()).health.status, "healthy");
  sizeBytes++;
  const error = await assertRejects(ask, ServiceError, "more than 65536 bytes");
  assertEquals(error.code, "unhealthy");
});

Deno.test("probe() asks /health below the path of the URL, and gives what it said", async () => {
  const paths: string[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    paths.push(new URL(request.url).pathname);
    return Response.json({ success: true, message: "healthy" });
  });
  const { said, health } = await probe(`http://127.0.0.1:${server.addr.port}/models/`, {
    client: client(),
  });
  assertEquals([said, health.status, paths], [{ success: true, message: "healthy" }, "healthy", [
    "/models/health",
  ]]);
});
