import { assertEquals } from "@std/assert";
import { isRange, peerAddress, TrustedProxies } from "../../src/http/client_address.ts";

const PROXIES = new TrustedProxies(["10.0.0.0/8", "192.168.1.1", "fd00::/8"]);

const CASES: [what: string, peer: string, forwardedFor: string | null, client: string][] = [
  ["the connection's address without the header", "10.0.0.1", null, "10.0.0.1"],
  ["the connection's address if that is no proxy", "203.0.113.9", "1.2.3.4", "203.0.113.9"],
  ["what the proxy reports", "10.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["the last address that no proxy has", "10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"],
  ["the first of all when all are proxies", "10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"],
  ["an IPv6 address", "fd00::1", "2001:db8::7", "2001:db8::7"],
  ["an address without its port", "10.0.0.1", "203.0.113.9:5678", "203.0.113.9"],
  ["an IPv6 address without its brackets", "192.168.1.1", "[2001:db8::7]:5678", "2001:db8::7"],
  ["the last proxy when a word is no address", "10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"],
  ["the connection's address when the header is empty", "10.0.0.1", "", "10.0.0.1"],
  ["nothing that could break a line", "10.0.0.1", '1.2.3.4"\r\nX: y', "10.0.0.1"],
];

for (const [what, peer, forwardedFor, client] of CASES) {
  Deno.test(`TrustedProxies.clientOf() gives ${what}`, () => {
    assertEquals(PROXIES.clientOf(peer, forwardedFor), client);
  });
}

Deno.test("isRange() takes addresses and CIDR blocks of both families", () => {
  for (const text of ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "fd00::/8", "::/128"]) {
    assertEquals(isRange(text), true, text);
  }
  for (
    const text of [
      "",
      "10.0.0",
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "a.example.com",
      "10.0.0.0/-1",
    ]
  ) {
    assertEquals(isRange(text), false, text);
  }
});

Deno.test("peerAddress() gives an IPv4 address that came over IPv6 as IPv4", () => {
  assertEquals(["::ffff:10.0.0.1", "::1", "10.0.0.1"].map(peerAddress), ["10.0.0.1", "::1", "10.0.0.1"]);
});
