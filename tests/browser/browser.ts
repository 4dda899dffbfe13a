/** A real browser, and pages that are watched: nothing may go wrong in them, and nothing may be asked of another host. */
import { assert, assertEquals } from "@std/assert";
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page, type Route } from "playwright-core";

/** Quiet, and without errands of its own. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let running: Promise<Browser> | undefined;

/** The browser of all tests; each has a context of its own. */
export function browser(): Promise<Browser> {
  running ??= chromium.launch({
    executablePath: Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium",
    args: FLAGS,
  });
  return running;
}

/** Ends the browser. */
export async function closeBrowser(): Promise<void> {
  await (await running)?.close();
  running = undefined;
}

/** A page with what was seen of it. */
export interface WatchedPage extends AsyncDisposable {
  page: Page;
  /** What the console and the page complained of. */
  complaints: string[];
}

/** How a page is opened. */
export interface OpenOptions extends BrowserContextOptions {
  /** Complaints that belong to the test, such as of a 401. */
  expected?: RegExp;
  /** A token that was entered before. */
  token?: string;
}

/**
 * Opens a page. On disposal it fails if a request went to another host, or something was complained of.
 */
export async function open(
  url: string,
  options: OpenOptions = {},
): Promise<WatchedPage> {
  const { expected, token, ...rest } = options;
  const context = await (await browser()).newContext({ viewport: { width: 1280, height: 800 }, ...rest });
  if (token !== undefined) {
    await context.addInitScript(`sessionStorage.setItem("assets-server-token", ${JSON.stringify(token)})`);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints: string[] = [];
  const strangers: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    const address = new URL(request.url());
    if (/^https?:$/.test(address.protocol) && address.host !== new URL(url).host) {
      strangers.push(request.url());
    }
  });
  await page.goto(url);
  return {
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      await context.close();
      assertEquals(strangers, []);
      assertEquals(complaints.filter((one) => !expected?.test(one)), []);
    },
  };
}

/** The screens on which the page is used: a desk, and a phone that is touched. */
export const SCREENS: Record<number, BrowserContextOptions> = {
  1280: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  390: { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true },
};

/**
 * Holds the pieces of uploads on their way to the server. What is returned lets those through that begin before a byte, and
 * at first there are none.
 */
export async function uploadGate(page: Page): Promise<(untilByte: number) => void> {
  let openUntil = 0;
  let held: Route[] = [];
  const isHeld = (route: Route) =>
    route.request().method() === "PATCH" && Number(route.request().headers()["upload-offset"]) >= openUntil;
  const go = (route: Route) =>
    route.continue().catch(() => {
      // The page has given it up.
    });
  await page.route("**/uploads/*", async (route) => {
    if (isHeld(route)) held.push(route);
    else await go(route);
  });
  return (untilByte) => {
    openUntil = untilByte;
    const before = held;
    held = before.filter(isHeld);
    for (const route of before) if (!isHeld(route)) go(route);
  };
}

/** Fails if axe-core finds something that keeps people out. It looks from outside: the page's policy lets no script in. */
export async function assertAccessible(page: Page): Promise<void> {
  if (!await page.evaluate(() => Reflect.has(globalThis, "axe"))) await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { violations } = await Reflect.get(globalThis, "axe").run({ resultTypes: ["violations"] });
    return violations.map((one: { id: string; nodes: { html: string; failureSummary: string }[] }) =>
      `${one.id}: ${one.nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n")}`
    );
  });
  assertEquals(violations, []);
}

/** Looks at a page as it is now on both screens, in light and dark: nothing keeps people out, nothing is cut off. */
export async function assertLooksRight(page: Page): Promise<void> {
  for (const { viewport, colorScheme } of Object.values(SCREENS)) {
    if (viewport) await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    await assertAccessible(page);
    await assertFits(page);
  }
}

/** Fails if the page is wider than the screen. */
export async function assertFits(page: Page): Promise<void> {
  const [inner, outer] = await page.evaluate(() => {
    const root = Reflect.get(globalThis, "document").documentElement;
    return [root.scrollWidth, root.clientWidth];
  });
  assert(Number(inner) <= Number(outer), `${inner} wide on a screen of ${outer}`);
}
