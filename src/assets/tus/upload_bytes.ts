/** The bytes of uploads on their way: into the object store, through the digests, and into the records how far they are. */
import { differentRequest } from "../../collection/idempotency.ts";
import { ServiceError } from "../../errors.ts";
import type { ResumableState, ResumableWrites } from "../../objects/object_store.ts";
import type { RunningDigests } from "./running_digests.ts";
import { behind, checkedBody, type ChunkChecksum, drain } from "./upload_body.ts";
import type { StoredRecord, UploadRecords } from "./upload_records.ts";

/** How the body of a request is to be taken. */
export interface AppendOptions {
  /** What it must be; without it nothing is checked. */
  checksum?: ChunkChecksum;
  /** The body came with a creation that may be repeated: what came is remembered, and what was there is not kept twice. */
  isFirst?: boolean;
}

/** What takes bytes. Nobody else may work on an upload meanwhile. */
export class UploadBytes {
  readonly #writes: ResumableWrites;
  readonly #records: UploadRecords;
  readonly #digests: RunningDigests;

  constructor(options: { writes: ResumableWrites; records: UploadRecords; digests: RunningDigests }) {
    this.#writes = options.writes;
    this.#records = options.records;
    this.#digests = options.digests;
  }

  /**
   * Appends what a stream brings, up to where it ends or breaks.
   *
   * @returns the new offset, in bytes
   * @throws {ServiceError} `checksum_mismatch`, `locked`, and what the store throws
   */
  async append(
    stored: StoredRecord,
    body: ReadableStream<Uint8Array>,
    checksum?: ChunkChecksum,
  ): Promise<number> {
    return await this.#append(stored, checksum ? checkedBody(body, checksum) : { stream: body });
  }

  /**
   * Appends the body of a creation, but for what of it an earlier request of the same creation has brought.
   *
   * @returns where the upload stands, in bytes
   * @throws {ServiceError} `invalid_request` if the earlier one brought something else, and as `append` does
   */
  async appendFirst(
    stored: StoredRecord,
    body: ReadableStream<Uint8Array>,
    checksum?: ChunkChecksum,
  ): Promise<number> {
    const { first, sizeBytes, state: { offset } } = stored.record;
    const checked: CheckedStream = checksum ? checkedBody(body, checksum) : { stream: body };
    const stream = first ? await behind(first, checked.stream) : checked.stream;
    if (!stream) throw differentRequest();
    if (offset < sizeBytes && offset === (first?.sizeBytes ?? 0)) {
      return await this.#append(stored, { ...checked, stream }, { isFirst: true });
    }
    // It is whole, or other requests have brought more; the answer says where it stands.
    await drain(stream);
    return offset;
  }

  async #append(
    stored: StoredRecord,
    { stream, matches }: CheckedStream,
    { isFirst = false } = {},
  ): Promise<number> {
    const { record } = stored;
    const hash = this.#digests.at(record.id, record.state.offset);
    let current = stored;
    const keep = async (state: ResumableState) => {
      const first = isFirst && hash
        ? { sizeBytes: state.offset, sha256: hash.copy().digest("hex") }
        : current.record.first;
      current = await this.#records.replace(current, { ...current.record, state, first });
      if (hash) this.#digests.keep(record.id, state.offset, hash);
    };
    const digest = { update: (bytes: Uint8Array) => void hash?.update(bytes) };
    // With a checksum nothing counts before the whole of it is known to be right: the record stays where it is until then.
    const checkpoint = matches ? async () => {} : keep;
    const state = await this.#writes.append(record.objectKey, record.state, stream, { digest, checkpoint });
    if (!matches) return state.offset;
    if (!matches()) {
      throw new ServiceError("checksum_mismatch", "The bytes do not have the checksum of Upload-Checksum.");
    }
    await keep(state);
    return state.offset;
  }
}

/** A body, and whether it was what it is said to be once it has ended. */
interface CheckedStream {
  stream: ReadableStream<Uint8Array>;
  matches?: () => boolean;
}
