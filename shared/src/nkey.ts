/** Public keys of nats-server's users: base32 of a head, 32 bytes, and CRC-16/XMODEM with its low byte first. */
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** Of a user's; it makes the first letter a U. */
const userHead = 20 << 3;

/** Why the text is none; undefined where it is one. Never tells a seed. */
export function nkeyFault(text: string): string | undefined {
  if (text.startsWith("SU"))
    return "that is a secret seed; give its public half, which begins with U";
  if (!/^U[A-Z2-7]{55}$/.test(text))
    return "a public key has 56 letters and digits and begins with U";
  const bytes = bytesOf(text);
  const [low = 0, high = 0] = bytes.slice(-2);
  const isRight = bytes[0] === userHead && crc16(bytes.slice(0, -2)) === low + (high << 8);
  return isRight ? undefined : "a letter is wrong, or missing: its checksum does not fit";
}

function bytesOf(text: string): readonly number[] {
  const bytes: number[] = [];
  let [bits, count] = [0, 0];
  for (const letter of text) {
    bits = ((bits << 5) | alphabet.indexOf(letter)) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes.push((bits >> count) & 0xff);
  }
  return bytes;
}

function crc16(bytes: readonly number[]): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff;
  }
  return crc;
}
