/** The commands of the README, typed one after the other by somebody who has nothing but a clone and a shell. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { record } from "../../scripts/record_terminal.ts";
import { readmeBlock, readmeBlocks } from "../readme.ts";
import { startTestServer } from "../server/harness.ts";

const BIN = fileURLToPath(new URL("../../bin", import.meta.url));

/** What stands for the two terminals of the README, whose servers have ports of their own here. */
interface Tour {
  assetsUrl: string;
  registryUrl: string;
}

/** curl says more than a user sees: the tour fails at the first answer that is an error. */
const SHELL = `set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body "$@"; }
`;

/** Types all commands under a heading. Returns what they said. */
async function type(heading: string, folder: string, { assetsUrl, registryUrl }: Tour) {
  const blocks = (await readmeBlocks()).filter((one) => one.heading === heading && one.language === "sh");
  assert(blocks.length > 0, heading);
  const script = SHELL + blocks.map(({ text }) => text).join("")
    // Of the servers of the tour, which run already.
    .replaceAll(/^assets-server --.*\n/gm, "")
    .replaceAll('"$PWD/bin:$PATH"', `"${BIN}:$PATH"`)
    .replaceAll("http://localhost:4000", assetsUrl)
    .replaceAll("http://localhost:4001", registryUrl);
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script],
    cwd: folder,
    env: {
      // Terminals keep what the tour has put there.
      PATH: `${BIN}:${Deno.env.get("PATH")}`,
      ASSETS_SERVER_URL: assetsUrl,
      HOME: folder,
      DENO_DIR: Deno.env.get("DENO_DIR") ?? denoFolder(),
    },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  assertEquals(code, 0, `${said}\n${new TextDecoder().decode(stderr)}`);
  return said;
}

function denoFolder(): string {
  return `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;
}

Deno.test("The README's tours and recipes work as they are typed", async () => {
  await using assets = await startTestServer();
  await using registry = await startTestServer({ mode: "registry" });
  const folder = await Deno.makeTempDir({ prefix: "readme-test-" });
  const tour = {
    assetsUrl: assets.url.replace("127.0.0.1", "localhost"),
    registryUrl: registry.url,
  };
  try {
    await type("Five minutes with an Assets DB", folder, tour);
    assertEquals(await Deno.readTextFile(`${folder}/copy.txt`), "hello\n");
    await type("Command line", folder, tour);
    assertEquals(await Deno.readTextFile(`${folder}/copy.txt`), "hello\n");
    await type("Models with versions", folder, tour);
    const pulled = `${folder}/models/llama`;
    for (const file of ["config.json", "model.bin", "tokenizer/vocab.txt"]) {
      assertEquals(
        await Deno.readFile(`${pulled}/${file}`),
        await Deno.readFile(`${folder}/weights/${file}`),
      );
    }
    const policy = await type("Policy files", folder, tour);
    assertEquals(policy.match(/"allow"/g)?.length, 2, policy);
    await type("Five minutes with a registry", folder, tour);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** The lines of a recording without what is another one each time: bars, sizes, ids, checksums, the order of uploads. */
function shapeOf(recording: string): string[] {
  return recording.split("\n")
    .filter((line) => !/━/.test(line))
    .map((line) =>
      line.replaceAll(/[0-9a-f]{8,}(-[0-9a-f-]+)?/g, "#").replaceAll(/[\d.]+ [kMG]?B/g, "#").replaceAll(
        / +/g,
        " ",
      )
    )
    .sort();
}

Deno.test("The README's recording is what the commands say", async () => {
  assertEquals(shapeOf(await record(2_000_000)), shapeOf(await readmeBlock("Command line", "console")));
});
