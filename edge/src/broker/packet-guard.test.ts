/**
 * Goal: the guard sees every packet's length however the bytes are cut, and nothing else; what it
 * cuts out and what it passes on are together the bytes that came, in order.
 */
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import type { GuardVerdict, PacketTaker } from "./packet-guard.ts";
import { PacketGuard } from "./packet-guard.ts";

const bytesMax = 1_000;

function packet(length: number, type = 3): Buffer {
  const head = [type << 4];
  let rest = length;
  do {
    head.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  // The body looks like headers of large packets: it must not be read as such.
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0xff)]);
}

const takesNothing: PacketTaker = { wants: () => false, take: () => false, rest: () => {} };

/** The verdict and the byte it came at, feeding chunks cut at the given places. */
function feed(bytes: Buffer, cuts: readonly number[]): { verdict: GuardVerdict; at: number } {
  const guard = new PacketGuard(bytesMax);
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    const verdict = guard.read(bytes.subarray(from, to), takesNothing);
    if (verdict !== "fine") return { verdict, at: to };
    from = to;
  }
  return { verdict: "fine", at: from };
}

test("packets up to the bound pass, cut at every byte and byte by byte", () => {
  const bytes = Buffer.concat([
    packet(0, 12),
    packet(1),
    packet(127),
    packet(128),
    packet(bytesMax),
  ]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(feed(bytes, [cut]).verdict, `cut at ${cut}`).toBe("fine");
  }
  expect(feed(bytes, [...bytes.keys()]).verdict).toBe("fine");
});

test("one byte over the bound is told as soon as the length is known, wherever it is cut", () => {
  const good = packet(130);
  const bytes = Buffer.concat([good, packet(bytesMax + 1)]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(feed(bytes, [cut]).verdict, `cut at ${cut}`).toBe("too-large");
  }
  const { verdict, at } = feed(bytes, [...bytes.keys()]);
  expect({ verdict, at }).toEqual({ verdict: "too-large", at: good.length + 3 });
});

test.each([
  ["packet type 0", [0x00, 0x00]],
  ["a length of five bytes", [0x30, 0x80, 0x80, 0x80, 0x80, 0x01]],
  ["a length that never ends", [0x30, 0xff, 0xff, 0xff, 0xff]],
])("%s is malformed, wherever it is cut", (_what, tail) => {
  const bytes = Buffer.concat([packet(10), Buffer.from(tail)]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(feed(bytes, [cut]).verdict, `cut at ${cut}`).toBe("malformed");
  }
});

test("a length of four bytes is read as what it says", () => {
  const huge = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]);
  expect(new PacketGuard(268_435_455).read(huge, takesNothing)).toBe("fine");
  expect(new PacketGuard(268_435_454).read(huge, takesNothing)).toBe("too-large");
  // [MQTT-2.2.3] allows a length that is longer than needed.
  expect(feed(Buffer.from([0xc0, 0x80, 0x00, 0xc0, 0x00]), []).verdict).toBe("fine");
});

test("random packets in random chunks give the verdict of the first bad one", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = seededRandom(`guard ${seed}`);
    const below = (count: number) => Math.floor(random.next() * count);
    const lengths = Array.from({ length: 1 + below(8) }, () => below(bytesMax + 100));
    const bytes = Buffer.concat(lengths.map((length) => packet(length, 1 + below(15))));
    const cuts = Array.from({ length: below(10) }, () => below(bytes.length)).sort((a, b) => a - b);
    const expected = lengths.some((length) => length > bytesMax) ? "too-large" : "fine";
    expect(feed(bytes, cuts).verdict, `seed "guard ${seed}"`).toBe(expected);
  }
});

test("what is taken and what is passed on are the bytes that came, in order, however they are cut", () => {
  let [taken, refused] = [0, 0];
  for (let seed = 1; seed <= 500; seed++) {
    const random = seededRandom(`cut ${seed}`);
    const below = (count: number) => Math.floor(random.next() * count);
    const packets = Array.from({ length: 1 + below(12) }, () =>
      packet(below(200), 1 + below(4)).fill(below(256), 3),
    );
    const bytes = Buffer.concat(packets);
    const guard = new PacketGuard(bytesMax);
    const seen: Buffer[] = [];
    /** Bytes passed on lie at a packet's beginning whenever something is taken. */
    let open = 0;
    const starts = new Set(packets.map((_, at) => Buffer.concat(packets.slice(0, at)).length));
    const taker: PacketTaker = {
      wants: (first) => first >> 4 === 3,
      take: (first, chunk, from, until) => {
        if (below(4) === 0) return ++refused === 0;
        expect(starts.has(open), `seed "cut ${seed}"`).toBe(true);
        const length = until - from;
        const whole = packet(length);
        chunk.copy(whole, whole.length - length, from, until);
        whole[0] = first;
        seen.push(whole);
        open += whole.length;
        taken++;
        return true;
      },
      rest: (part) => {
        seen.push(Buffer.from(part));
        open += part.length;
      },
    };
    const cuts = Array.from({ length: below(8) }, () => below(bytes.length)).sort((a, b) => a - b);
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      expect(guard.read(Buffer.from(bytes.subarray(from, to)), taker)).toBe("fine");
      from = to;
    }
    expect(Buffer.concat(seen).equals(bytes), `seed "cut ${seed}"`).toBe(true);
    expect(guard.isPastFirst).toBe(true);
  }
  expect([taken > 200, refused > 50]).toEqual([true, true]);
});
