/**
 * The two listings of a bucket, page by page: objects (ListObjectsV2) and open uploads (ListMultipartUploads).
 *
 * Keys are asked for percent-encoded, because XML 1.0 has no way to write some characters that keys may hold. A server
 * that does so says it in `<EncodingType>`; s3rver does not, and gives them plain.
 */

import type { ObjectInfo, UnfinishedWrite } from "./object_store.ts";
import type { S3Client } from "./s3_client.ts";
import { type XmlElement, XmlError } from "./s3_xml.ts";

/** The objects whose whole key starts with `prefix`, in the order of S3 (UTF-8 bytes). */
export async function* listObjects(client: S3Client, prefix: string): AsyncGenerator<ObjectInfo> {
  let continuation: string | undefined;
  do {
    const page = await client.sendForXml({
      method: "GET",
      query: {
        "list-type": "2",
        "encoding-type": "url",
        ...(prefix && { prefix }),
        ...(continuation && { "continuation-token": continuation }),
      },
    });
    const decode = keyDecoder(page);
    for (const entry of page.children("Contents")) {
      yield {
        key: decode(entry.requiredText("Key")),
        sizeBytes: sizeOf(entry),
        lastModified: dateOf(entry, "LastModified"),
      };
    }
    continuation = nextOf(page, page.text("NextContinuationToken"), continuation);
  } while (continuation);
}

/**
 * The open uploads whose whole key starts with `prefix`. MinIO knows only uploads of exactly that key, so a caller who
 * knows the key asks for it; s3rver has no such listing at all.
 */
export async function* listUploads(client: S3Client, prefix: string): AsyncGenerator<UnfinishedWrite> {
  let keyMarker: string | undefined;
  let uploadIdMarker = "";
  do {
    const page = await client.sendForXml({
      method: "GET",
      query: {
        uploads: "",
        "encoding-type": "url",
        ...(prefix && { prefix }),
        ...(keyMarker && { "key-marker": keyMarker, "upload-id-marker": uploadIdMarker }),
      },
    });
    const decode = keyDecoder(page);
    for (const entry of page.children("Upload")) {
      yield {
        key: decode(entry.requiredText("Key")),
        writeId: entry.requiredText("UploadId"),
        startedAt: dateOf(entry, "Initiated"),
      };
    }
    const position = keyMarker && JSON.stringify([keyMarker, uploadIdMarker]);
    const nextKey = decode(page.text("NextKeyMarker") ?? "");
    const nextId = page.text("NextUploadIdMarker") ?? "";
    keyMarker = nextOf(page, nextKey && JSON.stringify([nextKey, nextId]), position) && nextKey;
    uploadIdMarker = nextId;
  } while (keyMarker);
}

/** Where the next page starts, if there is one. A server that stands still would be asked for ever. */
function nextOf(page: XmlElement, next: string | undefined, current: string | undefined): string | undefined {
  if (page.text("IsTruncated") !== "true") return undefined;
  if (!next || next === current) throw new XmlError("a truncated listing does not say where it goes on");
  return next;
}

function keyDecoder(page: XmlElement): (key: string) => string {
  if (page.text("EncodingType") !== "url") return (key) => key;
  return (key) => {
    try {
      // AWS and MinIO write a space as "+", Ceph as "%20"; all of them write a plus as "%2B".
      return decodeURIComponent(key.replaceAll("+", " "));
    } catch (error) {
      throw new XmlError("a listed key is not percent-encoded UTF-8", { cause: error });
    }
  };
}

function sizeOf(entry: XmlElement): number {
  const text = entry.requiredText("Size");
  const sizeBytes = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(sizeBytes)) throw new XmlError("<Size> is not a size");
  return sizeBytes;
}

function dateOf(entry: XmlElement, name: string): Date {
  const date = new Date(entry.requiredText(name));
  if (Number.isNaN(date.getTime())) throw new XmlError(`<${name}> is not a date`);
  return date;
}
