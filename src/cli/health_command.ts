/** `assets-server health`: the container's health check. */
import type { Command } from "commander";
import { ServiceClient } from "../client/service_client.ts";
import { asJsonObject, type JsonObject } from "../collection/json.ts";
import { type ConnectionFlags, connectionOf, withConnection } from "./client/connection_flags.ts";
import { print } from "./client/terminal.ts";

const TIMEOUT_MS = 5000;

/** Adds the command. */
export function addHealthCommand(program: Command): void {
  withConnection(
    program.command("health")
      .summary("ask a running server how it is; exit code 0 if it is healthy, 1 if not")
      .description("Asks a running server how it is; exit code 0 if it is healthy, 1 if not.")
      .addHelpText("after", "\nExample:\n  assets-server health --server http://localhost:4001 && echo fine")
      .action(checkHealth),
  );
}

/** @throws {Error} with one line that says why it is not healthy */
async function checkHealth(flags: ConnectionFlags): Promise<void> {
  const client = new ServiceClient(connectionOf(flags));
  const { isHealthy, said } = await client.health({ timeoutMs: TIMEOUT_MS });
  if (flags.json) await print(`${JSON.stringify(said)}\n`);
  if (!isHealthy) throw new Error(`${client.server} is unhealthy${reasonsOf(said)}.`);
  if (!flags.json) await print(`${client.server} is healthy\n`);
}

function reasonsOf({ checks }: JsonObject): string {
  const reasons = Object.entries(asJsonObject(checks)).flatMap(([name, check]) => {
    const { status, error } = asJsonObject(check);
    return status === "healthy" ? [] : [`${name}: ${typeof error === "string" ? error : status}`];
  });
  return reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
}
