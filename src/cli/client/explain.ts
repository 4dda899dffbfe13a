/** What went wrong, in one line that says what to do next. */
import { ClientError } from "../../client/client_error.ts";

/** A sentence for people, of whatever was thrown. */
export function explain(error: unknown): string {
  if (!(error instanceof ClientError)) return error instanceof Error ? error.message : String(error);
  const advice = adviceFor(error);
  const message = error.message.replace(/\s+/g, " ");
  const request = error.status >= 500 && error.requestId
    ? ` (request ${error.requestId} in the server's log)`
    : "";
  return `${message}${request}${advice === "" ? "" : ` ${advice}`}`;
}

function adviceFor({ code, message }: ClientError): string {
  const isOfRegistry = /asset.registr|check_health/.test(message);
  const variable = isOfRegistry ? "REGISTRY_URL" : "ASSETS_SERVER_URL";
  switch (code) {
    case "unreachable":
    case "no_answer":
      // Another server would send us to the same place.
      if (message.startsWith("The file is at ")) return "";
      return "Is it running? --server or ASSETS_SERVER_URL names another.";
    case "unauthenticated":
      return "Give a token that it knows: --token or ASSETS_TOKEN.";
    case "forbidden":
      return "Give a token that may write: --token or ASSETS_TOKEN.";
    case "redirected":
      return "Name the server that it sends us to: --server or ASSETS_SERVER_URL.";
    case "route_not_found":
      return `Another kind of server, or an older one? --server or ${variable} names another.`;
    case "bad_answer":
      return "Does --server or ASSETS_SERVER_URL name the right server?";
    case "already_exists":
      return isOfRegistry
        ? "Choose another --id."
        : "Choose another name, version or tag, or remove what is there: assets-server rm.";
    case "not_found":
      if (isOfRegistry) return "assets-server registry ls shows what there is.";
      return message.includes("asset") ? "assets-server search shows what there is." : "";
    case "unavailable":
    case "too_many_requests":
      return "Try again in a moment.";
    default:
      return "";
  }
}
