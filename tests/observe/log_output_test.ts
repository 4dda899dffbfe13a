import { assert, assertEquals } from "@std/assert";
import { LogOutput } from "../../src/observe/log_output.ts";

/** A writer that takes one write at a time, when it is told to. */
class SlowWriter {
  readonly written: string[] = [];
  isBlocked = false;
  #release: () => void = () => {};

  async write(bytes: Uint8Array): Promise<number> {
    if (this.isBlocked) await new Promise<void>((resolve) => this.#release = resolve);
    this.written.push(new TextDecoder().decode(bytes));
    return bytes.length;
  }

  release(): void {
    this.isBlocked = false;
    this.#release();
  }
}

Deno.test("LogOutput writes what came within a moment in one piece, in order", async () => {
  const writer = new SlowWriter();
  const output = new LogOutput(writer);
  for (const line of ["one\n", "two\n", "three\n"]) output.write(line);
  await output.flush();
  assertEquals(writer.written, ["one\ntwo\nthree\n"]);
});

Deno.test("LogOutput writes an urgent line, and all before it, at once", async () => {
  const writer = new SlowWriter();
  const output = new LogOutput(writer);
  output.write("one\n");
  output.write("two\n", true);
  assertEquals(writer.written, ["one\ntwo\n"]);
  await output.flush();
});

Deno.test("LogOutput goes on behind a write that took a part", async () => {
  const written: number[] = [];
  const output = new LogOutput({
    write(bytes) {
      written.push(bytes.length);
      return Promise.resolve(Math.min(4, bytes.length));
    },
  });
  output.write("0123456789");
  await output.flush();
  assertEquals(written, [10, 6, 2]);
});

Deno.test("LogOutput drops and counts lines when nobody reads, says so afterwards, and never waits", async () => {
  const writer = new SlowWriter();
  const output = new LogOutput(writer);
  writer.isBlocked = true;
  output.write("first\n", true);
  const line = `${"x".repeat(1023)}\n`;
  for (let n = 0; n < 5000; n++) output.write(line);
  assertEquals(output.dropped, 5000 - 4096);
  const startedAt = performance.now();
  await output.flush(10);
  assert(performance.now() - startedAt < 5000, "flush waits for a blocked writer");
  writer.release();
  await output.flush();
  const text = writer.written.join("");
  assertEquals(text.split(line).length - 1, 4096);
  assert(text.includes("(904 lines of this log found no room)"), text.slice(-100));
});

Deno.test("LogOutput survives a writer that fails", async () => {
  let isBroken = true;
  const output = new LogOutput({
    write: (bytes) => isBroken ? Promise.reject(new Error("EPIPE")) : Promise.resolve(bytes.length),
  });
  output.write("lost\n", true);
  await output.flush();
  assertEquals(output.dropped, 1);
  isBroken = false;
  output.write("kept\n");
  await output.flush();
  assertEquals(output.dropped, 1);
});
