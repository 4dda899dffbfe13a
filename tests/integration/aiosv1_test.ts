/** A program written for AIOSv1's Assets Management, in Python, against both modes as they are. */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { startProcess } from "../server/subprocess.ts";

const CLIENT = fileURLToPath(new URL("aiosv1_client.py", import.meta.url));

Deno.test("A Python client written against the AIOSv1 documents alone works unchanged, in both modes", async () => {
  const folder = await Deno.makeTempDir({ prefix: "aiosv1-test-" });
  const start = (mode: string) => startProcess(["--mode", mode, "--data-dir", `${folder}/${mode}`]);
  const servers = await Promise.all([start("assets-db"), start("registry")]);
  try {
    // The name of the public URL, which the client compares with its own.
    const urls = servers.map(({ url }) => url.replace("127.0.0.1", "localhost"));
    const { code, stdout, stderr } = await new Deno.Command("python3", { args: [CLIENT, ...urls] }).output();
    const text = new TextDecoder();
    assertEquals([code, text.decode(stderr), text.decode(stdout)], [0, "", "all as documented\n"]);
  } finally {
    for (const server of servers) await server.end("SIGTERM");
    await Deno.remove(folder, { recursive: true });
  }
});
