/** Clients that write while the KV goes away and comes back, and remember what they were told. */
import { assert, assertEquals } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import { type Answer, at, send, textAt } from "../server/client.ts";
import { json } from "../server/harness.ts";
import { create } from "./global_nodes.ts";

const WRITERS_PER_NODE = 4;

/** A client does not write as fast as it can. */
const PAUSE_MS = 20;

/** How long a client waits that was refused. */
const RETRY_MS = 500;

/** Writers on some nodes. */
export class OutageLoad implements AsyncDisposable {
  /** How often a write was refused. */
  refusals = 0;
  /** The longest that an answer took. */
  longestMs = 0;
  /** Refusals that did not say what they have to. */
  readonly malformed: string[] = [];
  readonly #nodes: readonly { url: string }[];
  /** Names whose creation was acknowledged. */
  readonly #acknowledged = new Set<string>();
  /** Names that may be there, because nobody asked again. */
  readonly #unknown = new Set<string>();
  readonly #writers: Promise<void>[] = [];
  #isOn = false;
  /** Nobody asks again. */
  #isOver = false;
  #next = 0;

  constructor(nodes: readonly { url: string }[]) {
    this.#nodes = nodes;
  }

  start(): void {
    this.#isOn = true;
    for (const node of this.#nodes) {
      for (let n = 0; n < WRITERS_PER_NODE; n++) this.#writers.push(this.#write(node, n));
    }
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await Promise.all(this.#writers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.stop();
  }

  summary(): string {
    return `${this.#acknowledged.size} writes acknowledged, ${this.refusals} refused, ` +
      `${this.#unknown.size} unknown, longest answer ${this.longestMs.toFixed(0)} ms`;
  }

  /** What a node has is what was acknowledged, once each, and perhaps what was unknown. */
  async assertNoneLostNorDoubled(node: { url: string }): Promise<void> {
    const { text } = await send(
      node,
      "/assets?fields=asset_name",
      json("POST", { asset_tags: "load" }, { Accept: "application/x-ndjson" }),
    );
    const lines = text.split("\n").filter((line) => line !== "");
    const names = lines.map((line) => textAt(asJsonObject(JSON.parse(line)), "asset_name"));
    const there = new Set(names);
    assertEquals(names.length, there.size, "some are there twice");
    const lost = [...this.#acknowledged].filter((name) => !there.has(name));
    assertEquals(lost, []);
    const unheardOf = names.filter((name) => !this.#acknowledged.has(name) && !this.#unknown.has(name));
    assertEquals(unheardOf, []);
  }

  /** One of four clients has no key, and never asks again. */
  async #write(node: { url: string }, writer: number): Promise<void> {
    while (this.#isOn) {
      const name = `load ${this.#next++}`;
      const key = writer % 4 === 0 ? undefined : crypto.randomUUID();
      let answer = await this.#create(node, name, key);
      while (key !== undefined && answer.status === 503 && !this.#isOver) {
        await pause(RETRY_MS);
        answer = await this.#create(node, name, key);
      }
      if (answer.status === 201) this.#acknowledged.add(name);
      else if (at(answer.body, "details.may_have_happened") === true) this.#unknown.add(name);
      await pause(answer.status === 201 ? PAUSE_MS : RETRY_MS);
    }
  }

  /** No version, so no URI: nothing but the key keeps it from being there twice. */
  async #create(node: { url: string }, name: string, key: string | undefined): Promise<Answer> {
    const startedAt = performance.now();
    const answer = await create(node, { asset_name: name, asset_tags: ["load"] }, key);
    this.longestMs = Math.max(this.longestMs, performance.now() - startedAt);
    if (answer.status === 201) return answer;
    assert(answer.status === 503, answer.text);
    this.refusals++;
    const says = typeof at(answer.body, "details.may_have_happened") === "boolean";
    if (!says || !answer.headers.has("Retry-After")) this.malformed.push(answer.text);
    return answer;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
