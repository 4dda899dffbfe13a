/** The shape of an asset, what a client may send of it, and the URI that its parts make. */
import { z } from "zod";
import type { Json, JsonObject } from "../collection/json.ts";
import { isJsonObject } from "../collection/json.ts";

/** The most code points in a name: the URI that it is a part of, percent-encoded, fits into the head of a request several times. */
const MAX_NAME_LENGTH = 512;
/** The most code points in a version or a tag. */
const MAX_VERSION_LENGTH = 256;
/** The most characters in a file's name and in its type: both go into headers of a download. */
const MAX_HEADER_TEXT_LENGTH = 1024;
/** The most characters in a URL: 8,000 are what everybody on its way should take (RFC 9110 §4.1). */
const MAX_URL_LENGTH = 8192;
/** The most code points in an id, which is a part of URLs as a version is. */
const MAX_ID_LENGTH = 256;

/** The largest asset, in bytes of its JSON: one commit writes it, which Deno KV bounds at 800 KiB, and one call of ten keys reads it. */
export const MAX_ASSET_BYTES = 256 * 1024;

/** The fields of every asset, in the order in which they are stored and shown. */
export const ASSET_FIELDS = [
  "asset_uri",
  "asset_name",
  "asset_id",
  "assets_db_id",
  "asset_version",
  "asset_metadata",
  "asset_public_url",
  "asset_file_info",
  "asset_tags",
] as const;

/** An asset as clients see it. */
export interface Asset extends JsonObject {
  asset_uri: string;
  asset_name: string;
  asset_id: string;
  assets_db_id: string;
  asset_version: { version: string; tag: string };
  asset_metadata: JsonObject;
  asset_public_url: string;
  asset_file_info: JsonObject;
  asset_tags: Json[];
}

/** An asset as it is stored. The file's facts are there if its bytes are in the object store of its Assets DB. */
export interface StoredAsset extends Asset {
  _object: { key: string; stored_at: string } | null;
}

/** Text of Unicode characters, none of them a control character, of at most `max` code points. */
function text(max: number) {
  return z.string({ error: (issue) => issue.input === undefined ? "is required" : "must be a string" })
    .refine((value) => value.isWellFormed(), { error: "must be well-formed Unicode" })
    .refine((value) => !/\p{Cc}/u.test(value), { error: "must not have control characters" })
    .refine((value) => value.length <= max || [...value].length <= max, {
      error: `must have at most ${max} characters`,
    })
    .meta({ maxLength: max });
}

const name = text(MAX_NAME_LENGTH).refine((value) => value !== "", { error: "must not be empty" })
  .meta({ minLength: 1, description: "The asset's name; versions of the same thing share it." });
const object = z.custom<JsonObject>(isJsonObject, { error: "must be an object" })
  .meta({ type: "object", description: "Any JSON object; what it means is the user's." });
const tags = z.array(z.string({ error: "must be a string" }), { error: "must be an array of strings" })
  .meta({ description: "Words to find it by." });

const version = z.strictObject({
  version: text(MAX_VERSION_LENGTH).optional(),
  tag: text(MAX_VERSION_LENGTH).optional(),
}, { error: objectError }).meta({ description: "The version and its tag; either may be empty." });

const requiredVersion = z.strictObject({
  version: text(MAX_VERSION_LENGTH).refine((value) => value !== "", { error: "must not be empty" })
    .meta({ minLength: 1 }),
  tag: text(MAX_VERSION_LENGTH).refine((value) => value !== "", { error: "must not be empty" })
    .meta({ minLength: 1 }),
}, { error: objectError }).meta({ description: "The version and its tag; both end up in the URI." });

/** Whatever a client calls its file, as far as a header can carry it. */
const headerText = z.string({ error: "must be a string" })
  .refine((value) => value.isWellFormed(), { error: "must be well-formed Unicode" })
  .refine((value) => value.length <= MAX_HEADER_TEXT_LENGTH, {
    error: `must have at most ${MAX_HEADER_TEXT_LENGTH} characters`,
  })
  .meta({ maxLength: MAX_HEADER_TEXT_LENGTH });

/** What a client says of a file beside its metadata. */
export const fileDescription = z.object({ fileName: headerText, fileType: headerText.optional() });

