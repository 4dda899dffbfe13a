/**
 * Measures what a server stands on, and traces it: the calls of a Deno KV or an object store, without either knowing.
 *
 * With `OTEL_DENO=true` the runtime takes spans made through `@opentelemetry/api`; without it no span is made.
 */
import { SpanStatusCode, trace } from "@opentelemetry/api";
import { ServiceError } from "../errors.ts";
import type { CounterSeries, HistogramSeries, Metrics, Series } from "./metrics.ts";

/** In seconds: from a read of a local KV to the upload of a large file. */
const DURATION_BOUNDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];

/** Answers that are no failure of what was asked. */
const USUAL_CODES = new Set([
  "not_found",
  "invalid_request",
  "too_large",
  "checksum_mismatch",
  "already_exists",
]);

const tracer = trace.getTracer("assets-server");

const isTracing = Deno.env.get("OTEL_DENO") === "true" || Deno.env.get("OTEL_DENO") === "1";

/** Gives the span of a request the name that it is to have (OpenTelemetry, "Semantic conventions for HTTP spans"). */
export function nameRequestSpan(method: string, route: string): void {
  if (!isTracing) return;
  const span = trace.getActiveSpan();
  span?.updateName(`${method} ${route}`);
  span?.setAttribute("http.route", route);
}

/** Runs something in a span of its own, if traces are on. */
export function traced<T>(name: string, run: () => Promise<T>): Promise<T> {
  if (!isTracing) return run();
  return tracer.startActiveSpan(name, async (span) => {
    try {
      return await run();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : "error" });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The series of one operation. */
interface OperationSeries {
  duration: HistogramSeries;
  errors: CounterSeries;
}

/** The operations of one thing that a server stands on. */
export class Operations {
  readonly #name: string;
  readonly #durations: Series<HistogramSeries>;
  readonly #errors: Series<CounterSeries>;

  /**
   * @param name as it stands in the names of metrics and spans: "kv"
   * @param what as it stands in a sentence
   */
  constructor(metrics: Metrics, name: string, what: string) {
    this.#name = name;
    this.#durations = metrics.histogram(
      `assets_server_${name}_duration_seconds`,
      `How long calls of ${what} took.`,
      DURATION_BOUNDS,
    );
    this.#errors = metrics.counter(`assets_server_${name}_errors_total`, `Calls of ${what} that failed.`);
  }

  /** The same function, measured under this name. */
  measured<A extends unknown[], T>(
    operation: string,
    call: (...args: A) => Promise<T>,
  ): (...args: A) => Promise<T> {
    const series: OperationSeries = {
      duration: this.#durations.of({ operation }),
      errors: this.#errors.of({ operation }),
    };
    const span = `${this.#name}.${operation}`;
    return (...args) => traced(span, () => this.#run(series, () => call(...args)));
  }

  async #run<T>({ duration, errors }: OperationSeries, call: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ServiceError && USUAL_CODES.has(error.code))) errors.value++;
      throw error;
    } finally {
      duration.observe((performance.now() - startedAt) / 1000);
    }
  }
}

/**
 * The same object, with some of its methods measured. A stream that one of them returns is not: what is measured then is how
 * long it took to begin.
 *
 * @param names of methods that return a promise
 * @param instead what else is put in the place of a member
 */
export function observed<T extends object>(
  target: T,
  operations: Operations,
  names: readonly (keyof T & string)[],
  instead: Partial<T> = {},
): T {
  const members = new Map<PropertyKey, unknown>(Object.entries(instead));
  const measured = new Set<PropertyKey>(names);
  return new Proxy(target, {
    get(_, key) {
      if (members.has(key)) return members.get(key);
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      // Private members want the real object.
      const bound = member.bind(target);
      const method = measured.has(key) ? operations.measured(String(key), bound) : bound;
      members.set(key, method);
      return method;
    },
  });
}
