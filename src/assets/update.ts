/** What a PUT makes of an asset: fields replaced whole, dotted paths set as leaves, read-only ones guarded. */
import { asJsonObject, isJsonObject, type JsonObject } from "../collection/json.ts";
import { applyPaths } from "../collection/update_paths.ts";
import { type FieldProblem, ServiceError } from "../errors.ts";
import { type Asset, ASSET_FIELDS, assetUri, type StoredAsset, updatedAsset } from "./schema.ts";
import { sentence, validate } from "../validation.ts";

/** Facts about a stored file that only another upload could change. */
const READ_ONLY_FACTS = ["file_size", "sha256"] as const;

/** What a stored file goes by: kept where an update leaves it out. */
const FILE_FACTS = ["file_name", "file_type", ...READ_ONLY_FACTS] as const;

/**
 * The asset after an update.
 *
 * @param stored the asset as it is stored
 * @param shown the same as clients see it: what is read-only is compared with this
 * @param changes the body of the PUT
 * @throws {ServiceError} `invalid_request` with every offending field
 */
export function updateAsset(stored: StoredAsset, shown: Asset, changes: JsonObject): StoredAsset {
  const next = applyPaths(shown, changes, ASSET_FIELDS);
  const hasFile = stored._object !== null;
  if (hasFile && isJsonObject(next.asset_file_info)) {
    next.asset_file_info = withFacts(next.asset_file_info, shown.asset_file_info);
  }
  const problems = readOnlyProblems(next, shown, hasFile);
  if (problems.length > 0) {
    throw new ServiceError("invalid_request", sentence(problems), { details: problems });
  }
  const asset = validate(updatedAsset, next);
  const version = { version: asset.asset_version.version ?? "", tag: asset.asset_version.tag ?? "" };
  return {
    ...stored,
    asset_name: asset.asset_name,
    asset_version: version,
    asset_uri: assetUri(asset.asset_name, version),
    asset_metadata: asset.asset_metadata,
    asset_public_url: hasFile ? stored.asset_public_url : asset.asset_public_url,
    asset_file_info: asJsonObject(asset.asset_file_info),
    asset_tags: asset.asset_tags,
  };
}

function readOnlyProblems(next: JsonObject, shown: Asset, hasFile: boolean): FieldProblem[] {
  const fields = ["asset_uri", "asset_id", "assets_db_id", ...(hasFile ? ["asset_public_url"] : [])];
  const problems = fields
    .filter((field) => next[field] !== shown[field])
    .map((path) => ({ path, message: "is read-only" }));
  const { asset_file_info: info } = next;
  if (!hasFile || !isJsonObject(info)) return problems;
  const facts = READ_ONLY_FACTS
    .filter((fact) => info[fact] !== shown.asset_file_info[fact])
    .map((fact) => ({ path: `asset_file_info.${fact}`, message: "is read-only for a stored file" }));
  return [...problems, ...facts];
}

function withFacts(info: JsonObject, known: JsonObject): JsonObject {
  const kept = FILE_FACTS.filter((fact) => !Object.hasOwn(info, fact)).map((
    fact,
  ) => [fact, known[fact] ?? null]);
  return { ...Object.fromEntries(kept), ...info };
}
