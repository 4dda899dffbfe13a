/** The multipart form of `POST /upload_asset`, its parts in either order, as a file on its way in. */
import type { Context } from "hono";
import type { Json } from "../collection/json.ts";
import { asJsonObject } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import type { AppEnv } from "../http/app.ts";
import { BodyReader } from "../http/body_reader.ts";
import { countIn } from "../http/exchange.ts";
import { fingerprintOf, idempotencyKey } from "../http/idempotency_key.ts";
import { MAX_JSON_BODY_BYTES, parseJson } from "../http/json_body.ts";
import { FormReader } from "../http/multipart.ts";
import { sendJson } from "../http/send.ts";
import { validate } from "../validation.ts";
import { type FileDescription, fileDescription, type UploadMetadata, uploadMetadata } from "./schema.ts";
import type { AssetService } from "./service.ts";
import { tooLarge, uploadAsset, type UploadContent, type UploadLimits } from "./upload.ts";

/** How uploads are limited. */
export interface UploadOptions extends UploadLimits {
  /** An upload is dropped when no byte comes for this long. */
  idleTimeoutMs: number;
}

/** Parts beyond these two are skipped; this many of them, or more, are no honest form. */
const MAX_PARTS = 32;

/** What a form may weigh beside the file: the metadata, the boundaries, the headers of the parts. */
const MAX_FORM_OVERHEAD_BYTES = 2 * MAX_JSON_BODY_BYTES;

const FILE_PART = "asset";
const METADATA_PART = "asset_metadata";

/** Answers `POST /upload_asset`. */
export async function receiveUpload(
  context: Context<AppEnv>,
  service: AssetService,
  options: UploadOptions,
): Promise<Response> {
  checkDeclaredLength(context, options);
  const hasLength = context.req.header("Content-Length") !== undefined;
  const body = new BodyReader(context.req.raw.body ?? new Blob([]).stream(), {
    ...options,
    hasLength,
    onBytes: countIn(context),
  });
  try {
    const form = new UploadForm(
      new FormReader(body, context.req.header("Content-Type") ?? "", {
        files: [FILE_PART],
        maxFieldBytes: MAX_JSON_BODY_BYTES,
        maxParts: MAX_PARTS,
      }),
    );
    const file = await form.toFile();
    const upload = {
      ...file,
      nextChunk: () => form.nextChunk(),
      known: form.metadata,
      finish: () => form.finish(),
      signal: context.req.raw.signal,
    };
    const key = idempotencyKey(context);
    const once = key === undefined ? undefined : {
      key,
      fingerprintOf: ({ metadata, fileName, fileType, sha256 }: UploadContent) =>
        fingerprintOf(context, [asJsonObject(metadata), fileName, fileType ?? null, sha256]),
    };
    const { id, asset } = await uploadAsset(service, upload, options, once);
    const { asset_uri = "", asset_id = "", asset_public_url = "" } = asJsonObject(asset);
    return sendJson(context, {
      success: true,
      asset_uri,
      asset_id: asset_id || id,
      public_url: asset_public_url,
      data: asset,
    }, 201);
  } catch (error) {
    await body.cancel(error);
    throw error;
  }
}

function checkDeclaredLength(context: Context, { maxUploadBytes }: UploadOptions): void {
  const declared = Number(context.req.header("Content-Length") ?? 0);
  if (maxUploadBytes !== undefined && declared > maxUploadBytes + MAX_FORM_OVERHEAD_BYTES) {
    throw tooLarge(maxUploadBytes);
  }
}

/** The two parts of the form, told apart and checked as they come. */
class UploadForm {
  metadata: UploadMetadata | undefined;
  readonly #reader: FormReader;

  constructor(reader: FormReader) {
    this.#reader = reader;
  }

  /** Reads on until the file begins. Throws if it never does. */
  async toFile(): Promise<FileDescription> {
    for (let event = await this.#reader.next(); event; event = await this.#reader.next()) {
      if (event.kind === "field") this.#takeField(event.name, event.bytes);
      if (event.kind !== "file") continue;
      if (!event.fileName) throw malformedPart(FILE_PART, "must be a file with a file name");
      return validate(fileDescription, { fileName: event.fileName, fileType: event.contentType });
    }
    throw malformedPart(FILE_PART, "is missing; it is the file itself");
  }

  /** The next bytes of the file. */
  async nextChunk(): Promise<Uint8Array | undefined> {
    const event = await this.#reader.next();
    return event?.kind === "chunk" ? event.bytes : undefined;
  }

  /** Reads to the end of the form. */
  async finish(): Promise<UploadMetadata> {
    for (let event = await this.#reader.next(); event; event = await this.#reader.next()) {
      if (event.kind === "field") this.#takeField(event.name, event.bytes);
      if (event.kind === "file") throw malformedPart(FILE_PART, "is there more than once");
    }
    if (!this.metadata) {
      throw malformedPart(METADATA_PART, "is missing; it is JSON with asset_name and asset_version");
    }
    return this.metadata;
  }

  #takeField(name: string, bytes: Uint8Array): void {
    if (name !== METADATA_PART) return;
    if (this.metadata) throw malformedPart(METADATA_PART, "is there more than once");
    const json: Json = parseJson(bytes, `The part ${METADATA_PART}`);
    this.metadata = validate(uploadMetadata, json);
  }
}

function malformedPart(path: string, message: string): ServiceError {
  return new ServiceError("invalid_request", `The part ${path} ${message}.`, {
    details: [{ path, message }],
  });
}
