/** An MQTT client as people are shown it. */

export interface ClientView {
  /** Undefined while it is not connected. */
  readonly connection: ClientConnection | undefined;
  /** Connections that ended since another came with the same id; of ids that are watched. */
  readonly takeovers: number;
  /** When several were seen to share the id, by the boot's clock; undefined where none were. */
  readonly sharedMs: number | undefined;
}

export interface ClientConnection {
  /** With its port. */
  readonly address: string;
  readonly user: string | undefined;
  /** By the boot's clock. */
  readonly sinceMs: number;
}

interface Connected {
  readonly address: string;
  readonly pass: { readonly user: string | undefined } | undefined;
  readonly beganMs: number | undefined;
}

export function clientView(
  connected: Connected | undefined,
  takeovers: { readonly count: number; readonly toldAt: number | undefined },
): ClientView {
  return {
    connection: connected === undefined ? undefined : connectionOf(connected),
    takeovers: takeovers.count,
    sharedMs: takeovers.toldAt,
  };
}

function connectionOf({ address, pass, beganMs }: Connected): ClientConnection | undefined {
  return beganMs === undefined ? undefined : { address, user: pass?.user, sinceMs: beganMs };
}
