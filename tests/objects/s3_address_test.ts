import { assertEquals, assertThrows } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { defaultEndpoint, encodeKey, encodeQuery, S3Address } from "../../src/objects/s3_address.ts";

const BASE = { bucket: "b", region: "us-east-1", addressing: "path" as const };

Deno.test("defaultEndpoint() is AWS's, in China with its own domain", () => {
  assertEquals(defaultEndpoint("eu-west-1"), "https://s3.eu-west-1.amazonaws.com");
  assertEquals(defaultEndpoint("cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn");
});

Deno.test("S3Address.url() puts the bucket into the path or the host, behind a port and before a path", () => {
  const urlOf = (endpoint: string, addressing: "path" | "virtual") =>
    new S3Address({ ...BASE, endpoint, addressing }).url("k/1", { b: "2", a: "1 +" }).href;
  assertEquals(urlOf("https://s3.test", "path"), "https://s3.test/b/k/1?a=1%20%2B&b=2");
  assertEquals(urlOf("https://s3.test/", "virtual"), "https://b.s3.test/k/1?a=1%20%2B&b=2");
  assertEquals(
    urlOf("http://s3.test:9000/store/v1/", "path"),
    "http://s3.test:9000/store/v1/b/k/1?a=1%20%2B&b=2",
  );
  assertEquals(
    urlOf("http://s3.test:9000/store", "virtual"),
    "http://b.s3.test:9000/store/k/1?a=1%20%2B&b=2",
  );
  assertEquals(urlOf("https://s3.test:443", "path"), "https://s3.test/b/k/1?a=1%20%2B&b=2");
  assertEquals(urlOf("http://[::1]:9000", "path"), "http://[::1]:9000/b/k/1?a=1%20%2B&b=2");
  assertEquals(new S3Address(BASE).url().href, "https://s3.us-east-1.amazonaws.com/b/");
});

Deno.test("S3Address refuses what makes no URL, with a sentence", () => {
  const refused: [Partial<ConstructorParameters<typeof S3Address>[0]>, string][] = [
    [{ endpoint: "s3.test" }, "not a URL"],
    [{ endpoint: "s3.test:9000" }, "http:// or https://"],
    [{ endpoint: "https://me:secret@s3.test" }, "credentials"],
    [{ endpoint: "https://s3.test/?x=1" }, "query"],
    [{ bucket: "" }, "not the name"],
    [{ bucket: ".." }, "not the name"],
    [{ bucket: "a/b" }, "not the name"],
    [{ endpoint: "http://127.0.0.1:9000", addressing: "virtual" }, "use path addressing"],
    [{ bucket: "Upper", addressing: "virtual" }, "use path addressing"],
  ];
  for (const [change, sentence] of refused) {
    const error = assertThrows(() => new S3Address({ ...BASE, ...change }), TypeError, sentence);
    assertEquals(error.message.includes("secret"), false);
  }
});

Deno.test("encodeKey() leaves unreserved characters and slashes, and survives a URL parser", () => {
  const keys: [string, string][] = [
    ["asset/0198-a_b.c~d", "asset/0198-a_b.c~d"],
    ["a b+c%20d", "a%20b%2Bc%2520d"],
    ["ü€😀", "%C3%BC%E2%82%AC%F0%9F%98%80"],
    ["a//b/", "a//b/"],
    ["/a", "/a"],
    ["...", "..."],
    ["a\\b?c#d", "a%5Cb%3Fc%23d"],
    ["!*'()&=@:,;$", "%21%2A%27%28%29%26%3D%40%3A%2C%3B%24"],
    ["%2e%2e/x", "%252e%252e/x"],
  ];
  for (const [key, encoded] of keys) {
    assertEquals(encodeKey(key), encoded);
    assertEquals(new S3Address({ ...BASE, endpoint: "http://h" }).url(key).pathname, `/b/${encoded}`);
  }
});

Deno.test("encodeKey() refuses keys that would reach another object, or that S3 can't hold", () => {
  for (const key of ["", "..", "../other/x", "a/../b", "a/./b", "a/..", "\ud800", "é".repeat(513)]) {
    assertEquals(assertThrows(() => encodeKey(key), ServiceError).code, "invalid_request");
  }
  assertEquals(encodeKey("x".repeat(1024)).length, 1024);
});

Deno.test("encodeQuery() sorts by encoded name", () => {
  assertEquals(
    encodeQuery({ uploads: "", "key-marker": "a/b c", B: "ä" }),
    "B=%C3%A4&key-marker=a%2Fb%20c&uploads=",
  );
});
