/** The filters of the group `queries`, each with a parameter that changes, so that no answer comes out of a cache. */
import type { JsonObject } from "../../src/collection/json.ts";
import { documentOf, ORGANIZATIONS } from "./documents.ts";

/** What a query asks for. */
export interface ShapedQuery {
  filter: JsonObject;
  /** Paths as in the query string; a leading "-" for descending. */
  sort?: string;
}

/** A kind of query, and what it is held to. */
export interface Shape {
  name: string;
  /** `page`: the first 100. */
  asks: "page" | "count";
  /** `instant`: a few milliseconds, however many assets; `broad count`: some more; `scan`: every document is tested. */
  held: "instant" | "broad count" | "scan";
  /** The `n`-th query on `count` documents. */
  query: (n: number, count: number) => ShapedQuery;
}

/** How many documents a page has. */
export const PAGE = 100;

/** A step that comes round to every number below `limit`, in no order. */
const spread = (n: number, limit: number) => (n * 7919) % limit;

const organization = (n: number) => `org-${spread(n, ORGANIZATIONS)}`;
const tag = (n: number) => `tag-${n % 60}`;
const name = (n: number, count: number): JsonObject => ({
  asset_name: documentOf(spread(n, count)).asset_name ?? "",
});
const framework = (n: number) => ["PyTorch", "TensorFlow", "JAX", "ONNX"][n % 4] ?? "";
const ORGANIZATION = "asset_metadata.owner.organization";
const FRAMEWORK = "asset_metadata.framework";

/** In the order of the report. */
export const SHAPES: Shape[] = [
  {
    name: "equality, one hit",
    asks: "page",
    held: "instant",
    query: (n, count) => ({ filter: name(n, count) }),
  },
  {
    name: "equality, 1 of 500",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { [ORGANIZATION]: organization(n) } }),
  },
  {
    name: "$in on tags",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { asset_tags: { $in: [tag(n), tag(n + 17)] } } }),
  },
  {
    name: "range of numbers, 1 of 1,000",
    asks: "page",
    held: "instant",
    query(n) {
      const least = Math.round(10 ** (6 + 6 * (spread(n, 1000) / 1000)));
      return { filter: { "asset_metadata.parameters": { $gte: least, $lt: Math.round(least * 1.014) } } };
    },
  },
  {
    name: "range of versions, 1 of 50",
    asks: "page",
    held: "instant",
    query(n) {
      const minor = `${n % 5}.${spread(n, 10)}`;
      return { filter: { "asset_version.version": { $gte: `${minor}.0`, $lte: `${minor}.9` } } };
    },
  },
  {
    name: "prefix",
    asks: "page",
    held: "instant",
    query(n, count) {
      const { asset_name } = name(n, count);
      return { filter: { asset_name: { $regex: `^${String(asset_name).slice(0, -2)}` } } };
    },
  },
  {
    name: "broad and selective",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { [FRAMEWORK]: framework(n), [ORGANIZATION]: organization(n) } }),
  },
  {
    name: "$elemMatch",
    asks: "page",
    held: "instant",
    query: (n) => ({
      filter: { "asset_metadata.runs": { $elemMatch: { dataset: `set-${n % 200}`, epochs: { $gte: 45 } } } },
    }),
  },
  {
    name: "$or of two",
    asks: "page",
    held: "instant",
    query: (n, count) => ({ filter: { $or: [{ [ORGANIZATION]: organization(n) }, name(n, count)] } }),
  },
  {
    name: "broad, first page",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { [FRAMEWORK]: framework(n) } }),
  },
  {
    name: "broad, sorted down",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { [FRAMEWORK]: framework(n) }, sort: "-asset_file_info.file_size" }),
  },
  {
    name: "tag, sorted up by name",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { asset_tags: tag(n) }, sort: "asset_name" }),
  },
  {
    name: "$ne, first page",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { [FRAMEWORK]: { $ne: framework(n) } } }),
  },
  {
    name: "null or missing, first page",
    asks: "page",
    held: "instant",
    query: (n) => ({
      filter: { "asset_metadata.license": null, "asset_metadata.owner.team": { $ne: n % 40 } },
    }),
  },
  {
    name: "$exists, first page",
    asks: "page",
    held: "instant",
    query: (n) => ({ filter: { "asset_metadata.deprecated": { $exists: true }, asset_tags: tag(n) } }),
  },
  {
    name: "count, 1 of 500",
    asks: "count",
    held: "instant",
    query: (n) => ({ filter: { [ORGANIZATION]: organization(n) } }),
  },
  {
    name: "count, 1 of 4",
    asks: "count",
    held: "broad count",
    query: (n) => ({ filter: { [FRAMEWORK]: framework(n) } }),
  },
  {
    name: "count, $ne",
    asks: "count",
    held: "broad count",
    query: (n) => ({ filter: { [FRAMEWORK]: { $ne: framework(n) } } }),
  },
  {
    name: "scan, text within",
    asks: "count",
    held: "scan",
    query: (n) => ({
      filter: { "asset_metadata.description": { $regex: `pictures.*search.*run{1,${1 + n % 9}}` } },
    }),
  },
  {
    name: "scan, $expr",
    asks: "count",
    held: "scan",
    query: (n) => ({
      filter: { $expr: { $gt: [{ $multiply: ["$asset_metadata.score", 2] }, 1.9 + (n % 10) / 1000] } },
    }),
  },
];
