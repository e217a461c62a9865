// The goal: our CRC-32C is everybody's CRC-32C, for any length and any place in a buffer.
import { expect, test } from "vitest";
import { crc32c } from "./checksum.ts";
import { seededRandom } from "./random.ts";
import { integer } from "./testing/random-events.ts";

const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
const vectors: readonly (readonly [name: string, bytes: Uint8Array, crc: number])[] = [
  ["RFC 3720 §B.4: 32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["RFC 3720 §B.4: 32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["RFC 3720 §B.4: 32 ascending", ascending, 0x46dd794e],
  ["RFC 3720 §B.4: 32 descending", ascending.toReversed(), 0x113fdb5c],
  [
    "RFC 3720 §B.4: an iSCSI command",
    Buffer.from(
      "01c00000000000000000000000000000140000000000040000000014000000182800000000000000" +
        "0200000000000000",
      "hex",
    ),
    0xd9963a56,
  ],
  ["the check value of the catalogue of CRCs", Buffer.from("123456789"), 0xe3069283],
  ["nothing", new Uint8Array(0), 0],
];

test.each(vectors)("agrees with %s", (_name, bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc);
});

/** The definition, a bit at a time. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test("agrees with the definition for random stretches of a buffer", () => {
  for (let run = 0; run < 300; run++) {
    const random = seededRandom(`checksum ${run}`);
    const bytes = Uint8Array.from({ length: integer(random, 70) }, () => integer(random, 256));
    const from = integer(random, bytes.length + 1);
    const to = from + integer(random, bytes.length + 1 - from);
    const crc = slowCrc32c(bytes.subarray(from, to));
    expect(crc32c(bytes, from, to), `seed "checksum ${run}"`).toBe(crc);
  }
});