/** The user's own keys are welcome beside these. */
const fileInfo = z.looseObject({
  file_name: headerText.optional(),
  file_type: headerText.optional(),
  file_size: z.int({ error: "must be a whole number of bytes" }).min(0, { error: "must not be negative" })
    .optional(),
  sha256: z.string({ error: "must be a string" }).regex(/^([0-9a-fA-F]{64})?$/, {
    error: "must be 64 hexadecimal digits",
  }).optional(),
}, { error: objectError }).meta({
  description:
    "What is known of the file. Of a stored one, the server sets the size in bytes and the SHA-256; " +
    "a value stated beforehand is compared. Further keys are the user's own.",
});

const id = text(MAX_ID_LENGTH).meta({ description: "Names the file in /asset-object/." });

/** Schemes that would make a redirect run or show something in the place of a file. */
const REFUSED_SCHEMES = new Set(["javascript:", "data:", "vbscript:", "blob:"]);

const publicUrl = text(MAX_URL_LENGTH).refine(
  (value) => value === "" || (URL.canParse(value) && !REFUSED_SCHEMES.has(new URL(value).protocol)),
  { error: 'must be "" or a URL such as https://example.com/file' },
).meta({ description: 'Where the file is to be had; "" if there is none.' });

/** What every creation ignores: the server derives them. */
const derived = {
  asset_uri: z.unknown().optional().meta({ description: "Ignored: the server derives it." }),
  assets_db_id: z.unknown().optional().meta({ description: "Ignored: the server sets it." }),
};

/** The body of `POST /asset`. */
export const createBody = z.strictObject({
  ...derived,
  asset_name: name,
  asset_id: id.optional(),
  asset_version: version.optional(),
  asset_metadata: object.optional(),
  asset_public_url: publicUrl.optional(),
  asset_file_info: fileInfo.optional(),
  asset_tags: tags.optional(),
}, { error: objectError });

/** The part `asset_metadata` of `POST /upload_asset`. */
export const uploadMetadata = z.strictObject({
  ...derived,
  asset_name: name,
  asset_id: id.optional(),
  asset_version: requiredVersion,
  asset_metadata: object.optional(),
  asset_public_url: z.unknown().optional().meta({ description: "Ignored: the server sets it." }),
  asset_file_info: fileInfo.optional(),
  asset_tags: tags.optional(),
}, { error: objectError });

/** A whole asset after an update: nothing is optional but what is in the file's facts. */
export const updatedAsset = z.strictObject({
  asset_uri: z.string({ error: "is read-only" }),
  asset_name: name,
  asset_id: z.string({ error: "is read-only" }),
  assets_db_id: z.string({ error: "is read-only" }),
  asset_version: version,
  asset_metadata: object,
  asset_public_url: publicUrl,
  asset_file_info: fileInfo,
  asset_tags: tags,
});

/** An asset as clients see it: all nine fields are there. */
export const shownAsset = z.strictObject({
  ...updatedAsset.shape,
  asset_uri: z.string().meta({
    description: '`<asset_name>:<version>-<tag>` if all three are there, else "". No two assets share one.',
  }),
  asset_id: z.string().meta({
    description: 'Assigned when no public URL was given; else the client\'s, or "".',
  }),
  assets_db_id: z.string().meta({ description: "The Assets DB that holds it." }),
  asset_version: z.strictObject({ version: z.string(), tag: z.string() }),
});

/** A found asset; `fields` leaves some of it out, `include=id` adds its id. */
export const foundAsset = z.looseObject({
  ...shownAsset.partial().shape,
  asset_version: shownAsset.shape.asset_version.partial().optional(),
  id: z.string().optional().meta({ description: "With `include=id`: the id that its creation returned." }),
});

/** What `POST /asset` may send. */
export type CreateBody = z.infer<typeof createBody>;
/** A file's name and type. */
export type FileDescription = z.infer<typeof fileDescription>;
/** What the metadata of an upload may say. */
export type UploadMetadata = z.infer<typeof uploadMetadata>;

/** `<asset_name>:<version>-<tag>` if all three are there, else "". */
export function assetUri(assetName: string, { version, tag }: { version: string; tag: string }): string {
  return assetName === "" || version === "" || tag === "" ? "" : `${assetName}:${version}-${tag}`;
}

function objectError(issue: { code?: string; input?: unknown }): string | undefined {
  if (issue.code !== "invalid_type") return undefined;
  return issue.input === undefined ? "is required" : "must be an object";
}
