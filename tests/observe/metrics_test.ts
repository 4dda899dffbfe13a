import { assertEquals } from "@std/assert";
import { Metrics } from "../../src/observe/metrics.ts";

Deno.test("Metrics.text() writes a counter with its help, type and labels", async () => {
  const metrics = new Metrics();
  const requests = metrics.counter("requests_total", "Requests.");
  requests.of({ method: "GET" }).value += 2;
  requests.of({ method: "PUT" }).value++;
  requests.of({ method: "GET" }).value++;
  assertEquals(
    await metrics.text(),
    '# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{method="GET"} 3\nrequests_total{method="PUT"} 1\n',
  );
});

Deno.test("Metrics.text() escapes what a label must not hold as it is", async () => {
  const metrics = new Metrics();
  metrics.counter("a_total", "A.").of({ b: 'x"\\\ny' }).value++;
  assertEquals((await metrics.text()).split("\n")[2], 'a_total{b="x\\"\\\\\\ny"} 1');
});

Deno.test("Metrics.text() writes the buckets of a histogram cumulated, with sum and count", async () => {
  const metrics = new Metrics();
  const one = metrics.histogram("took_seconds", "Took.", [0.5, 1]).of({ a: "b" });
  for (const value of [0.25, 0.5, 0.75, 8]) one.observe(value);
  assertEquals((await metrics.text()).trimEnd().split("\n").slice(2), [
    'took_seconds_bucket{a="b",le="0.5"} 2',
    'took_seconds_bucket{a="b",le="1"} 3',
    'took_seconds_bucket{a="b",le="+Inf"} 4',
    'took_seconds_sum{a="b"} 9.5',
    'took_seconds_count{a="b"} 4',
  ]);
});

Deno.test("Metrics.text() leaves out a value that is not known, and a family without series", async () => {
  const metrics = new Metrics();
  metrics.counter("never_total", "Never.");
  metrics.read({ name: "unknown", help: "Unknown.", type: "gauge" }, () => [[{}, undefined]]);
  metrics.read({ name: "known", help: "Known.", type: "gauge" }, () => [[{}, 7]]);
  assertEquals(await metrics.text(), "# HELP known Known.\n# TYPE known gauge\nknown 7\n");
});
