/** What a load publishes: a reading of five metrics, as a small sensor would send it. */

const metrics = '"temperature":21.37,"humidity":43.2,"pressure":1013.25,"voltage":3.28,"rssi":-61';

/** Latin1 JSON with the number of the message; padded by blanks up to `bytes` where it is shorter. */
export function payloadOf(seq: number, bytes: number): string {
  const text = `{"seq":${seq},${metrics}}`;
  return text.length >= bytes ? text : text.padEnd(bytes);
}
