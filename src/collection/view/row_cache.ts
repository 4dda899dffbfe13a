/** The rows of documents that were read lately, in memory, so that reading one again asks nobody. */

/** A document as the view has it. */
export interface CachedRow {
  id: string;
  versionstamp: string;
  hidden: string | null;
  /** As the view keeps it. */
  json: string;
  /** The server on whose public URL the text depends, if it depends on one, and the text with that URL in it. */
  server?: string;
  /** `null` before it was looked up. */
  base?: string | null;
  text: string;
}

/** About so many bytes of text are kept: two for each UTF-16 unit. */
const MAX_UNITS = 8 * 1024 * 1024;

/** Larger documents are not kept. */
const MAX_ROW_UNITS = 64 * 1024;

/** Rows by what they were asked for by. The one that was kept first goes first. */
export class RowCache {
  readonly #rows = new Map<string, CachedRow>();
  /** What the row of a document was asked for by. */
  readonly #keys = new Map<string, string[]>();
  #units = 0;

  get(key: string): CachedRow | undefined {
    return this.#rows.get(key);
  }

  set(key: string, row: CachedRow): void {
    const { id, json } = row;
    if (json.length > MAX_ROW_UNITS || this.#rows.has(key)) return;
    this.#rows.set(key, row);
    this.#keys.set(id, [...this.#keys.get(id) ?? [], key]);
    this.#units += json.length;
    for (const oldest of this.#rows.values()) {
      if (this.#units <= MAX_UNITS) break;
      this.forget(oldest.id);
    }
  }

  /** A document has changed. */
  forget(id: string): void {
    for (const key of this.#keys.get(id) ?? []) {
      this.#units -= this.#rows.get(key)?.json.length ?? 0;
      this.#rows.delete(key);
    }
    this.#keys.delete(id);
  }

  clear(): void {
    this.#rows.clear();
    this.#keys.clear();
    this.#units = 0;
  }
}
