import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, readConfig } from "../../src/cli/config.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { parseDurationMs, parseSizeBytes, parseSwitch } from "../../src/cli/units.ts";

function read(flags: SettingTexts, environment: Record<string, string> = {}) {
  return readConfig(flags, (name) => environment[name]);
}

Deno.test("readConfig() has a default for everything", () => {
  assertEquals(read({}), {
    mode: "assets-db",
    host: "127.0.0.1",
    port: 4000,
    dataDir: "./data",
    db: "data/assets-db.kv",
    isDbShared: false,
    publicUrl: undefined,
    assetsDbId: undefined,
    s3: undefined,
    s3Redirect: { isOn: false, publicEndpoint: undefined },
    maxUploadBytes: undefined,
    queryTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
    requireHealthy: false,
    scrubIntervalMs: 604_800_000,
    noPrivateTargets: false,
    healthIntervalMs: 30_000,
    federationTimeoutMs: 3000,
    federationTokens: new Map(),
    selfRegistration: undefined,
    tokens: { read: [], write: [] },
    authTokensFile: undefined,
    access: { tls: undefined, origins: [], rateLimit: undefined, trustedProxies: [] },
    log: { format: "text", level: "info" },
  });
  assertEquals(read({ mode: "registry" }).db, "data/registry.kv");
});

Deno.test("readConfig() takes the environment, a flag over it, and an empty variable as unset", () => {
  assertEquals(read({}, { PORT: "5000", HOST: "" }).port, 5000);
  assertEquals(read({}, { HOST: "" }).host, "127.0.0.1");
  assertEquals(read({ port: "6000" }, { PORT: "5000" }).port, 6000);
  assertEquals(read({}, { REQUIRE_HEALTHY: "yes" }).requireHealthy, true);
  assertEquals(read({}, { REQUIRE_HEALTHY: "off" }).requireHealthy, false);
  assertEquals(read({}, { AUTH_WRITE_TOKEN: "a, b,," }).tokens.write, ["a", "b"]);
});

Deno.test("readConfig() takes an IPv6 address with and without the brackets of a URL", () => {
  assertEquals([read({ host: "[::1]" }).host, read({ host: "::1" }).host], ["::1", "::1"]);
});

