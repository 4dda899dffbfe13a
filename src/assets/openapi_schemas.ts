/** The schemas that the description of an Assets DB's API refers to. */
import { z } from "zod";
import { SHARED_SCHEMAS } from "../http/openapi_shared.ts";
import { createBody, foundAsset, shownAsset, updatedAsset, uploadMetadata } from "./schema.ts";

const success = z.literal(true);

/** They go to `components.schemas`. */
export const schemas = {
  ...SHARED_SCHEMAS,
  Asset: shownAsset,
  FoundAsset: foundAsset,
  NewAsset: createBody,
  UploadMetadata: uploadMetadata,
  AssetChanges: z.looseObject(updatedAsset.partial().shape).meta({
    description:
      "A field is replaced whole; a dotted path, such as `asset_metadata.description`, sets that leaf. " +
      "Read-only fields are accepted if they are unchanged.",
  }),
  AssetAnswer: z.strictObject({ success, data: shownAsset }),
  UploadAnswer: z.strictObject({
    success,
    asset_uri: z.string(),
    asset_id: z.string(),
    public_url: z.string(),
    data: shownAsset,
  }),
  CreateAnswer: z.strictObject({
    success,
    data: z.strictObject({ message: z.string(), id: z.string(), asset_uri: z.string(), asset: shownAsset }),
  }),
  UpdateAnswer: z.strictObject({ success, data: z.strictObject({ message: z.string(), asset: shownAsset }) }),
  AssetsAnswer: z.strictObject({
    success,
    data: z.array(foundAsset),
    next_cursor: z.string().nullable().optional().meta({ description: "With `limit`; null at the end." }),
    count: z.int().optional().meta({ description: "With `count=only`." }),
    explain: z.looseObject({}).optional().meta({ description: "With `explain=true`." }),
  }),
};
