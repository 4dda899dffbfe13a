/** Reads a view through one connection: what a query needs to know of its postings. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { PostingRange } from "../plan.ts";
import { kindOf, POSTING, type PostingType } from "./postings.ts";

/** A value as SQLite gives it back. */
export type Cell = string | number | null;

/** How many statements are kept ready; a query's SQL depends on its shape alone, so there are few. */
const MAX_STATEMENTS = 200;

/** How many paths are remembered. */
const MAX_PATHS = 10_000;

/** A condition in SQL and what stands for its question marks. */
export interface Sql {
  text: string;
  values: Cell[];
}

/** One connection's view of the postings. */
export class IndexReader {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #paths = new Map<string, number>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** All rows, each a list of its columns. */
  rows(sql: string, ...values: Cell[]): Cell[][] {
    // The statement returns arrays, which its types do not know.
    const rows: unknown = this.#statement(sql).all(...values);
    return rows as Cell[][];
  }

  /** The first column of the first row. */
  cell(sql: string, ...values: Cell[]): Cell | undefined {
    return this.rows(sql, ...values)[0]?.[0];
  }

  /** A condition on `posting`: what lies in the range. undefined if no document has its path. */
  where({ path, type, low, high }: PostingRange): Sql | undefined {
    const id = this.#pathId(path);
    if (id === undefined) return undefined;
    const sql: Sql = { text: "kind = ?", values: [kindOf(id, type)] };
    if (low !== undefined && high !== undefined && low.value === high.value && !low.isOpen && !high.isOpen) {
      return { text: `${sql.text} AND value = ?`, values: [...sql.values, low.value] };
    }
    if (low !== undefined) {
      sql.text += ` AND value ${low.isOpen ? ">" : ">="} ?`;
      sql.values.push(low.value);
    }
    if (high !== undefined) {
      sql.text += ` AND value ${high.isOpen ? "<" : "<="} ?`;
      sql.values.push(high.value);
    }
    return sql;
  }

  /** How many postings lie in the range, counted up to `most`. */
  count(range: PostingRange, most: number): number {
    const where = this.where(range);
    if (!where) return 0;
    const some = `SELECT 1 FROM posting WHERE ${where.text} LIMIT ?`;
    return Number(this.cell(`SELECT count(*) FROM (${some})`, ...where.values, most));
  }

  /** The different values in the range, whatever its test says; undefined if there are more than `most`. One look for each. */
  values(range: PostingRange, most: number): (string | number)[] | undefined {
    const all = this.where(range);
    // The bound below would have SQLite begin at it again.
    const above = this.where({ ...range, low: undefined });
    if (!all || !above) return [];
    const sql = `WITH RECURSIVE found (value) AS (
        SELECT * FROM (SELECT value FROM posting WHERE ${all.text} ORDER BY value LIMIT 1)
        UNION ALL
        SELECT (SELECT value FROM posting WHERE ${above.text} AND value > found.value ORDER BY value LIMIT 1)
        FROM found WHERE found.value IS NOT NULL LIMIT ?
      ) SELECT value FROM found WHERE value IS NOT NULL`;
    const values = this.rows(sql, ...all.values, ...above.values, most + 1).flatMap(([value]) => value ?? []);
    return values.length > most ? undefined : values;
  }

  /** Whether any document has a posting of this path and type. */
  has(path: string, type: PostingType): boolean {
    return this.count({ path, type }, 1) > 0;
  }

  /** Whether no document has an array at this path or on the way to it. */
  isFlat(path: string): boolean {
    const parts = path.split(".");
    return parts.every((_, n) => !this.has(parts.slice(0, n + 1).join("."), POSTING.array));
  }

  /** Whether there are documents that are only partly indexed. */
  hasPartial(): boolean {
    return this.has("", POSTING.partial);
  }

  /** How many documents there are. */
  documents(): number {
    return Number(this.cell("SELECT value FROM meta WHERE key = 'documents'") ?? 0);
  }

  /** How many documents have something at this path. */
  documentsWith(path: string): number {
    return Number(this.cell("SELECT documents FROM path WHERE text = ?", path) ?? 0);
  }

  /** The number of the youngest document whose id is not above `id`; 0 if there is none. */
  ordUpTo(id: string): number {
    return Number(this.cell("SELECT ord FROM doc WHERE id <= ? ORDER BY id DESC LIMIT 1", id) ?? 0);
  }

  #pathId(path: string): number | undefined {
    const known = this.#paths.get(path);
    if (known !== undefined) return known;
    const id = this.cell("SELECT id FROM path WHERE text = ?", path);
    if (typeof id !== "number") return undefined;
    if (this.#paths.size < MAX_PATHS) this.#paths.set(path, id);
    return id;
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
    const statement = this.#db.prepare(sql);
    // A row as a list is half the work. Deno's types do not know this method of Node.js 24 yet.
    if ("setReturnArrays" in statement && typeof statement.setReturnArrays === "function") {
      statement.setReturnArrays(true);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}
