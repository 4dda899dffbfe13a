/** The server as the page asks it. The token is kept for as long as the tab is open, and goes nowhere else. */
import { byId, showProblem } from "./dom.ts";

/** JSON. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** An object in JSON. */
export interface JsonObject {
  [key: string]: Json;
}

/** An answer that is an error, or that never came. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** 0 if the server did not answer. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
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
export async function ask(path: string, init: RequestInit = {}): Promise<ApiAnswer> {
  let response: Response;
  try {
    response = await fetch(address(path), {
      ...init,
      headers: { ...authorization(), ...Object(init.headers) },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is it running?", 0);
  }
  const body = await bodyOf(response);
  if (response.ok) return { status: response.status, headers: response.headers, body };
  const message = typeof body.message === "string" ? body.message : `The server answered ${response.status}.`;
  throw new ApiError(message, response.status);
}

async function bodyOf(response: Response): Promise<JsonObject> {
  try {
    return object(await response.json());
  } catch {
    return {};
  }
}

/** `POST` with JSON. */
export async function post(path: string, body: JsonObject, signal?: AbortSignal): Promise<ApiAnswer> {
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
    if (error instanceof DOMException && error.name === "AbortError") return false;
    showProblem(error instanceof Error ? error.message : String(error));
    if (error instanceof ApiError && error.status === 401) askForToken(error.message);
    return false;
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
  byId("token-button", HTMLButtonElement).addEventListener("click", () => askForToken());
  byId("token-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(byId("token-input", HTMLInputElement).value.trim());
    dialog.close();
    onChange();
  });
  byId("token-forget", HTMLButtonElement).addEventListener("click", () => {
    keepToken("");
    dialog.close();
    onChange();
  });
}

/** The value as an object; an empty one if it is none. */
export function object(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** Whether it is an object of JSON. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as a list of objects. */
export function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.map(object) : [];
}

/** The value as text; "" if it is none. */
export function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
