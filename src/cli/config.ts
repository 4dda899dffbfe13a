/**
 * The settings of a server, checked: flags and environment become one `Config`.
 *
 * A flag wins over its environment variable; an empty variable counts as unset.
 */
import { join } from "node:path";
import type { SelfRegistrationConfig } from "../assets/self_registration.ts";
import { isJsonObject } from "../collection/json.ts";
import type { S3Config } from "../objects/s3_address.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogConfig } from "../observe/log_config.ts";
import { type AccessConfig, readAccess } from "./access_config.ts";
import { type Mode, MODES, type Setting, type SettingName, SETTINGS, type SettingTexts } from "./settings.ts";
import { parseDurationMs, parseSizeBytes, parseSwitch } from "./units.ts";

/** A server's settings, checked. */
export interface Config {
  mode: Mode;
  host: string;
  port: number;
  dataDir: string;
  /** A path, `:memory:` or a URL. */
  db: string;
  /** Whether the KV is across a network, where other nodes may use it too. */
  isDbShared: boolean;
  publicUrl?: string;
  assetsDbId?: string;
  s3?: S3Config;
  /** Whether downloads are redirected to S3, and to which endpoint if not the one that the server uses. */
  s3Redirect: { isOn: boolean; publicEndpoint?: string };
  maxUploadBytes?: number;
  queryTimeoutMs: number;
  idleTimeoutMs: number;
  /** From one reading of all files to the next; none if they are not read. */
  scrubIntervalMs?: number;
  requireHealthy: boolean;
  noPrivateTargets: boolean;
  healthIntervalMs: number;
  federationTimeoutMs: number;
  /** The tokens of Assets DBs that need one, by the origins of their URLs. */
  federationTokens: ReadonlyMap<string, string>;
  /** The registry where an Assets DB registers itself. */
  selfRegistration?: SelfRegistrationConfig;
  tokens: { read: string[]; write: string[] };
  /** A file of more tokens. */
  authTokensFile?: string;
  access: AccessConfig;
  log: LogConfig;
}

/** How often files on a disk are read if nothing is said. */
const SCRUB_INTERVAL_MS = 7 * 24 * 60 * 60_000;

/** A setting that makes no sense. The message is one line that names it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Makes a checked configuration.
 *
 * @param flags what the command line gave
 * @param environment looks a variable up
 * @throws {ConfigError}
 */
export function readConfig(flags: SettingTexts, environment: (name: string) => string | undefined): Config {
  const settings = new SettingReader(flags, environment);
  const mode = settings.oneOf("mode", MODES) ?? "assets-db";
  const dataDir = settings.text("dataDir") ?? "./data";
  const db = settings.text("db") ?? join(dataDir, `${mode}.kv`);
  const isDbShared = /^https?:\/\//i.test(db);
  if (isDbShared && !URL.canParse(db)) settings.refuse("db", "is not a valid URL");
  // As a path it would only fail, or make a folder of that name.
  if (!isDbShared && /^[a-z][a-z0-9+.-]*:\/\//i.test(db)) {
    settings.refuse("db", `must be a path, :memory: or an http(s) URL, not ${JSON.stringify(db)}`);
  }
  return {
    mode,
    host: settings.parsed("host", withoutBrackets, "must be an address") ?? "127.0.0.1",
    port: settings.parsed("port", parsePort, "must be a number from 0 to 65535") ?? 4000,
    dataDir,
    db,
    isDbShared,
    publicUrl: settings.httpUrl("publicUrl"),
    assetsDbId: settings.parsed("assetsDbId", parseId, "must be 1 to 128 of A-Z a-z 0-9 . _ ~ -"),
    s3: readS3(settings),
    s3Redirect: {
      isOn: settings.isOn("s3RedirectDownloads"),
      publicEndpoint: settings.httpUrl("s3PublicEndpoint"),
    },
    maxUploadBytes: settings.parsed(
      "maxUploadSize",
      parseLimitBytes,
      "must be a size such as 10GiB or 500MB",
    ),
    queryTimeoutMs: settings.duration("queryTimeout") ?? 30_000,
    idleTimeoutMs: settings.duration("idleTimeout") ?? 60_000,
    scrubIntervalMs: readScrubInterval(settings),
    requireHealthy: settings.isOn("requireHealthy"),
    noPrivateTargets: settings.isOn("noPrivateTargets"),
    healthIntervalMs: settings.duration("healthInterval") ?? 30_000,
    federationTimeoutMs: settings.duration("federationTimeout") ?? 3000,
    federationTokens: readFederationTokens(settings),
    selfRegistration: readSelfRegistration(settings),
    tokens: { read: settings.list("authReadToken"), write: settings.list("authWriteToken") },
    authTokensFile: settings.text("authTokensFile"),
    access: readAccess(settings),
    log: {
      format: settings.oneOf("logFormat", LOG_FORMATS) ?? "text",
      level: settings.oneOf("logLevel", LOG_LEVELS) ?? "info",
    },
  };
}

