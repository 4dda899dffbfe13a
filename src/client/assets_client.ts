/** An Assets DB: its documents, and the files that they describe. */
import type { Asset, CreateBody, UploadMetadata } from "../assets/schema.ts";
import { asJsonObject, type JsonObject } from "../collection/json.ts";
import { ClientError } from "./client_error.ts";
import { type ConnectionOptions, dataOf, type RequestInput } from "./connection.ts";
import { linesOf } from "./ndjson.ts";
import { type OpenedObject, openObject, type OpenOptions } from "./object_download.ts";
import {
  type Filter,
  type Page,
  type PageOptions,
  queryCount,
  type QueryOptions,
  queryPage,
  queryStream,
} from "./query.ts";
import { textOf, textsOf } from "./reading.ts";
import { ResumableUploads } from "./resumable_uploads.ts";
import { ServiceClient } from "./service_client.ts";
import { type StreamedFile, streamedForm } from "./streamed_form.ts";

/** What a change may say beside its body. */
export interface ChangeOptions {
  /** The `ETag` that the asset must still have; else 412. */
  ifMatch?: string;
  /** The same key does the same change once, within 24 hours. */
  idempotencyKey?: string;
}

/** What became of one line of `createAssets`. */
export interface BulkResult {
  /** Its number, from 1. */
  line: number;
  isCreated: boolean;
  id?: string;
  asset_uri?: string;
  code?: string;
  error?: string;
}

/** The routes of an Assets DB. */
export class AssetsClient extends ServiceClient {
  /** The resumable uploads (tus). */
  readonly uploads: ResumableUploads;

  constructor(options: ConnectionOptions) {
    super(options);
    this.uploads = new ResumableUploads(this.connection);
  }

