/**
 * The vectors are those of the Amazon S3 API Reference: "Signature Calculations for the Authorization Header" (GET
 * Object, GET Bucket Lifecycle, List Objects) and "Authenticating Requests: Using Query Parameters".
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { S3Address } from "../../src/objects/s3_address.ts";
import { EMPTY_SHA256, S3Signer } from "../../src/objects/s3_signer.ts";

const KEYS = {
  region: "us-east-1",
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const DATE = new Date("2013-05-24T00:00:00Z");
const bucket = new S3Address({
  bucket: "examplebucket",
  endpoint: "https://s3.amazonaws.com",
  region: "us-east-1",
  addressing: "virtual",
});

async function authorizationOf(url: URL, headers: Record<string, string> = {}): Promise<string> {
  const signed = await new S3Signer(KEYS).sign(
    { method: "GET", url, headers, bodySha256: EMPTY_SHA256 },
    DATE,
  );
  assertEquals(signed["x-amz-date"], "20130524T000000Z");
  assertEquals(signed["x-amz-content-sha256"], EMPTY_SHA256);
  assertEquals("host" in signed, false);
  return signed["authorization"] ?? "";
}

Deno.test("S3Signer.sign() signs AWS's example of GET Object", async () => {
  assertEquals(
    await authorizationOf(bucket.url("test.txt"), { range: "bytes=0-9" }),
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, " +
      "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  );
});

Deno.test("S3Signer.sign() signs AWS's example of GET Bucket Lifecycle", async () => {
  const authorization = await authorizationOf(bucket.url(undefined, { lifecycle: "" }));
  assert(
    authorization.endsWith("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
  );
});

Deno.test("S3Signer.sign() signs AWS's example of List Objects", async () => {
  const authorization = await authorizationOf(bucket.url(undefined, { "max-keys": "2", prefix: "J" }));
  assert(
    authorization.endsWith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
  );
});

Deno.test("S3Signer.presignGet() signs AWS's example of a presigned URL", async () => {
  const url = await new S3Signer(KEYS).presignGet(bucket.url("test.txt"), 86400, DATE);
  assertEquals(
    url.href,
    "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
      "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
      "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400" +
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404&X-Amz-SignedHeaders=host",
  );
});

Deno.test("S3Signer.sign() sends and signs a session token", async () => {
  const signer = new S3Signer({ ...KEYS, sessionToken: "TOKEN" });
  const request = { method: "GET", url: bucket.url("k"), headers: {}, bodySha256: EMPTY_SHA256 };
  const signed = await signer.sign(request, DATE);
  assertEquals(signed["x-amz-security-token"], "TOKEN");
  assert(
    signed["authorization"]?.includes(
      "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,",
    ),
  );
});

Deno.test("S3Signer.sign() without a key adds no signature", async () => {
  const signer = new S3Signer({ region: "us-east-1" });
  const headers = { range: "bytes=0-9" };
  const sent = await signer.sign(
    { method: "GET", url: bucket.url("k"), headers, bodySha256: EMPTY_SHA256 },
    DATE,
  );
  assertEquals(sent, { range: "bytes=0-9", "x-amz-content-sha256": EMPTY_SHA256 });
  await assertRejects(() => signer.presignGet(bucket.url("k"), 60, DATE), TypeError);
});

Deno.test("S3Signer refuses half a key", () => {
  assertThrows(() => new S3Signer({ region: "r", accessKeyId: "a" }), TypeError);
  assertThrows(() => new S3Signer({ region: "r", secretAccessKey: "s" }), TypeError);
});
