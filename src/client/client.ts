/**
 * The client of an assets-server, typed: every route of both modes, with errors that say what they are.
 *
 *     import { AssetsClient } from "@aios/assets-server/client";
 *
 *     const assets = new AssetsClient({ server: "http://localhost:4000", token });
 *     for await (const asset of assets.assetStream({ asset_tags: "demo" })) …
 *
 * It uses `fetch` and streams alone. Its own command line is built on it.
 */
export { AssetsClient, type BulkResult, type ChangeOptions } from "./assets_client.ts";
export { ClientError, type ClientErrorFacts, type LocalErrorCode } from "./client_error.ts";
export type { ConnectionOptions } from "./connection.ts";
export type { OpenedObject, OpenOptions } from "./object_download.ts";
export type { Filter, Page, PageOptions, QueryOptions, SearchSource } from "./query.ts";
export { type EntryHealth, RegistryClient } from "./registry_client.ts";
export type { NewUpload, ResumableUploads, UploadedAsset, UploadState } from "./resumable_uploads.ts";
export type { HealthAnswer } from "./service_client.ts";
export type { StreamedFile } from "./streamed_form.ts";
export type { Asset, CreateBody, UploadMetadata } from "../assets/schema.ts";
export type { CreateBody as EntryInput, Entry } from "../registry/schema.ts";
