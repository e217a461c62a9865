/**
 * Where receivers may not connect to: addresses at which hosts of clouds hand out their keys. A
 * notification sent there would be a request forged by whoever wrote the receiver's address, or by
 * whoever answers for its name in DNS.
 */

export interface AddressBlock {
  readonly bytes: readonly number[];
  readonly bits: number;
}

const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const refused = [
  "169.254.0.0/16", // link-local (RFC 3927); 169.254.169.254 is most clouds' metadata
  "fe80::/10", // link-local (RFC 4291 §2.5.6)
  "fd00:ec2::254/128", // Amazon's metadata
  "fd20:ce::254/128", // Google's
  "100.100.100.200/32", // Alibaba's
  "192.0.0.192/32", // Oracle's
  "168.63.129.16/32", // Azure's wire server
];

/** An address, or a block such as `169.254.0.0/16`; undefined where it is neither. */
export function parseBlock(text: string): AddressBlock | undefined {
  const [address = "", bitsText, ...rest] = text.split("/");
  const bytes = bytesOf(address);
  if (bytes === undefined || rest.length > 0) return undefined;
  const widthBits = address.includes(":") ? 128 : 32;
  if (bitsText === undefined) return { bytes, bits: 128 };
  const bits = Number(bitsText);
  if (!/^[0-9]{1,3}$/.test(bitsText) || bits > widthBits) return undefined;
  return { bytes, bits: bits + 128 - widthBits };
}

const refusedBlocks = refused.flatMap((text) => parseBlock(text) ?? []);

/** Also true of what is no address at all. */
export function isRefused(address: string, allowed: readonly AddressBlock[]): boolean {
  const bytes = bytesOf(address);
  if (bytes === undefined) return true;
  const forms = [bytes, ...embedded(bytes)];
  const isIn = (blocks: readonly AddressBlock[]) =>
    forms.some((form) => blocks.some((block) => holds(block, form)));
  return isIn(refusedBlocks) && !isIn(allowed);
}

/** False of what is no address. */
export function isWithin(address: string, blocks: readonly AddressBlock[]): boolean {
  const bytes = bytesOf(address);
  return bytes !== undefined && blocks.some((block) => holds(block, bytes));
}

function holds({ bytes, bits }: AddressBlock, address: readonly number[]): boolean {
  return bytes.every((byte, index) => {
    const own = Math.min(8, Math.max(0, bits - 8 * index));
    const mask = 0xff & (0xff << (8 - own));
    return (byte & mask) === ((address[index] ?? 0) & mask);
  });
}

function mapped(four: readonly number[]): readonly number[] {
  return [...mappedPrefix, ...four];
}

/** IPv4 addresses that an IPv6 address stands for: NAT64 (RFC 6052), 6to4 (RFC 3056), RFC 4291. */
function embedded(bytes: readonly number[]): readonly (readonly number[])[] {
  const begins = (prefix: readonly number[]) =>
    prefix.every((byte, index) => bytes[index] === byte);
  if (begins([0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])) return [mapped(bytes.slice(12))];
  if (begins([0x20, 0x02])) return [mapped(bytes.slice(2, 6))];
  if (begins([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])) return [mapped(bytes.slice(12))];
  return [];
}

/** 16 bytes, an IPv4 address as an IPv4-mapped one; undefined where it is no address. */
function bytesOf(address: string): readonly number[] | undefined {
  if (!address.includes(":")) return fourOf(address);
  const [bare = ""] = address.split("%"); // its zone
  const url = `http://[${bare}]/`;
  if (!URL.canParse(url)) return undefined;
  // A URL has the canonical form: no IPv4 notation in it, at most one "::".
  const [head = "", tail] = new URL(url).hostname.slice(1, -1).split("::");
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").map((hex) => parseInt(hex, 16));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = new Array<number>(8 - first.length - last.length).fill(0);
  return [...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]);
}

function fourOf(address: string): readonly number[] | undefined {
  if (!/^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(address)) return undefined;
  const four = address.split(".").map(Number);
  return four.every((byte) => byte <= 255) ? mapped(four) : undefined;
}
