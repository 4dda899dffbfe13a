/** One version of Deno and one of the program, wherever they are named. */
import { assert, assertEquals } from "@std/assert";
import deno from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

async function versionsIn(file: string, pattern: RegExp): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(file, ROOT));
  const versions = [...text.matchAll(pattern)].map(([, version = ""]) => version);
  assert(versions.length > 0, `${file} names none`);
  return versions;
}

Deno.test("The image, the script for clones, the README and .ci/run name one version of Deno", async () => {
  const named = [
    ...await versionsIn("Dockerfile", /^FROM denoland\/deno:(\S+)/gm),
    ...await versionsIn("bin/assets-server", /^version=(\S+)$/gm),
    ...await versionsIn("README.md", /\bdeno@([\d.]+)/g),
    ...await versionsIn(".ci/run", /^DENO_VERSION=(\S+)$/gm),
  ];
  assertEquals(new Set(named).size, 1, named.join(" "));
});

Deno.test("The image and the manifests name the program's version", async () => {
  const named = [
    ...await versionsIn("Dockerfile", /^ARG VERSION=(\S+)$/gm),
    ...await versionsIn("deploy/kubernetes/assets-db.yaml", /image: assets-server:(\S+)$/gm),
    ...await versionsIn("deploy/kubernetes/registry.yaml", /image: assets-server:(\S+)$/gm),
  ];
  assertEquals(named, named.map(() => deno.version));
});

Deno.test("The image runs as a user without rights, in its data folder, and checks its own health", async () => {
  const text = await Deno.readTextFile(new URL("Dockerfile", ROOT));
  const last = text.slice(text.lastIndexOf("\nFROM "));
  for (
    const line of [
      /^USER nonroot$/m,
      /^VOLUME \/data$/m,
      /^ENV HOST=0\.0\.0\.0 DATA_DIR=\/data$/m,
      /^HEALTHCHECK .*\["\/assets-server", "health"\]$/m,
      /^ENTRYPOINT \["\/assets-server"\]$/m,
    ]
  ) assert(line.test(last), String(line));
});

Deno.test("bin/assets-server gives the program the rights of the task start", async () => {
  const text = (await Deno.readTextFile(new URL("bin/assets-server", ROOT))).replaceAll("\\\n", " ");
  const flagsOf = (command: string) =>
    [...command.matchAll(/--(?:allow-\S+|no-prompt)/g)].map(([flag]) => flag);
  assertEquals(flagsOf(text), flagsOf(deno.tasks.start.command));
});
