/** The server as the page asks it. The token is kept for as long as the tab is open, and goes nowhere else. */
import { byId, showProblem } from "./dom.ts";
import { type JsonObject, object, text } from "./json.ts";

/** An answer that is an error, or that never came. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** 0 if the server did not answer. */
  readonly status: number;
  /** The server's name for the kind of error; "" if it gave none. */
  readonly code: string;

  constructor(message: string, status: number, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** An answer. */
export interface ApiAnswer {
  status: number;
  headers: Headers;
  body: JsonObject;
}

/** The server's address, whatever stands in front of it. */
export const SERVER = new URL("..", location.href);

const TOKEN_KEY = "assets-server-token";

/** The token that was entered; "" without one. */
export function token(): string {
  return sessionStorage.getItem(TOKEN_KEY) ?? "";
}

/** Keeps a token; "" forgets it. */
export function keepToken(text: string): void {
  if (text === "") sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, text);
}

/** The header that shows the token, if there is one. */
export function authorization(): Record<string, string> {
  return token() === "" ? {} : { Authorization: `Bearer ${token()}` };
}

/** The address of a route. */
export function address(path: string): string {
  return new URL(path.replace(/^\//, ""), SERVER).href;
}

/**
 * Asks the server.
 *
 * @throws {ApiError} unless the answer is a success
 */
export async function ask(
  path: string,
  init: RequestInit = {},
): Promise<ApiAnswer> {
  let response: Response;
  try {
    response = await fetch(address(path), {
      ...init,
      headers: { ...authorization(), ...Object(init.headers) },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      throw error;
    }
    throw new ApiError("The server does not answer. Is it running?", 0);
  }
  const body = await bodyOf(response);
  if (response.ok) {
    return { status: response.status, headers: response.headers, body };
  }
  throw errorOf(response.status, body);
}

/** The error that an answer is. */
export function errorOf(status: number, body: JsonObject): ApiError {
  const said = text(body.message) || `The server answered ${status}.`;
  const message = status === 401 && token() === "" ? "This server wants an access token." : said;
  return new ApiError(message, status, text(body.code));
}

/** The JSON of an answer; an empty object if it has none. */
export async function bodyOf(response: Response): Promise<JsonObject> {
  try {
    return object(await response.json());
  } catch {
    return {};
  }
}

/** `POST` with JSON. */
export async function post(
  path: string,
  body: JsonObject,
  signal?: AbortSignal,
): Promise<ApiAnswer> {
  return await ask(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
    signal,
  });
}

/** Does something, and shows what went wrong. A missing or wrong token leads to where one is entered. */
export async function attempt(action: () => Promise<void>): Promise<boolean> {
  try {
    await action();
    showProblem("");
    return true;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      return false;
    }
    showProblem(sentenceOf(error));
    askForTokenIfRefused(error);
    return false;
  }
}

/** What went wrong, in words. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Opens the dialog in which a token is entered, if that is what an action failed for. */
export function askForTokenIfRefused(error: unknown): void {
  if (error instanceof ApiError && [401, 403].includes(error.status)) {
    askForToken(error.message);
  }
}

/** Opens the dialog in which a token is entered. */
export function askForToken(reason = ""): void {
  const dialog = byId("token-dialog", HTMLDialogElement);
  byId("token-reason", HTMLElement).textContent = reason;
  byId("token-input", HTMLInputElement).value = token();
  if (!dialog.open) dialog.showModal();
}

/** Lets tokens be entered; `onChange` is called with every new one. */
export function setUpToken(onChange: () => void): void {
  const dialog = byId("token-dialog", HTMLDialogElement);
  const button = byId("token-button", HTMLButtonElement);
  const changed = () => {
    dialog.close();
    button.textContent = token() === "" ? "Token" : "Token ✓";
    onChange();
  };
  button.textContent = token() === "" ? "Token" : "Token ✓";
  button.addEventListener("click", () => askForToken());
  byId("token-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(byId("token-input", HTMLInputElement).value.trim());
    changed();
  });
  byId("token-forget", HTMLButtonElement).addEventListener("click", () => {
    keepToken("");
    changed();
  });
}
