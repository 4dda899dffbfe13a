/** The files in `deploy/`: they name what there is. */
import { assert, assertEquals } from "@std/assert";
import { parse, parseAllDocuments } from "yaml";
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
  // The selector of a Deployment cannot be changed by an apply.
  assertEquals(at(ofKind(all, "Deployment"), "spec.selector.matchLabels"), { app: "assets-registry" });
  assertEquals(at(listAt(ofKind(all, "Service"), "spec.ports")[0], "nodePort"), 31700);
  for (const variable of ["PUBLIC_URL", "AWS_REGION", "S3_BUCKET_NAME", "S3_ENDPOINT_URL"]) {
    assert(Object.hasOwn(asJsonObject(ofKind(all, "ConfigMap").data), variable), variable);
  }
  for (const secret of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) assert(VARIABLES.has(secret), secret);
});

async function compose(): Promise<JsonObject> {
  return asJsonObject(parse(await Deno.readTextFile(new URL("compose.yaml", DEPLOY)), { merge: true }));
}

Deno.test("compose.yaml: a KV, an S3 service, two Assets DBs of their own on both, and a registry that they know", async () => {
  const services = asJsonObject((await compose()).services);
  assertEquals(Object.keys(services), ["kv", "s3", "bucket", "assets-1", "assets-2", "registry"]);
  const [first, second] = ["assets-1", "assets-2"].map((name) =>
    asJsonObject(at(services[name], "environment"))
  );
  for (const shared of ["DENO_KV_URL", "S3_ENDPOINT_URL", "S3_BUCKET_NAME", "REGISTRY_URL"]) {
    assertEquals(first?.[shared], second?.[shared], shared);
  }
  for (const own of ["ASSETS_DB_ID", "ASSETS_DB_NAME", "S3_PREFIX", "PUBLIC_URL"]) {
    assert(first?.[own] !== second?.[own], own);
  }
  assertEquals(first?.DENO_KV_URL, "http://kv:4512");
  assertEquals(first?.REGISTRY_URL, "http://registry:4000");
  assertEquals(at(services, "registry.environment.MODE"), "registry");
});

Deno.test("compose.yaml names only variables that there are, volumes that it declares, and services that it has", async () => {
  const { services, volumes } = await compose();
  const declared = Object.keys(asJsonObject(volumes));
  for (const [name, value] of Object.entries(asJsonObject(services))) {
    const service = asJsonObject(value);
    if (textAt(service, "image").startsWith("assets-server:")) {
      const names = Object.keys(asJsonObject(service.environment));
      // The one that is Deno's own.
      const known = new Set([...VARIABLES, "DENO_KV_ACCESS_TOKEN"]);
      assertEquals(names.filter((variable) => !known.has(variable)), [], name);
    }
    const mounted = Array.isArray(service.volumes) ? service.volumes : [];
    assertEquals(
      mounted.filter((volume) => !declared.includes(String(volume).split(":", 1)[0] ?? "")),
      [],
      name,
    );
    const needed = Array.isArray(service.depends_on)
      ? service.depends_on
      : Object.keys(asJsonObject(service.depends_on));
    assertEquals(needed.filter((other) => !(String(other) in asJsonObject(services))), [], name);
  }
});

Deno.test("compose.yaml names the version of every image: of denokv the one that is tested, of the server its own", async () => {
  const services = asJsonObject((await compose()).services);
  const images = Object.values(services).map((service) => textAt(service, "image"));
  assertEquals(images.filter((image) => !/:[^:/]*\d[^:/]*$/.test(image)), []);
  const install = await Deno.readTextFile(new URL("../scripts/services/install.sh", DEPLOY));
  const [, denokv] = /^DENOKV_VERSION=(.+)$/m.exec(install) ?? [];
  assertEquals(textAt(services, "kv.image"), `ghcr.io/denoland/denokv:${denokv}`);
  const { version } = asJsonObject(JSON.parse(await Deno.readTextFile(new URL("../deno.json", DEPLOY))));
  assertEquals(textAt(services, "registry.image"), `assets-server:${version}`);
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
