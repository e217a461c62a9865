/** Fills a gateway with readings: as fast as it acknowledges them, and half of them compressible. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { AnswerReader, connectPacket, publishOverheadMax, writePublish } from "../load/packets.ts";

const connections = 10;
const window = 100;
const textCharactersUsual = 512;
const mebibyte = 1_024 * 1_024;
const noise = randomBytes(mebibyte / 2).toString("hex");

/** Resolves once `bytes` of payloads are acknowledged; fails where a connection ends before. */
export async function publishBacklog(
  mqttUrl: string,
  bytes: number,
  textCharacters = textCharactersUsual,
): Promise<void> {
  const { hostname, port } = new URL(mqttUrl);
  const each = Array.from({ length: connections }, (_, at) =>
    publishAs(`backlog-${at}`, hostname, Number(port), {
      bytesWanted: bytes / connections,
      textCharacters,
    }),
  );
  await Promise.all(each);
}

function publishAs(
  device: string,
  host: string,
  port: number,
  {
    bytesWanted,
    textCharacters,
  }: { readonly bytesWanted: number; readonly textCharacters: number },
): Promise<void> {
  const topic = Buffer.from(`devices/${device}/telemetry`);
  const room = publishOverheadMax + topic.length + 2 * textCharacters;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let [bytes, sent, acknowledged] = [0, 0, 0];
    const pump = () => {
      if (bytes >= bytesWanted && acknowledged === sent) {
        socket.destroy();
        return resolve();
      }
      const chunk = Buffer.allocUnsafe(room * window);
      let end = 0;
      for (; bytes < bytesWanted && sent - acknowledged < window; sent++) {
        const payload = payloadOf(sent, textCharacters);
        const messageId = (sent % 65_535) + 1;
        end = writePublish(chunk, end, { topic, payload, messageId, isAgain: false });
        bytes += payload.length;
      }
      if (end > 0) socket.write(chunk.subarray(0, end));
    };
    const answers = new AnswerReader({
      connack: () => {},
      puback: () => acknowledged++,
      pong: () => {},
    });
    socket.on("data", (chunk) => {
      answers.read(chunk);
      pump();
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`closed after ${acknowledged} of ${sent}`)));
    const credentials = { clientId: device, username: undefined, password: undefined };
    socket.write(connectPacket(credentials));
  });
}

function payloadOf(seq: number, textCharacters: number): string {
  const at = Math.floor(Math.random() * (noise.length - textCharacters / 2));
  return `{"seq":${seq},"note":"${noise.slice(at, at + textCharacters / 2)}${"0".repeat(textCharacters / 2)}"}`;
}
