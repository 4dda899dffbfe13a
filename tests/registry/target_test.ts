import { assertEquals, assertRejects } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { checkTarget } from "../../src/registry/target.ts";

const everything = { noPrivateTargets: false };
const publicOnly = { noPrivateTargets: true };

/** Hosts that are never asked, whatever the rules: link-local and metadata addresses in all their spellings. */
const NEVER = [
  "169.254.169.254",
  "169.254.0.1",
  "2852039166", // as one number
  "0xa9fea9fe",
  "0xa9.0xfe.0xa9.0xfe",
  "0251.0376.0251.0376", // octal
  "169.254.43518",
  "[::ffff:169.254.169.254]",
  "[::ffff:a9fe:a9fe]",
  "[::ffff:0:a9fe:a9fe]",
  "[::a9fe:a9fe]",
  "[64:ff9b::a9fe:a9fe]",
  "[2002:a9fe:a9fe::1]",
  "[fe80::1]",
  "[febf::1]",
  "[fd00:ec2::254]",
  "[fd20:ce::254]",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "１６９.254.169.254", // full-width digits
];

for (const host of NEVER) {
  Deno.test(`checkTarget() never lets ${host} through`, async () => {
    const error = await assertRejects(
      () => checkTarget(new URL(`http://${host}/`), everything),
      ServiceError,
      "never asked",
    );
    assertEquals(error.code, "unhealthy");
  });
}

const PRIVATE = [
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0177.0.0.1",
  "0x7f000001",
  "10.1.2.3",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.0.1",
  "100.64.0.1",
  "0.0.0.0",
  "224.0.0.1",
  "255.255.255.255",
  "[::1]",
  "[::]",
  "[::ffff:127.0.0.1]",
  "[::ffff:10.0.0.1]",
  "[64:ff9b::7f00:1]",
  "[64:ff9b:1::a00:1]",
  "[2002:7f00:1::]",
  "[fc00::1]",
  "[fdff::1]",
  "[fec0::1]",
  "[ff02::1]",
];

for (const host of PRIVATE) {
  Deno.test(`checkTarget() lets ${host} through unless private targets are refused`, async () => {
    const url = new URL(`http://${host}/`);
    assertEquals((await checkTarget(url, everything)).length, 1);
    await assertRejects(() => checkTarget(url, publicOnly), ServiceError, "--no-private-targets");
  });
}

const PUBLIC = [
  "1.1.1.1",
  "172.32.0.1",
  "172.15.0.1",
  "100.128.0.1",
  "[2606:4700::1111]",
  "[64:ff9b::101:101]",
];

for (const host of PUBLIC) {
  Deno.test(`checkTarget() lets ${host} through everywhere`, async () => {
    assertEquals((await checkTarget(new URL(`http://${host}/`), publicOnly)).length, 1);
  });
}

Deno.test("checkTarget() refuses other schemes and URLs with credentials", async () => {
  for (const url of ["ftp://x.example", "file:///etc/passwd", "http://u:p@1.1.1.1/", "http://u@1.1.1.1/"]) {
    await assertRejects(() => checkTarget(new URL(url), everything), ServiceError, "not asked");
  }
});

Deno.test("checkTarget() refuses a name of which one address is not allowed", async () => {
  const url = new URL("http://mixed.example/");
  const resolve = () => Promise.resolve([{ address: "1.1.1.1" }, { address: "169.254.169.254" }]);
  await assertRejects(() => checkTarget(url, everything, resolve), ServiceError, "never asked");
  const zoned = () => Promise.resolve([{ address: "fe80::1%eth0" }]);
  await assertRejects(() => checkTarget(url, everything, zoned), ServiceError, "never asked");
});

Deno.test("checkTarget() gives the addresses of a name with their families", async () => {
  const resolve = () => Promise.resolve([{ address: "1.1.1.1" }, { address: "2606:4700::1111" }]);
  assertEquals(await checkTarget(new URL("http://both.example/"), publicOnly, resolve), [
    { address: "1.1.1.1", family: 4 },
    { address: "2606:4700::1111", family: 6 },
  ]);
});
