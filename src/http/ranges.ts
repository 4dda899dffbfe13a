/** Byte ranges: RFC 9110 §14. */
import type { ByteRange } from "../objects/object_store.ts";

/**
 * The range that a `Range` header asks of a representation.
 *
 * A header in another unit, with several ranges, or malformed is one that a server may ignore (§14.2): `undefined`, the
 * whole is sent. `"unsatisfiable"` is for ranges that begin behind the end.
 */
export function parseRange(
  header: string | null,
  sizeBytes: number,
): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header?.trim() ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (!match || (first === "" && last === "")) return undefined;
  if (first === "") {
    const suffix = Number(last);
    if (suffix === 0 || sizeBytes === 0) return "unsatisfiable";
    return { start: Math.max(0, sizeBytes - suffix), end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === "" ? Infinity : Number(last);
  if (start > end) return undefined;
  if (start >= sizeBytes) return "unsatisfiable";
  return { start, end: Math.min(end, sizeBytes - 1) };
}

/** The value of `Content-Range` for a 206 (§14.4). */
export function contentRange({ start, end }: ByteRange, sizeBytes: number): string {
  return `bytes ${start}-${end}/${sizeBytes}`;
}
