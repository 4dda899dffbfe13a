/** What is measured of requests. */
import type { Exchange } from "../http/exchange.ts";
import type { CounterSeries, HistogramSeries, Metrics, Series } from "./metrics.ts";
import type { ExchangeEnd } from "./request_log.ts";

/** In seconds: from an answer out of memory to the transfer of a large file. */
const DURATION_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600];

/** Other methods are anybody's invention, and every label is kept for good. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** The series of one method of one route. */
interface RouteSeries {
  byStatus: Map<number, CounterSeries>;
  duration: HistogramSeries;
  bytesIn: CounterSeries;
  bytesOut: CounterSeries;
  broken: CounterSeries;
}

/** Measures requests. */
export class RequestMetrics {
  readonly #requests: Series<CounterSeries>;
  readonly #durations: Series<HistogramSeries>;
  readonly #bytesIn: Series<CounterSeries>;
  readonly #bytesOut: Series<CounterSeries>;
  readonly #broken: Series<CounterSeries>;
  /** By method, then by route: names that are there already are looked up faster than one made of both. */
  readonly #routes = new Map<string, Map<string, RouteSeries>>();
  readonly #inFlight = new Set<Exchange>();

  constructor(metrics: Metrics) {
    const name = (end: string) => `assets_server_http_${end}`;
    this.#requests = metrics.counter(
      name("requests_total"),
      "Requests answered, by route, method and status.",
    );
    this.#durations = metrics.histogram(
      name("request_duration_seconds"),
      "From a request's head to the end of its answer.",
      DURATION_BOUNDS,
    );
    this.#bytesIn = metrics.counter(name("request_body_bytes_total"), "Bytes of bodies received.");
    this.#bytesOut = metrics.counter(name("response_body_bytes_total"), "Bytes of bodies sent.");
    this.#broken = metrics.counter(name("broken_answers_total"), "Answers that did not reach their end.");
    metrics.read(
      { name: name("requests_in_flight"), help: "Requests being answered.", type: "gauge" },
      () => [[{}, this.#inFlight.size]],
    );
    metrics.read(
      { name: "assets_server_uploads_in_flight", help: "Requests that bring a file.", type: "gauge" },
      () => [[{}, [...this.#inFlight].filter(isUpload).length]],
    );
  }

  /** Counts a request that has begun. */
  begin(exchange: Exchange): void {
    this.#inFlight.add(exchange);
  }

  /** Counts a request that is over. */
  end(exchange: Exchange, { durationMs, isComplete }: ExchangeEnd): void {
    this.#inFlight.delete(exchange);
    const series = this.#of(exchange);
    const { status } = exchange;
    let count = series.byStatus.get(status);
    if (!count) {
      count = this.#requests.of({ ...labelsOf(exchange), status: String(status) });
      series.byStatus.set(status, count);
    }
    count.value++;
    series.duration.observe(durationMs / 1000);
    series.bytesIn.value += exchange.bytesIn;
    series.bytesOut.value += exchange.bytesOut;
    if (!isComplete) series.broken.value++;
  }

  #of(exchange: Exchange): RouteSeries {
    const labels = labelsOf(exchange);
    const known = this.#routes.get(labels.method)?.get(labels.route);
    if (known) return known;
    const series = {
      byStatus: new Map<number, CounterSeries>(),
      duration: this.#durations.of(labels),
      bytesIn: this.#bytesIn.of(labels),
      bytesOut: this.#bytesOut.of(labels),
      broken: this.#broken.of(labels),
    };
    const routes = this.#routes.get(labels.method) ?? new Map<string, RouteSeries>();
    this.#routes.set(labels.method, routes.set(labels.route, series));
    return series;
  }
}

function labelsOf({ route, method }: Exchange): { route: string; method: string } {
  return { route, method: METHODS.has(method) ? method : "other" };
}

function isUpload({ method, route }: Exchange): boolean {
  return (method === "POST" || method === "PATCH") &&
    (route === "/upload_asset" || route.startsWith("/uploads"));
}
