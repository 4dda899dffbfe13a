/** Several streams in one order become one stream in that order, in which nothing comes twice. */
import type { Position, SourceDocument, SourceStream } from "./source_stream.ts";

/** A document of a merge, and whose it is. */
export interface Merged<S> {
  source: S;
  document: SourceDocument;
}

/** What is merged. */
type Stream = Pick<SourceStream, "next">;

/**
 * How many identities are remembered where documents are sorted by their values. Assets that come from several nodes of one KV
 * stand side by side in the order, unless the nodes see different versions of one at the moment; by age they always do.
 */
const MAX_REMEMBERED = 50_000;

/** What a merge goes by. */
export interface MergeOptions<S> {
  compare: (a: Position, b: Position) => number;
  /** The order is that of the ids. */
  isByAge: boolean;
  /** Told of each document that is left out, by its source. */
  onDuplicate?: (source: S) => void;
}

/**
 * Merges streams that are each in the order of `compare`, strictly. One document of each is held.
 *
 * Of the same asset from several sources the one from its owner is taken, else that of the source named first.
 */
export async function* merge<S extends Stream>(
  sources: S[],
  { compare, isByAge, onDuplicate = () => {} }: MergeOptions<S>,
): AsyncGenerator<Merged<S>> {
  const heads = new Heads<S>(compare);
  const recent = new Recent(MAX_REMEMBERED);
  const firsts = await Promise.all(sources.map((source) => source.next()));
  for (const [order, source] of sources.entries()) heads.add(source, order, firsts[order]);
  for (let first = heads.take(); first; first = heads.take()) {
    const same = [first, ...heads.takeSame(first.document)];
    const chosen = same.find((head) => head.document.isFromOwner) ?? first;
    const { source, document } = chosen;
    const isNew = isByAge || recent.add(document.identity);
    for (const head of same) if (head !== chosen || !isNew) onDuplicate(head.source);
    if (isNew) yield { source, document };
    for (const head of same) heads.add(head.source, head.order, await head.source.next());
  }
}

interface Head<S> extends Merged<S> {
  order: number;
}

/** The first document of every stream, in order. */
class Heads<S> {
  /** The smallest is the last. */
  readonly #heads: Head<S>[] = [];
  readonly #compare: (a: Position, b: Position) => number;

  constructor(compare: (a: Position, b: Position) => number) {
    this.#compare = compare;
  }

  add(source: S, order: number, document: SourceDocument | undefined): void {
    if (!document) return;
    const head = { source, order, document };
    let low = 0;
    let high = this.#heads.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#heads[middle];
      if (other && this.#isBefore(head, other)) low = middle + 1;
      else high = middle;
    }
    this.#heads.splice(low, 0, head);
  }

  take(): Head<S> | undefined {
    return this.#heads.pop();
  }

  /** Those of the same asset that stand beside a document just taken. */
  takeSame({ position, identity }: SourceDocument): Head<S>[] {
    const same: Head<S>[] = [];
    for (let at = this.#heads.length - 1; at >= 0; at--) {
      const head = this.#heads[at];
      if (!head || this.#compare(head.document.position, position) !== 0) break;
      if (head.document.identity === identity) same.push(...this.#heads.splice(at, 1));
    }
    return same;
  }

  #isBefore(a: Head<S>, b: Head<S>): boolean {
    const order = this.#compare(a.document.position, b.document.position);
    return order === 0 ? a.order < b.order : order < 0;
  }
}

/** The identities seen last. */
class Recent {
  readonly #identities = new Set<string>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether it is new. */
  add(identity: string): boolean {
    if (this.#identities.has(identity)) return false;
    this.#identities.add(identity);
    if (this.#identities.size > this.#most) {
      const [oldest] = this.#identities;
      if (oldest !== undefined) this.#identities.delete(oldest);
    }
    return true;
  }
}
