/** Whose request it is: the address of the connection, or, behind trusted proxies, the one that they report. */
import { BlockList, isIP } from "node:net";

/** The addresses of the proxies whose `X-Forwarded-For` is believed. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /** @param ranges addresses and CIDR blocks, as `parseRanges` lets them through */
  constructor(ranges: string[]) {
    for (const range of ranges) {
      const [address = "", bits] = range.split("/");
      const family = isIP(address) === 6 ? "ipv6" : "ipv4";
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  /**
   * The address of the client: of those that the connection and `X-Forwarded-For` name, the last one that is no trusted
   * proxy. What stands to the left of it was written by somebody unknown. A word that is no address ends the search.
   *
   * @param peer who opened the connection
   */
  clientOf(peer: string, forwardedFor: string | null): string {
    let client = peer;
    if (forwardedFor === null) return client;
    const hops = forwardedFor.split(",");
    for (let hop = hops.pop(); hop !== undefined && this.#trusts(client); hop = hops.pop()) {
      const address = addressOf(hop.trim());
      if (address === undefined) break;
      client = address;
    }
    return client;
  }

  #trusts(address: string): boolean {
    return this.#list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  }
}

/** Whether a text is an address, or a CIDR block such as `10.0.0.0/8` (RFC 4632). */
export function isRange(text: string): boolean {
  const [address = "", bits, more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
}

/** The address of a connection; an IPv4 one that came in over IPv6 as IPv4 (RFC 4291 §2.5.5.2). */
export function peerAddress(hostname: string): string {
  return hostname.startsWith("::ffff:") && hostname.includes(".") ? hostname.slice(7) : hostname;
}

/** The address in `1.2.3.4`, `1.2.3.4:567`, `::1` or `[::1]:567`; `undefined` if there is none. */
function addressOf(text: string): string | undefined {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 ? undefined : peerAddress(bare);
}
