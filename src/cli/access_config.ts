/** The settings of who gets in, and how: TLS, other origins, rate limit, proxies. */
import { isRange } from "../http/client_address.ts";
import type { AllowedOrigins } from "../http/cors.ts";
import type { RateLimit } from "../http/rate_limit.ts";
import type { SettingReader } from "./config.ts";
import { DURATION_UNITS_MS } from "./units.ts";

/** These settings, checked. */
export interface AccessConfig {
  /** The paths of a certificate and its key, in PEM. */
  tls?: { certFile: string; keyFile: string };
  origins: AllowedOrigins;
  rateLimit?: RateLimit;
  /** Addresses and CIDR blocks. */
  trustedProxies: string[];
}

/**
 * Reads them.
 *
 * @throws {ConfigError}
 */
export function readAccess(settings: SettingReader): AccessConfig {
  return {
    tls: readTls(settings),
    origins: settings.parsed(
      "corsOrigin",
      parseOrigins,
      "must be * or a list of origins such as https://app.example.com",
    ) ?? [],
    rateLimit: settings.parsed(
      "rateLimit",
      parseRateLimit,
      "must be a number for a time, such as 100/s or 1000/m",
    ),
    trustedProxies: settings.parsed(
      "trustedProxies",
      parseRanges,
      "must be a list of addresses or CIDR blocks such as 10.0.0.0/8",
    ) ?? [],
  };
}

function readTls(settings: SettingReader): AccessConfig["tls"] {
  const certFile = settings.text("tlsCert");
  const keyFile = settings.text("tlsKey");
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined) {
    return settings.refuse("tlsKey", "needs --tls-cert, the certificate of the key");
  }
  if (keyFile === undefined) return settings.refuse("tlsCert", "needs --tls-key, the key of the certificate");
  return { certFile, keyFile };
}

function parseOrigins(text: string): AllowedOrigins | undefined {
  if (text.trim() === "*") return "*";
  const origins = words(text);
  return origins.length > 0 && origins.every(isOrigin) ? origins : undefined;
}

/** As a browser writes it in `Origin`: a scheme, a host, perhaps a port, and nothing behind (RFC 6454 §6.2). */
function isOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function parseRateLimit(text: string): RateLimit | undefined {
  const [, requests, unit = ""] = /^(\d{1,9})\/(s|m|h)$/.exec(text.trim()) ?? [];
  const perMs = DURATION_UNITS_MS[unit];
  return Number(requests) > 0 && perMs !== undefined ? { requests: Number(requests), perMs } : undefined;
}

function parseRanges(text: string): string[] | undefined {
  const ranges = words(text);
  return ranges.length > 0 && ranges.every(isRange) ? ranges : undefined;
}

function words(text: string): string[] {
  return text.split(",").map((one) => one.trim()).filter((one) => one !== "");
}
