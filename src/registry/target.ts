/**
 * Where a registry lets itself be sent: its entries are written by others, and a URL can name anything that this machine
 * reaches (server-side request forgery).
 *
 * What is checked is the address, not the name: names resolve to whatever their owner wants, and an address has many
 * spellings. `new URL()` turns decimal, octal and hexadecimal IPv4 forms into the usual one.
 */
import { lookup } from "node:dns/promises";
import { BlockList, isIP, isIPv6 } from "node:net";
import { ServiceError } from "../errors.ts";

/** What may be asked. */
export interface TargetRules {
  /** Refuse private and loopback addresses (`--no-private-targets`). */
  noPrivateTargets: boolean;
}

/** An address that has passed. */
export interface Address {
  address: string;
  family: 4 | 6;
}

/** Finds the addresses of a name. */
export type Resolve = (host: string) => Promise<{ address: string }[]>;

/** Link-local addresses, which clouds use for their metadata services (RFC 3927, RFC 4291 §2.5.6), and those outside that range. */
const NEVER = blockList(["169.254.0.0/16", "fe80::/10"], [
  "100.100.100.200", // Alibaba Cloud
  "192.0.0.192", // Oracle Cloud
  "168.63.129.16", // Azure
  "fd00:ec2::254", // AWS
  "fd20:ce::254", // Google Cloud
]);

/** Addresses that are not reached over the public internet (the IANA registries of special-purpose addresses, RFC 6890). */
const PRIVATE = blockList([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "fc00::/7",
  "fec0::/10",
  "ff00::/8",
  "2001:db8::/32",
], ["::", "::1"]);

function blockList(networks: string[], addresses: string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    list.addSubnet(address, Number(prefix), isIPv6(address) ? "ipv6" : "ipv4");
  }
  for (const address of addresses) list.addAddress(address, isIPv6(address) ? "ipv6" : "ipv4");
  return list;
}

/**
 * Resolves the host of a URL and checks every address it has.
 *
 * Whoever connects must use what this returns: a name that is asked again may answer something else.
 *
 * @throws {ServiceError} `unhealthy` if it may not be asked, and what `resolve` throws
 */
export async function checkTarget(
  url: URL,
  { noPrivateTargets }: TargetRules,
  resolve: Resolve = (host) => lookup(host, { all: true }),
): Promise<Address[]> {
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refused(`${url.protocol} is not asked.`);
  if (url.username !== "" || url.password !== "") throw refused("A URL with credentials is not asked.");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const found = isIP(host) ? [{ address: host }] : await resolve(host);
  if (found.length === 0) throw refused(`${url.host} has no address.`);
  return found.map(({ address }) => {
    const [withoutZone = ""] = address.split("%");
    const forms = [withoutZone, ...embeddedIpv4(withoutZone)];
    if (forms.some((form) => isIn(NEVER, form))) {
      throw refused(`${url.host} is a link-local or metadata address (${address}), which is never asked.`);
    }
    if (noPrivateTargets && forms.some((form) => isIn(PRIVATE, form))) {
      throw refused(`${url.host} is a private address (${address}), which --no-private-targets refuses.`);
    }
    return { address, family: isIPv6(address) ? 6 : 4 };
  });
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/** Where an IPv4 address stands in IPv6 ones that lead to it: the first groups, and which group it begins at. */
const EMBEDDINGS: { prefix: number[]; at: number }[] = [
  { prefix: [0, 0, 0, 0, 0, 0xffff], at: 6 }, // mapped, RFC 4291 §2.5.5.2
  { prefix: [0, 0, 0, 0, 0xffff, 0], at: 6 }, // translated, RFC 2765
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 }, // compatible, RFC 4291 §2.5.5.1
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 }, // NAT64, RFC 6052
  { prefix: [0x64, 0xff9b, 1], at: 6 }, // NAT64 of a local network, RFC 8215
  { prefix: [0x2002], at: 1 }, // 6to4, RFC 3056
];

/** The IPv4 addresses that an IPv6 address stands for. */
function embeddedIpv4(address: string): string[] {
  if (!isIPv6(address)) return [];
  const groups = groupsOf(address);
  return EMBEDDINGS.filter(({ prefix }) => prefix.every((group, n) => groups[n] === group)).map(({ at }) => {
    const [high = 0, low = 0] = groups.slice(at, at + 2);
    return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  });
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // The URL parser writes every form in the same way: hexadecimal, with one "::" for the longest run of zeros.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const numbers = (text: string) => text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  if (tail === undefined) return numbers(head);
  const before = numbers(head);
  const behind = numbers(tail);
  return [...before, ...new Array<number>(8 - before.length - behind.length).fill(0), ...behind];
}

function refused(message: string): ServiceError {
  return new ServiceError("unhealthy", message);
}
