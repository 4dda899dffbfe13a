/** Object keys as file names: which keys a folder can hold, and the order of keys. */

import { ServiceError } from "../errors.ts";

/** The longest name of one file on ext4, XFS, APFS and NTFS (NAME_MAX of limits.h), in bytes. */
const MAX_SEGMENT_BYTES = 255;

/** The folder of unfinished writes, beside the objects; no key may lead into it. */
export const UNFINISHED_FOLDER = ".tmp";

/** Characters and names that Win32 refuses ("Naming Files, Paths, and Namespaces", Microsoft Learn). */
// deno-lint-ignore no-control-regex -- control characters are what it looks for
const WINDOWS_RESERVED = /[<>:"|?*\x00-\x1f]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?$/i;

const encoder = new TextEncoder();

/**
 * The segments of a key, safe to join to a folder: the key is relative, `/`-separated, and stays inside.
 *
 * Throws `ServiceError("invalid_request")` for a key that is no such name or that a file system of `os` cannot hold.
 */
export function keySegments(key: string, os: typeof Deno.build.os = Deno.build.os): string[] {
  const segments = key.split("/");
  for (const segment of segments) {
    const problem = segmentProblem(segment, os);
    if (problem !== undefined) throw new ServiceError("invalid_request", `The object's key ${problem}.`);
  }
  if (segments[0] === UNFINISHED_FOLDER) {
    throw new ServiceError(
      "invalid_request",
      `The object's key starts with "${UNFINISHED_FOLDER}", which is reserved.`,
    );
  }
  return segments;
}

/** What is wrong with a segment, to complete "The object's key …". */
function segmentProblem(segment: string, os: typeof Deno.build.os): string | undefined {
  if (segment === "") return "is empty, starts or ends with a slash, or holds two in a row";
  if (segment === "." || segment === "..") return `holds a "${segment}" segment`;
  if (segment.includes("\0")) return "holds a NUL character";
  if (segment.includes("\\")) return "holds a backslash";
  if (!segment.isWellFormed()) return "is not well-formed Unicode";
  if (encoder.encode(segment).byteLength > MAX_SEGMENT_BYTES) {
    return `has a segment of more than ${MAX_SEGMENT_BYTES} bytes, which the disk cannot hold`;
  }
  if (os === "windows" && WINDOWS_RESERVED.test(segment)) {
    return `holds "${segment}", which Windows cannot hold`;
  }
  return undefined;
}

/** Compares by code point, which is the order of UTF-8 bytes and so S3's order of keys (ListObjectsV2). */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = codePointRank(a.charCodeAt(index)) - codePointRank(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Moves surrogates behind the rest of the basic plane, where the code points that they make belong. */
function codePointRank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit;
  return codeUnit < 0xe000 ? codeUnit + 0x2000 : codeUnit - 0x800;
}
