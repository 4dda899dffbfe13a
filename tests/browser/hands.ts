/** The ways to use a page: with a mouse or a finger, and with the keyboard alone. */
import type { FileChooser, Locator, Page } from "playwright-core";

/** Uses a page. */
export interface Hands {
  /** Presses a button, follows a link, opens what can be opened, ticks a box. */
  press(target: Locator): Promise<void>;
  /** Types a text into a box in the place of what is there. */
  type(target: Locator, text: string): Promise<void>;
  /** Chooses an entry of a select by what it says. */
  choose(target: Locator, label: string): Promise<void>;
  /** Opens the system's dialog for files. */
  openFiles(target: Locator): Promise<FileChooser>;
  /** Closes the dialog that is open. */
  leave(button: Locator): Promise<void>;
}

/** The most steps with the Tab key from one place to another. */
const MAX_TABS = 150;

/** A mouse; on a screen that can be touched, a finger. */
export class Pointer implements Hands {
  readonly #page: Page;
  readonly #isFinger: boolean;

  constructor(page: Page, isFinger: boolean) {
    this.#page = page;
    this.#isFinger = isFinger;
  }

  async press(target: Locator): Promise<void> {
    if (this.#isFinger) await target.tap();
    else await target.click();
  }

  async type(target: Locator, text: string): Promise<void> {
    await this.press(target);
    await target.fill(text);
  }

  async choose(target: Locator, label: string): Promise<void> {
    await target.selectOption({ label });
  }

  async openFiles(target: Locator): Promise<FileChooser> {
    const [chooser] = await Promise.all([this.#page.waitForEvent("filechooser"), this.press(target)]);
    return chooser;
  }

  async leave(button: Locator): Promise<void> {
    await this.press(button);
  }
}

/** The keyboard alone: what it cannot reach cannot be used. */
export class Keyboard implements Hands {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  async press(target: Locator): Promise<void> {
    await this.#reach(target);
    const type = await target.getAttribute("type");
    await this.#page.keyboard.press(type === "checkbox" ? "Space" : "Enter");
  }

  async type(target: Locator, text: string): Promise<void> {
    await this.#reach(target);
    await this.#page.keyboard.press("Control+A");
    await this.#page.keyboard.press("Delete");
    await this.#page.keyboard.insertText(text);
  }

  async choose(target: Locator, label: string): Promise<void> {
    await this.#reach(target);
    const chosen = () => target.locator("option:checked").textContent();
    await this.#page.keyboard.press("Home");
    for (let tries = 0; await chosen() !== label; tries++) {
      if (tries > MAX_TABS) throw new Error(`There is no entry ${label}.`);
      await this.#page.keyboard.press("ArrowDown");
    }
  }

  async openFiles(target: Locator): Promise<FileChooser> {
    // The browser is told that the test takes the dialog before the page is asked where the focus is: a key is not sent
    // by way of the page, and would be there before.
    const dialog = this.#page.waitForEvent("filechooser");
    const space = this.#reach(target).then(() => this.#page.keyboard.press("Space"));
    const [chooser] = await Promise.all([dialog, space]);
    return chooser;
  }

  async leave(): Promise<void> {
    await this.#page.keyboard.press("Escape");
  }

  /** Goes on with the Tab key until the focus is there. */
  async #reach(target: Locator): Promise<void> {
    await target.waitFor();
    // To find the element anew for every step would take most of the time.
    let element = await target.elementHandle();
    for (let tries = 0; tries < MAX_TABS; tries++) {
      const state = await element?.evaluate((node) =>
        node === node.ownerDocument.activeElement ? "here" : node.isConnected ? "there" : "replaced"
      );
      if (state === "here") return;
      if (state === "replaced") element = await target.elementHandle();
      else await this.#page.keyboard.press("Tab");
    }
    throw new Error(`The keyboard does not reach ${target}.`);
  }
}
