/**
 * The XML that S3 speaks, as elements with text. Nothing is guessed: `<Key>007</Key>` stays the string `007`, one
 * `<Contents>` reads like many, and a document that declares a type or entities of its own is refused.
 */

import { XMLParser, XMLValidator } from "fast-xml-parser";

/** An answer that is not well-formed, not S3's, or that holds what it must not. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  // The library counts entities against a limit that a listing of 1000 quoted ETags reaches, and leaves numeric
  // references alone. XML's own are decoded below; there are no others, because DOCTYPE is refused.
  processEntities: false,
  tagValueProcessor: (_name, value) => decodeEntities(value),
});

const NAMED_ENTITIES = new Map([["amp", "&"], ["lt", "<"], ["gt", ">"], ["quot", '"'], ["apos", "'"]]);

function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([A-Za-z][\w.-]*));/gi,
    (whole, hex, decimal, name) => {
      if (name !== undefined) return NAMED_ENTITIES.get(name) ?? whole;
      const codePoint = hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
      return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : whole;
    },
  );
}

/** An element of a document. */
export class XmlElement {
  readonly name: string;
  readonly #content: unknown;

  constructor(name: string, content: unknown) {
    this.name = name;
    this.#content = content;
  }

  /** The children of that name, in document order. */
  children(name: string): XmlElement[] {
    const content = this.#content;
    if (typeof content !== "object" || content === null || !Object.hasOwn(content, name)) return [];
    const found: unknown = Reflect.get(content, name);
    return (Array.isArray(found) ? found : [found]).map((child) => new XmlElement(name, child));
  }

  /** The text of the first child of that name; `undefined` without such a child, `""` for an empty one. */
  text(name: string): string | undefined {
    const child = this.children(name)[0];
    if (child === undefined) return undefined;
    const content = child.#content;
    return typeof content === "string" ? content : "";
  }

  /** Like `text`, but throws `XmlError` when there is no such child. */
  requiredText(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw new XmlError(`<${this.name}> lacks <${name}>`);
    return text;
  }
}

/** The root element of a document. Throws `XmlError`. */
export function parseS3Xml(text: string): XmlElement {
  // S3 keeps the connection alive with white space while it completes a multipart upload.
  const document = text.trim();
  if (/<!(?:DOCTYPE|ENTITY)/i.test(document)) throw new XmlError("the XML declares a document type");
  // The parser itself reads through missing and crossed tags.
  const valid = XMLValidator.validate(document);
  if (valid !== true) throw new XmlError("it is not well-formed XML");
  let parsed: unknown;
  try {
    parsed = parser.parse(document);
  } catch (error) {
    throw new XmlError("it is not XML that can be read", { cause: error });
  }
  if (typeof parsed === "object" && parsed !== null) {
    for (const [name, content] of Object.entries(parsed)) {
      if (name !== "#text") return new XmlElement(name, content);
    }
  }
  throw new XmlError("it has no root element");
}

/** Text that may stand in an element. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
