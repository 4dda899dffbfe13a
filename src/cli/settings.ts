/** The settings of a server: every flag and environment variable, with what `--help` says of it. */

import { LOG_FORMATS, LOG_LEVELS } from "../observe/log_config.ts";

/** The two modes of the program. */
export const MODES = ["assets-db", "registry"] as const;
export type Mode = typeof MODES[number];

/** A setting and where it comes from. */
export interface Setting {
  /** Without the leading dashes; none for what is only read from the environment. */
  flag?: string;
  env: string;
  /** What stands for the value in the help; none for a switch. */
  value?: string;
  description: string;
  /** As `--help` shows it. */
  default?: string;
}

/** Every setting, in the order of `--help`. */
export const SETTINGS = {
  mode: {
    flag: "mode",
    env: "MODE",
    value: "mode",
    description: `what to run: ${MODES.join(" or ")}`,
    default: "assets-db",
  },
  host: {
    flag: "host",
    env: "HOST",
    value: "address",
    description: "address to listen on",
    default: "127.0.0.1",
  },
  port: {
    flag: "port",
    env: "PORT",
    value: "number",
    description: "port to listen on; 0 picks a free one",
    default: "4000",
  },
  dataDir: {
    flag: "data-dir",
    env: "DATA_DIR",
    value: "folder",
    description: "where everything local is kept",
    default: "./data",
  },
  db: {
    flag: "db",
    env: "DENO_KV_URL",
    value: "path or URL",
    description:
      "the Deno KV: a path, :memory:, or the URL of a KV Connect endpoint (its token in DENO_KV_ACCESS_TOKEN)",
    default: "<data-dir>/<mode>.kv",
  },
  publicUrl: {
    flag: "public-url",
    env: "PUBLIC_URL",
    value: "URL",
    description: "the URL under which clients reach this server",
    default: "http://localhost:<port>",
  },
  assetsDbId: {
    flag: "assets-db-id",
    env: "ASSETS_DB_ID",
    value: "id",
    description: "the id of this Assets DB",
    default: "made once, kept in <data-dir>",
  },
  s3Bucket: {
    flag: "s3-bucket",
    env: "S3_BUCKET_NAME",
    value: "name",
    description: "keep files in this S3 bucket instead of <data-dir>/objects",
  },
  s3Endpoint: {
    flag: "s3-endpoint",
    env: "S3_ENDPOINT_URL",
    value: "URL",
    description: "the S3 service",
    default: "AWS's for the region",
  },
  s3Region: {
    flag: "s3-region",
    env: "AWS_REGION",
    value: "name",
    description: "the region that requests are signed for",
    default: "us-east-1",
  },
  s3Prefix: {
    flag: "s3-prefix",
    env: "S3_PREFIX",
    value: "prefix",
    description: "what the keys in the bucket begin with",
  },
  s3Addressing: {
    flag: "s3-addressing",
    env: "S3_ADDRESSING",
    value: "style",
    description: "path (endpoint/bucket/key) or virtual (bucket.endpoint/key)",
    default: "path with an endpoint, else virtual",
  },
  s3AccessKeyId: { env: "AWS_ACCESS_KEY_ID", description: "the S3 access key" },
  s3SecretAccessKey: { env: "AWS_SECRET_ACCESS_KEY", description: "its secret" },
  s3SessionToken: { env: "AWS_SESSION_TOKEN", description: "the session token of temporary credentials" },
  s3RedirectDownloads: {
    flag: "s3-redirect-downloads",
    env: "S3_REDIRECT_DOWNLOADS",
    description: "send downloads to a presigned URL of the S3 service",
  },
  s3PublicEndpoint: {
    flag: "s3-public-endpoint",
    env: "S3_PUBLIC_ENDPOINT_URL",
    value: "URL",
    description: "the S3 service as clients reach it, for those URLs",
    default: "--s3-endpoint",
  },
  maxUploadSize: {
    flag: "max-upload-size",
    env: "MAX_UPLOAD_SIZE",
    value: "size",
    description: "the largest file, such as 10GiB",
    default: "none",
  },
  queryTimeout: {
    flag: "query-timeout",
    env: "QUERY_TIMEOUT",
    value: "duration",
    description: "how long a query may search",
    default: "30s",
  },
  idleTimeout: {
    flag: "idle-timeout",
    env: "IDLE_TIMEOUT",
    value: "duration",
    description: "how long the body of a request, or the answer to a query, may stand still",
    default: "60s",
  },
  scrubInterval: {
    flag: "scrub-interval",
    env: "SCRUB_INTERVAL",
    value: "duration",
    description: "how often every stored file is read and its checksum compared, such as 7d; or off",
    default: "7d for files on a disk, off for S3",
  },
  requireHealthy: {
    flag: "require-healthy",
    env: "REQUIRE_HEALTHY",
    description: "registry: refuse to register what is not healthy",
  },
  noPrivateTargets: {
    flag: "no-private-targets",
    env: "NO_PRIVATE_TARGETS",
    description: "registry: never fetch from private and loopback addresses",
  },
  healthInterval: {
    flag: "health-interval",
    env: "HEALTH_INTERVAL",
    value: "duration",
    description: "registry: the time between two health checks of an Assets DB, give or take 10 %",
    default: "30s",
  },
  federationTimeout: {
    flag: "federation-timeout",
    env: "FEDERATION_TIMEOUT",
    value: "duration",
    description: "registry: how long a search waits for an Assets DB",
    default: "3s",
  },
  federationTokens: {
    env: "FEDERATION_TOKENS",
    description: 'registry: tokens of Assets DBs, {"http://box-1:4000":"token"}',
  },
  registryUrl: {
    flag: "registry-url",
    env: "REGISTRY_URL",
    value: "URL",
    description: "Assets DB: register itself at this registry when it starts",
  },
  assetsDbName: {
    flag: "name",
    env: "ASSETS_DB_NAME",
    value: "name",
    description: "Assets DB: the name it registers under",
    default: "Assets DB <id>",
  },
  registryToken: { env: "REGISTRY_TOKEN", description: "Assets DB: a write token of that registry" },
  authWriteToken: {
    env: "AUTH_WRITE_TOKEN",
    description: "bearer tokens that may change things, comma-separated",
  },
  authReadToken: { env: "AUTH_READ_TOKEN", description: "bearer tokens that may read, comma-separated" },
  authTokensFile: {
    flag: "auth-tokens-file",
    env: "AUTH_TOKENS_FILE",
    value: "file",
    description: 'more bearer tokens, a line each: "name read|write token"; read again on SIGHUP',
  },
  tlsCert: {
    flag: "tls-cert",
    env: "TLS_CERT",
    value: "file",
    description: "serve HTTPS with this certificate and what leads to its root, in PEM",
  },
  tlsKey: { flag: "tls-key", env: "TLS_KEY", value: "file", description: "its key, in PEM" },
  corsOrigin: {
    flag: "cors-origin",
    env: "CORS_ORIGIN",
    value: "origins",
    description: "origins whose pages may use this server, comma-separated, or *",
    default: "none",
  },
  logFormat: {
    flag: "log-format",
    env: "LOG_FORMAT",
    value: "format",
    description: `how the log on stderr is written: ${LOG_FORMATS.join(" or ")}`,
    default: "text",
  },
  logLevel: {
    flag: "log-level",
    env: "LOG_LEVEL",
    value: "level",
    description: `what is logged: ${LOG_LEVELS.join(", ")}; requests count as info`,
    default: "info",
  },
  rateLimit: {
    flag: "rate-limit",
    env: "RATE_LIMIT",
    value: "number/time",
    description: "how many requests a client may make, such as 100/s or 1000/m",
    default: "none",
  },
  trustedProxies: {
    flag: "trusted-proxies",
    env: "TRUSTED_PROXIES",
    value: "addresses",
    description: "proxies whose X-Forwarded-For names the client: addresses and CIDR blocks, comma-separated",
    default: "none",
  },
} as const satisfies Record<string, Setting>;

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** Values as text: of flags, or of the environment. */
export type SettingTexts = Partial<Record<SettingName, string>>;