Deno.test("readConfig() addresses S3 by path with an endpoint, by virtual host without", () => {
  const keys = { AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s" };
  const aws = read({ s3Bucket: "models" }, keys).s3;
  assertEquals([aws?.addressing, aws?.endpoint, aws?.region], ["virtual", undefined, "us-east-1"]);
  const own = read({ s3Bucket: "models", s3Endpoint: "http://127.0.0.1:9000/" }, keys).s3;
  assertEquals([own?.addressing, own?.endpoint], ["path", "http://127.0.0.1:9000"]);
});

Deno.test("readConfig() reads who gets in, and how", () => {
  const flags = {
    tlsCert: "c.pem",
    tlsKey: "k.pem",
    corsOrigin: "https://a.example.com, http://localhost:3000",
    rateLimit: "600/m",
    trustedProxies: "10.0.0.0/8,::1, 192.168.1.1",
  };
  assertEquals(read(flags).access, {
    tls: { certFile: "c.pem", keyFile: "k.pem" },
    origins: ["https://a.example.com", "http://localhost:3000"],
    rateLimit: { requests: 600, perMs: 60_000 },
    trustedProxies: ["10.0.0.0/8", "::1", "192.168.1.1"],
  });
  assertEquals(read({ corsOrigin: "*" }).access.origins, "*");
});

const REFUSED: [SettingTexts, Record<string, string>, RegExp][] = [
  [{ mode: "database" }, {}, /^--mode must be assets-db or registry, not "database"$/],
  [{ port: "65536" }, {}, /^--port must be/],
  [{ port: "" }, {}, /^--port must not be empty$/],
  [{}, { PORT: "http" }, /^PORT must be/],
  [{ publicUrl: "ftp://x" }, {}, /^--public-url must be an http/],
  [{ publicUrl: "http://user:secret@x" }, {}, /^--public-url/],
  [{ maxUploadSize: "10 apples" }, {}, /^--max-upload-size must be a size/],
  [{ queryTimeout: "30" }, {}, /^--query-timeout must be a duration/],
  [{ idleTimeout: "0s" }, {}, /^--idle-timeout must be a duration/],
  [{}, { REQUIRE_HEALTHY: "perhaps" }, /^REQUIRE_HEALTHY must be true or false/],
  [{ assetsDbId: "a b" }, {}, /^--assets-db-id/],
  [{}, { AUTH_WRITE_TOKEN: "," }, /^AUTH_WRITE_TOKEN has no token in it$/],
  [{}, { AUTH_READ_TOKEN: "a b" }, /^AUTH_READ_TOKEN has a token with a character/],
  [{ tlsCert: "c.pem" }, {}, /^--tls-cert needs --tls-key/],
  [{}, { TLS_KEY: "k.pem" }, /^TLS_KEY needs --tls-cert/],
  [{ corsOrigin: "app.example.com" }, {}, /^--cors-origin must be \* or a list of origins/],
  [{ corsOrigin: "https://app.example.com/" }, {}, /^--cors-origin must be/],
  [{ corsOrigin: "https://a.example.com, *" }, {}, /^--cors-origin must be/],
  [{ corsOrigin: "null" }, {}, /^--cors-origin must be/],
  [{ rateLimit: "100" }, {}, /^--rate-limit must be a number for a time/],
  [{ rateLimit: "0/s" }, {}, /^--rate-limit must be/],
  [{}, { RATE_LIMIT: "1/ms" }, /^RATE_LIMIT must be/],
  [{ trustedProxies: "10.0.0.0/33" }, {}, /^--trusted-proxies must be a list of addresses/],
  [{ trustedProxies: "proxy.example.com" }, {}, /^--trusted-proxies must be/],
  [{ trustedProxies: "10.0.0.1, ::1/129" }, {}, /^--trusted-proxies must be/],
  [{ maxUploadSize: "0" }, {}, /^--max-upload-size must be a size/],
  [{ db: "http://" }, {}, /^--db is not a valid URL$/],
  [{ db: "redis://kv:6379" }, {}, /^--db must be a path, :memory: or an http\(s\) URL, not "redis:/],
  [{}, { DENO_KV_URL: "file:///srv/kv" }, /^DENO_KV_URL must be a path/],
  [{ s3Bucket: "a" }, {}, /^--s3-bucket/],
  [{ s3Endpoint: "http://127.0.0.1:9000" }, {}, /^--s3-endpoint has no effect without --s3-bucket$/],
  [
    { s3Bucket: "models" },
    { AWS_ACCESS_KEY_ID: "k" },
    /^AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together/,
  ],
  [{ s3Bucket: "models", s3RedirectDownloads: "true" }, {}, /^--s3-redirect-downloads needs/],
  [{ healthInterval: "0s" }, {}, /^--health-interval must be a duration/],
  [{ federationTimeout: "soon" }, {}, /^--federation-timeout must be a duration/],
  [{ registryUrl: "registry:4001" }, {}, /^--registry-url must be an http/],
  [{ assetsDbName: "Lab" }, {}, /^--name has no effect without --registry-url$/],
  [{ registryUrl: "http://r:4001", assetsDbName: "a\nb" }, {}, /^--name must be 1 to 512/],
  [{}, { REGISTRY_TOKEN: "a b" }, /^REGISTRY_TOKEN has a character that no header can hold$/],
  [{}, { FEDERATION_TOKENS: "{oops" }, /^FEDERATION_TOKENS must be a JSON object of origins and tokens/],
  [{}, { FEDERATION_TOKENS: "[]" }, /^FEDERATION_TOKENS must be a JSON object/],
  [{}, { FEDERATION_TOKENS: '{"box-1":"t"}' }, /^FEDERATION_TOKENS has the key "box-1"/],
  [{}, { FEDERATION_TOKENS: '{"http://box-1/path":"t"}' }, /^FEDERATION_TOKENS has the key "http/],
  [
    {},
    { FEDERATION_TOKENS: '{"http://box-1":5}' },
    /^FEDERATION_TOKENS has no usable token for "http:\/\/box-1"$/,
  ],
];

for (const [flags, environment, message] of REFUSED) {
  Deno.test(`readConfig() refuses ${JSON.stringify({ ...flags, ...environment })} in one line that names it`, () => {
    const error = assertThrows(() => read(flags, environment), ConfigError);
    assertEquals(message.test(error.message), true, error.message);
    assertEquals(error.message.includes("\n"), false);
  });
}

Deno.test("readConfig() takes the tokens of a federation by their origins", () => {
  const tokens = '{"HTTP://Box-1:80/":"one","https://box-2:4000":"two"}';
  assertEquals(
    [...read({}, { FEDERATION_TOKENS: tokens }).federationTokens],
    [["http://box-1", "one"], ["https://box-2:4000", "two"]],
  );
});

Deno.test("readConfig() shows no secret in its errors", () => {
  const environments: Record<string, string>[] = [
    { REGISTRY_TOKEN: "hush hush" },
    { FEDERATION_TOKENS: '{"http://box-1":"hush hush"}' },
  ];
  for (const environment of environments) {
    const error = assertThrows(() => read({}, environment), ConfigError);
    assertEquals(error.message.includes("hush"), false, error.message);
  }
});

Deno.test("parseSizeBytes() knows binary and decimal units", () => {
  const sizes = { "10GiB": 10 * 2 ** 30, "1.5 kib": 1536, "500MB": 5e8, "1024": 1024, "0": 0, "7b": 7 };
  for (const [text, sizeBytes] of Object.entries(sizes)) assertEquals(parseSizeBytes(text), sizeBytes, text);
  for (const text of ["", "-1", "1e3", "GiB", "1 GiBs", "9999999TiB"]) {
    assertEquals(parseSizeBytes(text), undefined, text);
  }
});

Deno.test("parseDurationMs() needs a unit and more than nothing", () => {
  const durations = { "30s": 30_000, "500ms": 500, "2m": 120_000, "1h": 3_600_000, "7d": 604_800_000 };
  for (const [text, ms] of Object.entries(durations)) assertEquals(parseDurationMs(text), ms, text);
  for (const text of ["", "30", "0s", "-1s", "1w", "1000h", "25d"]) {
    assertEquals(parseDurationMs(text), undefined, text);
  }
});

Deno.test("parseSwitch() knows four pairs of words", () => {
  for (const text of ["true", "1", "yes", "on", "TRUE"]) assertEquals(parseSwitch(text), true, text);
  for (const text of ["false", "0", "no", "off"]) assertEquals(parseSwitch(text), false, text);
  for (const text of ["", "2", "ja"]) assertEquals(parseSwitch(text), undefined, text);
});
