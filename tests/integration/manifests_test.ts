/** The manifests against the schemas of Kubernetes (scripts/services/install.sh). */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const MANIFESTS = fileURLToPath(new URL("../../deploy/kubernetes/", import.meta.url));

/** Two releases: the oldest that is still about, and the newest that the schemas know. */
for (const version of ["1.28", "1.37"]) {
  Deno.test(`The Kubernetes manifests are what the schemas of ${version} say, and nothing more`, async () => {
    const cache = Deno.env.get("ASSETS_TEST_CACHE") ?? `${Deno.env.get("HOME")}/.cache/assets-server-tests`;
    const { code, stdout, stderr } = await new Deno.Command("python3", {
      args: [
        "-m",
        "kubernetes_validate",
        "--strict",
        "-k",
        version,
        `${MANIFESTS}assets-db.yaml`,
        `${MANIFESTS}registry.yaml`,
      ],
      env: { PYTHONPATH: `${cache}/python` },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals(code, 0, said);
    assertEquals(said.match(/passed for resource/g)?.length, 8, said);
  });
}
