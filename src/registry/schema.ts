/** The shape of a registry's entry: one Assets DB that can be found. */
import { z } from "zod";
import { isJsonObject, type JsonObject } from "../collection/json.ts";

/** The most code points in a name, as in that of an asset. */
const MAX_NAME_LENGTH = 512;
/** The most characters in a URL: 8,000 are what everybody on its way should take (RFC 9110 §4.1). */
const MAX_URL_LENGTH = 8192;

/** The largest entry, in bytes of its JSON: the same as of an asset. */
export const MAX_ENTRY_BYTES = 256 * 1024;

/** The fields of every entry, in the order in which they are shown. */
export const ENTRY_FIELDS = [
  "asset_registry_id",
  "asset_registry_name",
  "asset_registry_metadata",
  "asset_registry_tags",
  "asset_registry_public_url",
] as const;

const id = z.string({ error: "must be a string" }).regex(/^[A-Za-z0-9._~-]{1,128}$/, {
  error: "must be 1 to 128 of A-Z a-z 0-9 . _ ~ -",
}).meta({ description: "The client's if it is free, else assigned." });

const name = z.string({ error: (issue) => issue.input === undefined ? "is required" : "must be a string" })
  .refine((value) => value !== "", { error: "must not be empty" })
  .refine((value) => value.isWellFormed(), { error: "must be well-formed Unicode" })
  .refine((value) => !/\p{Cc}/u.test(value), { error: "must not have control characters" })
  .refine((value) => [...value].length <= MAX_NAME_LENGTH, {
    error: `must have at most ${MAX_NAME_LENGTH} characters`,
  })
  .meta({ minLength: 1, maxLength: MAX_NAME_LENGTH, description: "What people call it." });

const metadata = z.custom<JsonObject>(isJsonObject, { error: "must be an object" })
  .meta({ type: "object", description: "Any JSON object; what it means is the user's." });
const tags = z.array(z.string({ error: "must be a string" }), { error: "must be an array of strings" })
  .meta({ description: "Words to find it by." });

const publicUrl = z.string({ error: "must be a string" })
  .max(MAX_URL_LENGTH, { error: `must have at most ${MAX_URL_LENGTH} characters` })
  .refine((value) => value === "" || isHttpUrl(value), {
    error: 'must be "" or an http(s) URL without credentials',
  })
  .meta({ description: 'Where the Assets DB is reached; "" if it is not known.' });

function isHttpUrl(value: string): boolean {
  if (!/^https?:\/\/[!-~]+$/i.test(value) || !URL.canParse(value)) return false;
  const { username, password } = new URL(value);
  return username === "" && password === "";
}

function bodyError(issue: { code?: string }): string | undefined {
  return issue.code === "invalid_type" ? "must be an object" : undefined;
}

/** The body of `POST /asset_registry`. */
export const createBody = z.strictObject({
  asset_registry_id: id.or(z.literal("")).optional(),
  asset_registry_name: name,
  asset_registry_metadata: metadata.optional(),
  asset_registry_tags: tags.optional(),
  asset_registry_public_url: publicUrl.optional(),
}, { error: bodyError });

/** A whole entry. */
export const entrySchema = z.strictObject({
  asset_registry_id: z.string(),
  asset_registry_name: name,
  asset_registry_metadata: metadata,
  asset_registry_tags: tags,
  asset_registry_public_url: publicUrl,
});

/** What `POST /asset_registry` may send. */
export type CreateBody = z.infer<typeof createBody>;

/** One entry of the registry. */
export type Entry = z.infer<typeof entrySchema> & JsonObject;