/** The file of a KV on this machine, if it is in one. */
export function kvFileOf({ db, isDbShared }: Config): string | undefined {
  return isDbShared || db === ":memory:" ? undefined : db;
}

/** S3 services look after their own bytes, and reading them may cost money; a disk does neither. */
function readScrubInterval(settings: SettingReader): number | undefined {
  const text = settings.text("scrubInterval");
  if (text === undefined) return settings.text("s3Bucket") === undefined ? SCRUB_INTERVAL_MS : undefined;
  return /^off$/i.test(text) ? undefined : settings.duration("scrubInterval");
}

function readS3(settings: SettingReader): S3Config | undefined {
  const bucket = settings.parsed(
    "s3Bucket",
    parseBucket,
    "must be the name of a bucket: 3 to 63 of a-z 0-9 . -",
  );
  const endpoint = settings.httpUrl("s3Endpoint");
  const region = settings.text("s3Region") ?? "us-east-1";
  const prefix = settings.text("s3Prefix");
  const addressing = settings.oneOf("s3Addressing", ["path", "virtual"] as const) ??
    (endpoint ? "path" : "virtual");
  const accessKeyId = settings.text("s3AccessKeyId");
  const secretAccessKey = settings.text("s3SecretAccessKey");
  if (bucket === undefined) {
    for (
      const name of [
        "s3Endpoint",
        "s3Prefix",
        "s3Addressing",
        "s3RedirectDownloads",
        "s3PublicEndpoint",
      ] as const
    ) {
      if (settings.wasFlag(name)) settings.refuse(name, "has no effect without --s3-bucket");
    }
    return undefined;
  }
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw new ConfigError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together; one of them is not set");
  }
  if (settings.isOn("s3RedirectDownloads") && accessKeyId === undefined) {
    settings.refuse("s3RedirectDownloads", "needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to sign with");
  }
  return {
    bucket,
    endpoint,
    region,
    prefix,
    addressing,
    accessKeyId,
    secretAccessKey,
    sessionToken: settings.text("s3SessionToken"),
  };
}

function readSelfRegistration(settings: SettingReader): SelfRegistrationConfig | undefined {
  const registryUrl = settings.httpUrl("registryUrl");
  const name = settings.parsed(
    "assetsDbName",
    parseName,
    "must be 1 to 512 characters, no control characters",
  );
  const token = settings.parsed("registryToken", parseToken, "has a character that no header can hold", {
    isSecret: true,
  });
  if (registryUrl !== undefined) return { registryUrl, name, token };
  if (settings.wasFlag("assetsDbName")) {
    settings.refuse("assetsDbName", "has no effect without --registry-url");
  }
  return undefined;
}

