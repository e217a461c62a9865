/** Randomness is handed in: real for processes, seeded for simulated worlds and fleets. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `digits` lower-case hexadecimal digits. */
  hex(digits: number): string;
}

/** sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state seeded from text by FNV-1a. */
export function seededRandom(seed: string): Random {
  let [a, b, c, counter] = [hash(seed, 1), hash(seed, 2), hash(seed, 3), 1];
  const draw = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  for (let warmUp = 0; warmUp < 15; warmUp++) draw();
  return {
    next: () => draw() / 2 ** 32,
    hex: (digits) => {
      let text = "";
      while (text.length < digits) text += draw().toString(16).padStart(8, "0");
      return text.slice(0, digits);
    },
  };
}

function hash(seed: string, salt: number): number {
  let value = 0x811c9dc5 ^ salt;
  for (let at = 0; at < seed.length; at++) {
    value = Math.imul(value ^ seed.charCodeAt(at), 0x01000193);
  }
  return value;
}

/** A normally distributed number (Box-Muller), mean 0 and deviation 1. */
export function gaussian(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}
