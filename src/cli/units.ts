/** Reads sizes and durations as people write them. */

const SIZE_UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** The units of a duration, in milliseconds. */
export const DURATION_UNITS_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The longest a timer of the runtime can wait. */
const MAX_DURATION_MS = 2 ** 31 - 1;

/** Bytes of `10GiB`, `500 MB` (decimal, as in SI) or `1024`; `undefined` if it is no size. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim());
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? "none"];
  if (!match || unit === undefined) return undefined;
  const sizeBytes = Math.floor(Number(match[1]) * unit);
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}

/** Milliseconds of `30s`, `500ms`, `2m`, `1h` or `7d`, more than none; `undefined` if it is no such duration. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/i.exec(text.trim());
  const unit = DURATION_UNITS_MS[match?.[2]?.toLowerCase() ?? "none"];
  if (!match || unit === undefined) return undefined;
  const ms = Math.round(Number(match[1]) * unit);
  return ms >= 1 && ms <= MAX_DURATION_MS ? ms : undefined;
}

/** `true/false`, `1/0`, `yes/no`, `on/off`; `undefined` if it is none of them. */
export function parseSwitch(text: string): boolean | undefined {
  if (/^(true|1|yes|on)$/i.test(text.trim())) return true;
  return /^(false|0|no|off)$/i.test(text.trim()) ? false : undefined;
}
