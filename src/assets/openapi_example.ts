/** The asset that the API's description shows. */

/** Its id. */
export const ASSET_EXAMPLE_ID = "0198c0de-4d2a-7c1b-9e55-2f6b8a1c3d77";

/** Its URI. */
export const ASSET_EXAMPLE_URI = "greeting:1.0-initial";

/** The asset as clients see it. */
export const ASSET_EXAMPLE = {
  asset_uri: ASSET_EXAMPLE_URI,
  asset_name: "greeting",
  asset_id: ASSET_EXAMPLE_ID,
  assets_db_id: "0198c0de-0000-7000-8000-000000000001",
  asset_version: { version: "1.0", tag: "initial" },
  asset_metadata: { language: "en", quality: { score: 0.9 } },
  asset_public_url: `http://localhost:4000/asset-object/${ASSET_EXAMPLE_ID}`,
  asset_file_info: {
    file_name: "hello.txt",
    file_type: "text/plain",
    file_size: 6,
    sha256: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
  },
  asset_tags: ["text", "demo"],
};
