/** One upload, as a line that tells how it goes, with what can be done about it. */
import { ApiError, askForTokenIfRefused, sentenceOf } from "./api.ts";
import { announce, el, sizeText } from "./dom.ts";
import type { JsonObject } from "./json.ts";
import { discard, upload } from "./tus.ts";
import { type ChosenFile, keyOf, unfinishedOf } from "./unfinished.ts";

/** The speed is that of so long a time. */
const SPEED_MS = 5000;

/** How an upload stands. */
export type UploadState =
  | "waiting"
  | "running"
  | "paused"
  | "failed"
  | "done"
  | "cancelled";

/** What a line tells of. */
export interface UploadLineOptions {
  chosen: ChosenFile;
  metadata: JsonObject;
  /** Called with every change of the state and every progress. */
  onChange: (line: UploadLine) => void;
  /** Called when the link to the asset is followed. */
  onLeave: () => void;
}

/** An upload and its line. */
export class UploadLine {
  readonly element: HTMLLIElement;
  readonly path: string;
  /** What the file is recognized by. */
  readonly key: string;
  readonly sizeBytes: number;
  sentBytes = 0;
  state: UploadState = "waiting";
  readonly #options: UploadLineOptions;
  readonly #bar: HTMLProgressElement;
  readonly #said = el("span", { class: "muted" }, "waiting");
  readonly #main: HTMLButtonElement;
  readonly #cancel: HTMLButtonElement;
  #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: UploadLineOptions) {
    this.#options = options;
    const { file, path } = options.chosen;
    this.path = path;
    this.key = keyOf(options.chosen);
    this.sizeBytes = file.size;
    this.#bar = el("progress", {
      max: Math.max(file.size, 1),
      value: 0,
      "aria-label": `Upload of ${path}`,
    });
    const button = (label: string, action: () => void) =>
      el("button", {
        type: "button",
        class: "quiet",
        "aria-label": `${label}: ${path}`,
        onclick: action,
      }, label);
    this.#main = button("Pause", () => this.#toggle());
    this.#cancel = button("Cancel", () => this.#remove());
    this.element = el(
      "li",
      {},
      el(
        "div",
        {},
        el("strong", { class: "clamp" }, path),
        this.#said,
        this.#bar,
      ),
      el("div", { class: "actions" }, this.#main, this.#cancel),
    );
  }

  /** Uploads; ends when it is done, has failed or is paused. */
  async run(): Promise<void> {
    if (this.state === "cancelled" || this.state === "paused") return;
    this.#running = this.#upload();
    await this.#running;
  }

  async #upload(): Promise<void> {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#set("running", "beginning");
    const speed = speedometer();
    try {
      const reference = await upload({
        chosen: this.#options.chosen,
        metadata: this.#options.metadata,
        signal,
        onRetry: (problem) => this.#set("running", `${sentenceOf(problem)} It is tried again…`),
        onProgress: (sent) => {
          this.sentBytes = sent;
          this.#bar.value = sent;
          this.#set("running", progressText(sent, this.sizeBytes, speed(sent)));
        },
      });
      this.#done(reference);
    } catch (error) {
      if (signal.aborted) {
        return this.#set("paused", `paused at ${sizeText(this.sentBytes)}`);
      }
      this.#set("failed", sentenceOf(error));
      askForTokenIfRefused(error);
    }
  }

  #done(reference: string): void {
    this.#bar.value = this.#bar.max;
    const link = el(
      "a",
      {
        href: `#/asset/${encodeURIComponent(reference)}`,
        onclick: () => this.#options.onLeave(),
      },
      "Show",
    );
    const hadFocus = this.#main === document.activeElement;
    this.#main.replaceWith(link);
    this.#cancel.remove();
    if (hadFocus) link.focus();
    this.#set("done", `done, ${sizeText(this.sizeBytes)}`);
  }

  #toggle(): void {
    if (this.state === "running" || this.state === "waiting") {
      this.#abort.abort();
      if (this.state === "waiting") this.#set("paused", "paused");
    } else {
      this.state = "waiting";
      this.run();
    }
  }

  /** Ends the upload, here and at the server. */
  async #remove(): Promise<void> {
    this.state = "cancelled";
    this.#abort.abort();
    await this.#running;
    this.state = "cancelled";
    const kept = unfinishedOf(this.#options.chosen);
    try {
      if (kept) await discard(kept);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    this.element.remove();
    announce(`${this.path} is not uploaded.`);
    this.#options.onChange(this);
  }

  #set(state: UploadState, said: string): void {
    const isNew = state !== this.state;
    if (this.state !== "cancelled") this.state = state;
    this.#said.textContent = said;
    this.#said.className = state === "failed" ? "field-problem" : "muted";
    this.element.dataset.state = state;
    const label = { paused: "Resume", failed: "Try again" }[String(state)] ??
      "Pause";
    name(this.#main, label, this.path);
    name(this.#cancel, state === "failed" ? "Remove" : "Cancel", this.path);
    if (isNew && state !== "running") announce(`${this.path}: ${said}`);
    this.#options.onChange(this);
  }
}

/** What a button does, and for those who only hear it, to which file. */
function name(button: HTMLButtonElement, label: string, path: string): void {
  button.textContent = label;
  button.setAttribute("aria-label", `${label}: ${path}`);
}

/** Tells the speed in bytes a second, of the last seconds. */
function speedometer(): (sentBytes: number) => number {
  const seen: { at: number; sent: number }[] = [];
  return (sent) => {
    const now = performance.now();
    seen.push({ at: now, sent });
    while (seen.length > 2 && now - (seen[0]?.at ?? now) > SPEED_MS) {
      seen.shift();
    }
    const [first] = seen;
    return first && now > first.at ? (sent - first.sent) / (now - first.at) * 1000 : 0;
  };
}

function progressText(sent: number, size: number, speed: number): string {
  const so = `${sizeText(sent)} of ${sizeText(size)}`;
  if (speed <= 0 || sent >= size) return so;
  return `${so}, ${sizeText(speed)}/s, ${timeText((size - sent) / speed)} left`;
}

function timeText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