  /** `GET /asset/<uri or id>` */
  async asset(
    uri: string,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<{ asset: Asset; etag: string }> {
    const { body, headers } = await this.connection.json(assetPath(uri), { signal });
    return { asset: readAsset(dataOf(body)), etag: headers.get("ETag") ?? "" };
  }

  /** `POST /asset`: an asset whose file lives elsewhere, or that has none. */
  async createAsset(
    asset: CreateBody | JsonObject,
    { idempotencyKey, signal }: { idempotencyKey?: string; signal?: AbortSignal } = {},
  ): Promise<{ id: string; asset: Asset }> {
    const headers = changeHeaders({ idempotencyKey });
    const { body } = await this.connection.json("/asset", { method: "POST", json: asset, headers, signal });
    const data = dataOf(body);
    return { id: textOf(data.id), asset: readAsset(asJsonObject(data.asset)) };
  }

  /** `POST /upload_asset`: a file in one request. Larger ones are better sent by `uploads`. */
  async uploadAsset(
    file: File,
    metadata: UploadMetadata,
    { idempotencyKey, signal }: { idempotencyKey?: string; signal?: AbortSignal } = {},
  ): Promise<{ id: string; asset: Asset }> {
    const form = new FormData();
    form.set("asset_metadata", JSON.stringify(metadata));
    form.set("asset", file);
    const request = {
      method: "POST",
      body: form,
      headers: changeHeaders({ idempotencyKey }),
      signal,
      timeoutMs: 0,
    };
    const { body } = await this.connection.json("/upload_asset", request);
    return { id: textOf(body.asset_id), asset: readAsset(dataOf(body)) };
  }

  /** `POST /upload_asset` of a file that is not at hand as a whole, such as one that another server sends. */
  async uploadStream(
    file: StreamedFile,
    metadata: JsonObject,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<{ id: string; asset: Asset }> {
    const { body: form, contentType } = streamedForm(file, metadata);
    const { body } = await this.connection.json("/upload_asset", {
      method: "POST",
      body: form,
      headers: { "Content-Type": contentType },
      signal,
      timeoutMs: 0,
    });
    return { id: textOf(body.asset_id), asset: readAsset(dataOf(body)) };
  }

  /** `PUT /asset/<uri or id>`: fields to replace, dotted paths to set. Returns the asset as it is now. */
  async updateAsset(uri: string, changes: JsonObject, options: ChangeOptions = {}): Promise<Asset> {
    const request = { method: "PUT", json: changes, headers: changeHeaders(options) };
    const { body } = await this.connection.json(assetPath(uri), request);
    return readAsset(asJsonObject(dataOf(body).asset));
  }

  /** `DELETE /asset/<uri or id>`: the asset and its file. */
  async deleteAsset(uri: string, options: ChangeOptions = {}): Promise<void> {
    await this.connection.json(assetPath(uri), { method: "DELETE", headers: changeHeaders(options) });
  }

  /** `POST /assets`, one page. With `fields` each has those alone. */
  async assets(filter: Filter, options: PageOptions): Promise<Page<JsonObject>> {
    return await queryPage(this.connection, "/assets", filter, options);
  }

  /** `POST /assets`, everything that matches, as it comes. */
  assetStream(filter: Filter, options: QueryOptions = {}): AsyncIterable<JsonObject> {
    return queryStream(this.connection, "/assets", filter, options);
  }

  /** How many assets match. */
  async countAssets(filter: Filter, { signal }: { signal?: AbortSignal } = {}): Promise<number> {
    return await queryCount(this.connection, "/assets", filter, signal);
  }

  /**
   * `POST /assets/bulk`: one `POST /asset` body a line, answered line by line.
   *
   * @param lines NDJSON
   * @throws {ClientError} `route_not_found` where the server is too old for it
   */
  async *createAssets(
    lines: RequestInput["body"],
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<BulkResult, void, undefined> {
    const headers = { "Content-Type": "application/x-ndjson", Accept: "application/x-ndjson" };
    const request = { method: "POST", body: lines, headers, timeoutMs: 0, signal };
    const response = await this.connection.send("/assets/bulk", request);
    if (!response.body) return;
    const answers = linesOf(response.body);
    try {
      while (true) {
        const next = await this.connection.read(() => answers.next(), signal);
        if (next.done) return;
        if (next.value !== "") yield readBulkResult(this.connection.parse(next.value, response));
      }
    } finally {
      await answers.return().catch(() => {});
    }
  }

  /**
   * `GET /asset-object/<id>`: the file, or the rest of it. A redirect is followed; the token goes to this server alone.
   *
   * @param where the asset's id, or the URL of a file that lives elsewhere
   * @throws {ClientError} `not_found`, `range_not_satisfiable`
   */
  async object(where: string | URL, options: OpenOptions = {}): Promise<OpenedObject> {
    const url = where instanceof URL
      ? where.href
      : this.connection.url(`/asset-object/${encodeURIComponent(where)}`);
    return await openObject(this.connection, url, options);
  }

  /** `HEAD /asset-object/<id>`: what `GET` would say of the file. */
  async objectHeaders(id: string): Promise<Headers> {
    const path = `/asset-object/${encodeURIComponent(id)}`;
    return (await this.connection.send(path, { method: "HEAD", accept: [307] })).headers;
  }
}

function assetPath(uri: string): string {
  return `/asset/${encodeURIComponent(uri)}`;
}

function changeHeaders({ ifMatch, idempotencyKey }: ChangeOptions): Record<string, string> {
  return {
    ...(ifMatch === undefined ? {} : { "If-Match": ifMatch }),
    ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
  };
}

/** An answer's asset. */
export function readAsset(json: JsonObject): Asset {
  const version = asJsonObject(json.asset_version);
  return {
    asset_uri: textOf(json.asset_uri),
    asset_name: textOf(json.asset_name),
    asset_id: textOf(json.asset_id),
    assets_db_id: textOf(json.assets_db_id),
    asset_version: { version: textOf(version.version), tag: textOf(version.tag) },
    asset_metadata: asJsonObject(json.asset_metadata),
    asset_public_url: textOf(json.asset_public_url),
    asset_file_info: asJsonObject(json.asset_file_info),
    asset_tags: textsOf(json.asset_tags),
  };
}

function readBulkResult(json: JsonObject): BulkResult {
  if (typeof json.line !== "number") {
    throw new ClientError(textOf(json.error) || "The server's answer lacks the number of its line.", {
      status: 200,
      code: textOf(json.code) || "bad_answer",
    });
  }
  return {
    line: json.line,
    isCreated: json.success === true,
    id: textOf(json.id) || undefined,
    asset_uri: textOf(json.asset_uri) || undefined,
    code: textOf(json.code) || undefined,
    error: textOf(json.error) || undefined,
  };
}
