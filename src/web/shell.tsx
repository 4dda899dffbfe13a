/** @jsxImportSource hono/jsx */
/** What all pages begin and end with. */
import type { Child } from "hono/jsx";

/** What a page is made of. */
export interface PageParts {
  title: string;
  body: Child;
  /** Where the page's files lie, relative to the page. */
  base?: string;
  /** The page's script, relative to its own address. */
  script?: string;
}

/** A whole document as text. */
export function documentText(
  { title, body, base = "ui/", script }: PageParts,
): string {
  const html = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{title}</title>
        <link rel="icon" type="image/svg+xml" href={`${base}icon.svg`} />
        <link rel="stylesheet" href={`${base}style.css`} />
        {script !== undefined && <script type="module" src={script}></script>}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        {body}
      </body>
    </html>
  );
  return `<!DOCTYPE html>\n${html}`;
}
