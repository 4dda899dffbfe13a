/**
 * The assets of the group `queries`: the same ones every time, each a function of its number, as a registry of models would hold
 * them. Fields of few and of many values, numbers with a spread, tags, arrays of objects, some fields missing or null.
 */
import type { JsonObject } from "../../src/collection/json.ts";

const FAMILIES = ["llama", "mistral", "qwen", "bert", "resnet", "whisper", "yolo", "clip", "sdxl", "t5"];
const SCALES = ["tiny", "small", "base", "large", "xl", "xxl"];
const TASKS = ["chat", "embedding", "detection", "translation", "summary", "speech", "vision", "ranking"];
const FRAMEWORKS = ["PyTorch", "TensorFlow", "JAX", "ONNX"];
const LICENSES = ["apache-2.0", "mit", "gpl-3.0", "cc-by-4.0", "proprietary"];
const STAGES = ["initial", "staging", "production", "archived"];
const WORDS = [
  ..."a model of the second kind trained with care on public text and pictures for search ranking answers"
    .split(" "),
  ..."it reads long documents and keeps their order while small devices run it without a network".split(" "),
];

/** How many different tags there are; low numbers come often, high ones seldom. */
const TAGS = 60;
/** How many organizations there are. */
export const ORGANIZATIONS = 500;

/** Numbers in [0, 1), always the same for a seed (mulberry32, public domain). */
function randomOf(seed: number): () => number {
  let state = (seed * 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The body of `POST /asset` that makes asset number `n`: about 700 bytes of JSON. */
export function documentOf(n: number): JsonObject {
  const random = randomOf(n + 1);
  const below = (limit: number) => Math.floor(random() * limit);
  const oneOf = (list: readonly string[]) => list[below(list.length)] ?? "";
  const family = oneOf(FAMILIES);
  const parameters = Math.round(10 ** (6 + 6 * random()));
  const metadata: JsonObject = {
    description: Array.from({ length: 24 }, () => oneOf(WORDS)).join(" "),
    task: oneOf(TASKS),
    framework: oneOf(FRAMEWORKS),
    parameters,
    score: Math.round(random() * 10_000) / 10_000,
    owner: { organization: `org-${below(ORGANIZATIONS)}`, team: below(40) },
    runs: Array.from({ length: 1 + below(3) }, () => ({
      dataset: `set-${below(200)}`,
      epochs: 1 + below(50),
      loss: Math.round(random() * 1000) / 1000,
    })),
  };
  if (random() < 0.9) metadata.license = oneOf(LICENSES);
  if (random() < 0.3) metadata.deprecated = random() < 0.5 ? null : true;
  const name = `${family}-${oneOf(SCALES)}-${String(n).padStart(7, "0")}`;
  return {
    asset_name: name,
    asset_version: { version: `${below(5)}.${below(10)}.${below(10)}`, tag: oneOf(STAGES) },
    asset_metadata: metadata,
    asset_public_url: `https://models.example/${name}/model.safetensors`,
    asset_file_info: {
      file_name: "model.safetensors",
      file_type: "application/octet-stream",
      file_size: parameters * 2 + below(4096),
    },
    asset_tags: tagsOf(random),
  };
}

/** Two to five tags, none twice. */
function tagsOf(random: () => number): string[] {
  const tags = new Set<string>();
  for (let left = 2 + Math.floor(random() * 4); left > 0; left--) {
    tags.add(`tag-${Math.floor(TAGS * random() ** 2)}`);
  }
  return [...tags];
}

/** Documents of a load, from `first` up to `end`, as NDJSON. */
export function ndjsonOf(first: number, end: number): string {
  let text = "";
  for (let n = first; n < end; n++) text += `${JSON.stringify(documentOf(n))}\n`;
  return text;
}
