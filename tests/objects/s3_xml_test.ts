import { assertEquals, assertThrows } from "@std/assert";
import { escapeXml, parseS3Xml, XmlError } from "../../src/objects/s3_xml.ts";

Deno.test("parseS3Xml() keeps text as it is: numbers, spaces and booleans stay strings", () => {
  for (const text of ["007", "1e3", " x ", "true", "0x10", "+1"]) {
    assertEquals(parseS3Xml(`<R><A>${text}</A></R>`).text("A"), text);
  }
  const root = parseS3Xml("<R><B/></R>");
  assertEquals(root.text("B"), "");
  assertEquals(root.text("C"), undefined);
  assertEquals(root.children("C"), []);
});

Deno.test("parseS3Xml() reads one child like many", () => {
  const keys = (xml: string) => parseS3Xml(xml).children("C").map((child) => child.text("Key"));
  assertEquals(keys("<L><C><Key>1</Key></C></L>"), ["1"]);
  assertEquals(keys("<L><C><Key>1</Key></C><X/><C><Key>2</Key></C></L>"), ["1", "2"]);
  assertEquals(keys("<L></L>"), []);
});

Deno.test("parseS3Xml() takes a declaration, namespaces, and white space before and between", () => {
  const xml =
    `  \n <?xml version="1.0" encoding="UTF-8"?>\n  <s3:L xmlns:s3="http://x" a="1">\n <s3:K>v</s3:K>\n</s3:L>\n`;
  const root = parseS3Xml(xml);
  assertEquals([root.name, root.text("K")], ["L", "v"]);
});

Deno.test("parseS3Xml() decodes XML's own entities, once", () => {
  const text = (raw: string) => parseS3Xml(`<R><K>${raw}</K></R>`).text("K");
  assertEquals(text("&amp;lt;&lt;&gt;&quot;&apos;"), `&lt;<>"'`);
  assertEquals(text("a&#x20;b&#10;c&#128512;"), "a b\nc😀");
  assertEquals(text("&unknown; &#x110000;"), "&unknown; &#x110000;");
});

Deno.test("parseS3Xml() reads a listing of a thousand quoted ETags", () => {
  const entry = "<Contents><Key>k</Key><ETag>&quot;9dd4e461268c8034f5c8564e155c67a6&quot;</ETag></Contents>";
  assertEquals(parseS3Xml(`<L>${entry.repeat(1000)}</L>`).children("Contents").length, 1000);
});

Deno.test("parseS3Xml() refuses document types and entities of the document's own", () => {
  const bomb = `<!DOCTYPE R [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><R><K>&b;</K></R>`;
  assertThrows(() => parseS3Xml(bomb), XmlError, "document type");
  const file = `<?xml version="1.0"?><!doctype R [<!ENTITY x SYSTEM "file:///etc/passwd">]><R><K>&x;</K></R>`;
  assertThrows(() => parseS3Xml(file), XmlError, "document type");
});

Deno.test("parseS3Xml() refuses what is not XML", () => {
  for (const text of ["", "   ", "hello", "<R><K></R>", "<R>", '{"a":1}', "<html><br></html>"]) {
    assertThrows(() => parseS3Xml(text), XmlError);
  }
});

Deno.test("XmlElement.text() finds no child in what every object inherits", () => {
  const root = parseS3Xml("<R><K/></R>");
  for (const name of ["constructor", "toString", "__proto__"]) assertEquals(root.text(name), undefined);
  assertThrows(() => parseS3Xml("<R><constructor>c</constructor></R>"), XmlError);
});

Deno.test("XmlElement.requiredText() names what is missing", () => {
  assertThrows(() => parseS3Xml("<R><A/></R>").requiredText("K"), XmlError, "<R> lacks <K>");
});

Deno.test("escapeXml() makes text that parseS3Xml() gives back", () => {
  const text = `"a'&<b>&amp;`;
  assertEquals(parseS3Xml(`<R><K>${escapeXml(text)}</K></R>`).text("K"), text);
});