/** Of secrets no error shows anything. */
function readFederationTokens(settings: SettingReader): Map<string, string> {
  const tokens = new Map<string, string>();
  const text = settings.text("federationTokens");
  if (text === undefined) return tokens;
  const shape = 'must be a JSON object of origins and tokens, such as {"http://box-1:4000":"token"}';
  for (
    const [origin, token] of Object.entries(parseObject(text) ?? settings.refuse("federationTokens", shape))
  ) {
    const url = parseHttpUrl(origin);
    if (url === undefined || new URL(url).pathname !== "/") {
      settings.refuse(
        "federationTokens",
        `has the key ${JSON.stringify(origin)}, which is not an http(s) origin`,
      );
    }
    if (typeof token !== "string" || parseToken(token) === undefined) {
      settings.refuse("federationTokens", `has no usable token for ${JSON.stringify(origin)}`);
    }
    tokens.set(new URL(url).origin, token);
  }
  return tokens;
}

/** Reads one setting at a time, and names it when it is wrong. */
export class SettingReader {
  readonly #flags: SettingTexts;
  readonly #environment: (name: string) => string | undefined;

  constructor(flags: SettingTexts, environment: (name: string) => string | undefined) {
    this.#flags = flags;
    this.#environment = environment;
  }

  wasFlag(name: SettingName): boolean {
    return this.#flags[name] !== undefined;
  }

  text(name: SettingName): string | undefined {
    const flag = this.#flags[name];
    if (flag === "") this.refuse(name, "must not be empty");
    return flag ?? (this.#environment(SETTINGS[name].env) || undefined);
  }

  parsed<T>(
    name: SettingName,
    parse: (text: string) => T | undefined,
    rule: string,
    { isSecret = false } = {},
  ): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return parse(text) ?? this.refuse(name, isSecret ? rule : `${rule}, not ${JSON.stringify(text)}`);
  }

  oneOf<T extends string>(name: SettingName, allowed: readonly T[]): T | undefined {
    return this.parsed(
      name,
      (text) => allowed.find((one) => one === text),
      `must be ${allowed.join(" or ")}`,
    );
  }

  duration(name: SettingName): number | undefined {
    return this.parsed(name, parseDurationMs, "must be a duration such as 30s, 500ms or 2m");
  }

  isOn(name: SettingName): boolean {
    return this.parsed(name, parseSwitch, "must be true or false") ?? false;
  }

  list(name: SettingName): string[] {
    const text = this.text(name);
    const list = text?.split(",").map((one) => one.trim()).filter((one) => one !== "") ?? [];
    // A list of nothing would open the server to everybody, without a word.
    if (text !== undefined && list.length === 0) this.refuse(name, "has no token in it");
    if (list.some((one) => !/^[!-~]+$/.test(one))) {
      this.refuse(name, "has a token with a character that no header can hold");
    }
    return list;
  }

  /** An http(s) URL without a slash at its end. */
  httpUrl(name: SettingName): string | undefined {
    return this.parsed(name, parseHttpUrl, "must be an http(s) URL without query and fragment");
  }

  refuse(name: SettingName, problem: string): never {
    const setting: Setting = SETTINGS[name];
    const source = this.wasFlag(name) && setting.flag !== undefined ? `--${setting.flag}` : setting.env;
    throw new ConfigError(`${source} ${problem}`);
  }
}

/** An IPv6 address as it stands in a URL is meant as well. */
function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

function parseLimitBytes(text: string): number | undefined {
  return parseSizeBytes(text) || undefined;
}

function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

function parseId(text: string): string | undefined {
  return /^[A-Za-z0-9._~-]{1,128}$/.test(text) ? text : undefined;
}

function parseName(text: string): string | undefined {
  return text.isWellFormed() && !/\p{Cc}/u.test(text) && [...text].length <= 512 ? text : undefined;
}

function parseToken(text: string): string | undefined {
  return /^[!-~]+$/.test(text) ? text : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function parseBucket(text: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(text) ? text : undefined;
}

function parseHttpUrl(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { search, hash, username, password } = new URL(text);
  if (search !== "" || hash !== "" || username !== "" || password !== "") return undefined;
  return text.replace(/\/+$/, "");
}
