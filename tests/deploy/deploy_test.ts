/** The files in `deploy/`: they name what there is. */
import { assert, assertEquals } from "@std/assert";
import { parseAllDocuments } from "yaml";
import { SETTINGS } from "../../src/cli/settings.ts";
import { asJsonObject, type JsonObject } from "../../src/collection/json.ts";
import { at, listAt, textAt } from "../server/client.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);

const VARIABLES = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));

async function manifests(file: string): Promise<JsonObject[]> {
  const documents = parseAllDocuments(await Deno.readTextFile(new URL(`kubernetes/${file}`, DEPLOY)));
  return documents.map((document): JsonObject => {
    assertEquals(document.errors ?? [], []);
    return asJsonObject(document.toJS());
  });
}

function ofKind(all: JsonObject[], kind: string): JsonObject {
  const found = all.filter((one) => one.kind === kind);
  assertEquals(found.length, 1, kind);
  return asJsonObject(found[0]);
}

for (const [file, mode] of [["assets-db.yaml", "assets-db"], ["registry.yaml", "registry"]] as const) {
  Deno.test(`kubernetes/${file}: port 4000, known variables, probes that are there, no rights`, async () => {
    const all = await manifests(file);
    const deployment = ofKind(all, "Deployment");
    const container = asJsonObject(listAt(deployment, "spec.template.spec.containers")[0]);
    const env = listAt(container, "env").map(asJsonObject);
    const names = [
      ...env.map(({ name }) => String(name)),
      ...Object.keys(asJsonObject(ofKind(all, "ConfigMap").data)),
    ];
    assertEquals(names.filter((name) => !VARIABLES.has(name)), []);
    assertEquals(env.find(({ name }) => name === "MODE")?.value, mode);
    assertEquals(at(listAt(container, "ports")[0], "containerPort"), 4000);
    assertEquals(at(listAt(ofKind(all, "Service"), "spec.ports")[0], "port"), 4000);
    assertEquals(
      at(deployment, "spec.selector.matchLabels"),
      at(deployment, "spec.template.metadata.labels"),
    );
    assertEquals(
      at(ofKind(all, "Service"), "spec.selector"),
      at(deployment, "spec.template.metadata.labels"),
    );
    assertEquals(textAt(container, "livenessProbe.httpGet.path"), "/livez");
    assertEquals(textAt(container, "readinessProbe.httpGet.path"), "/readyz");
    assertEquals(at(container, "securityContext.readOnlyRootFilesystem"), true);
    assertEquals(at(deployment, "spec.template.spec.securityContext.runAsNonRoot"), true);
  });
}

Deno.test("kubernetes/assets-db.yaml takes the place of the Deployment assets-registry", async () => {
  const all = await manifests("assets-db.yaml");
  assertEquals(textAt(ofKind(all, "Deployment"), "metadata.name"), "assets-registry");
  assertEquals(textAt(ofKind(all, "Service"), "metadata.name"), "assets-registry");
});

Deno.test("systemd/assets-server.service sets known variables, and a usage error does not start it again", async () => {
  const unit = await Deno.readTextFile(new URL("systemd/assets-server.service", DEPLOY));
  const variables =
    /^Environment=(.*)$/m.exec(unit)?.[1]?.split(" ").map((one) => one.split("=", 1)[0] ?? "") ?? [];
  assertEquals(variables.filter((name) => !VARIABLES.has(name)), []);
  for (
    const line of [
      "RestartPreventExitStatus=2",
      "DynamicUser=yes",
      "ProtectSystem=strict",
      "NoNewPrivileges=yes",
    ]
  ) {
    assert(unit.includes(`\n${line}\n`), line);
  }
});

Deno.test({
  name: "systemd/assets-server.service is a unit that systemd takes",
  ignore: !await Deno.stat("/usr/bin/systemd-analyze").then(() => true, () => false),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const unit = await Deno.readTextFile(new URL("systemd/assets-server.service", DEPLOY));
      // The executable is not installed here.
      await Deno.writeTextFile(
        `${folder}/assets-server.service`,
        unit.replace(/^ExecStart=.*$/m, "ExecStart=/bin/true"),
      );
      const args = ["verify", "--man=no", `${folder}/assets-server.service`];
      const { stderr, success } = await new Deno.Command("systemd-analyze", { args }).output();
      assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
