/** The few things that every part of the page does with the document. */

/** What an element is made with: attributes, and listeners as `onclick`. */
export type Properties = Record<
  string,
  string | number | boolean | ((event: Event) => void) | undefined
>;

/** What goes into an element. */
export type Content = Node | string | undefined;

/** Makes an element. A property that is `false` or `undefined` is left out, `true` stands without a value. */
export function el<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...content: Content[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  apply(element, properties);
  element.append(...content.filter((one) => one !== undefined));
  return element;
}

/** Makes an element of SVG. */
export function svg(
  name: string,
  properties: Properties = {},
  ...content: Content[]
): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  apply(element, properties);
  element.append(...content.filter((one) => one !== undefined));
  return element;
}

function apply(element: Element, properties: Properties): void {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value);
    } else if (value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/** The element with this id, which the page is known to have. */
export function byId<T extends Element>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`The page has no ${id}.`);
  return element;
}

/** Says something to those who listen to the page instead of looking at it. */
export function announce(text: string): void {
  byId("status", HTMLElement).textContent = text;
}

/** Shows what went wrong until the next success; "" takes it away. */
export function showProblem(text: string): void {
  const place = byId("problem", HTMLElement);
  place.hidden = text === "";
  place.textContent = text;
}

/** Waits until nothing has been typed for a moment. */
export function debounced(action: () => void, delayMs = 200): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, delayMs);
  };
}

/** A size as people read it. */
export function sizeText(bytes: unknown): string {
  if (typeof bytes !== "number") return "";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** A button that copies a text, and says that it did. */
export function copyButton(
  label: string,
  text: () => string,
): HTMLButtonElement {
  const button = el("button", { type: "button", class: "quiet" }, label);
  let timer: ReturnType<typeof setTimeout> | undefined;
  button.addEventListener("click", async () => {
    if (!await copied(text())) {
      return showProblem(
        "The browser does not let this page copy; mark the text instead.",
      );
    }
    announce(`${label}: copied.`);
    button.textContent = "Copied";
    clearTimeout(timer);
    timer = setTimeout(() => button.textContent = label, 1500);
  });
  return button;
}

/** Without HTTPS there is no clipboard for pages (W3C Clipboard API), but the older way still works. */
async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const box = el("textarea", {
      class: "hidden",
      readonly: true,
      "aria-hidden": "true",
    });
    box.value = text;
    document.body.append(box);
    box.select();
    const isCopied = document.execCommand("copy");
    box.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return isCopied;
  }
}

/** Makes work what every page has: buttons that close their dialog, and the link past the top. */
export function setUpShell(): void {
  for (
    const button of document.querySelectorAll<HTMLButtonElement>("[data-close]")
  ) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
  // The address says what is shown; the link must not change it.
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    byId("main", HTMLElement).focus();
  });
}
