/** Everything that is seen of one server from outside: its metrics, and the log of its requests. */
import { cpuUsage } from "node:process";
import type { Observer } from "../http/front.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { LogOutput } from "./log_output.ts";
import { Metrics } from "./metrics.ts";
import { Operations } from "./observed.ts";
import { observedKv } from "./observed_kv.ts";
import { observedStore } from "./observed_store.ts";
import type { RequestLog } from "./request_log.ts";
import { RequestMetrics } from "./request_metrics.ts";

/** For how long a count of all documents holds: it may have to look at every one. */
const COUNT_HOLDS_MS = 30_000;

/** How long a scrape waits for a new count. */
const COUNT_WAIT_MS = 1000;

/** Where the log of a server goes. */
export interface ServerLog {
  output: LogOutput;
  /** None if nothing is to be logged of requests. */
  requests?: RequestLog;
}

/** The eyes of one server. */
export class Monitor {
  readonly metrics = new Metrics();
  readonly observer: Observer;

  constructor(about: { mode: string; version: string }, log?: ServerLog) {
    const measured = new RequestMetrics(this.metrics);
    const logged = log?.requests;
    this.observer = {
      begin: (exchange) => measured.begin(exchange),
      end(exchange, end) {
        measured.end(exchange, end);
        logged?.record(exchange, end);
      },
    };
    this.#addProcess(about, log);
  }

  /** A KV whose calls are measured. */
  kv(kv: Deno.Kv): Deno.Kv {
    return observedKv(kv, new Operations(this.metrics, "kv", "the Deno KV"));
  }

  /** An object store whose calls are measured. */
  store(store: ObjectStore): ObjectStore {
    return observedStore(store, new Operations(this.metrics, "object_store", "the object store"));
  }

  /** Adds how many documents there are. A count that takes long is shown by a later scrape. */
  countDocuments(name: string, help: string, count: () => Promise<number>): void {
    let known: number | undefined;
    let until = 0;
    let counting: Promise<void> | undefined;
    this.metrics.read({ name, help, type: "gauge" }, async () => {
      if (performance.now() >= until) {
        counting ??= count().then((value) => {
          known = value;
          until = performance.now() + COUNT_HOLDS_MS;
        }).catch(() => {
          known = undefined;
        }).finally(() => {
          counting = undefined;
        });
        await Promise.race([counting, pause(COUNT_WAIT_MS)]);
      }
      return [[{}, known]];
    });
  }

  #addProcess({ mode, version }: { mode: string; version: string }, log?: ServerLog): void {
    const { metrics } = this;
    const gauge = (name: string, help: string, value: () => number, labels = {}) =>
      metrics.read({ name, help, type: "gauge" }, () => [[labels, value()]]);
    const counter = (name: string, help: string, value: () => number) =>
      metrics.read({ name, help, type: "counter" }, () => [[{}, value()]]);
    gauge("assets_server_info", "What runs here.", () => 1, { mode, version });
    gauge(
      "process_start_time_seconds",
      "When the process started, as Unix time.",
      () => performance.timeOrigin / 1000,
    );
    gauge("process_resident_memory_bytes", "Memory of the process.", () => Deno.memoryUsage().rss);
    gauge("process_heap_bytes", "Memory of its objects.", () => Deno.memoryUsage().heapUsed);
    counter("process_cpu_seconds_total", "Processor time of the process.", () => {
      const { user, system } = cpuUsage();
      return (user + system) / 1e6;
    });
    counter(
      "assets_server_log_lines_dropped_total",
      "Lines of the log that found no room.",
      () => log?.output.dropped ?? 0,
    );
  }
}

/** Resolves later, without keeping the process alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, ms)));
}
