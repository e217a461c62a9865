/** `causeway-edge join`: the key is made here and its secret half never leaves the gateway. */
import { CodedError } from "@causeway/shared/errors.ts";
import { ownNkey, renewedNkey } from "@causeway/shared/system-nkey.ts";

export interface JoinWish {
  readonly gateway: string;
  readonly file: string | undefined;
  /** Another key in place of the one that is there. */
  readonly renew: boolean;
  readonly json: boolean;
}

/** Throws CONFIG_INVALID and OUTPUT_UNWRITABLE. */
export function joinLines({ gateway, file, renew, json }: JoinWish): string {
  if (file === undefined) {
    const cure = "name the file that the key is to be in, such as /var/lib/causeway/gateway.nk";
    throw new CodedError("CONFIG_INVALID", `uplink.auth.nkeySeedFile is not set: ${cure}`);
  }
  const { publicKey: key, isNew } = renew ? renewedNkey(file) : ownNkey(file);
  if (json) return `${JSON.stringify({ gateway, key })}\n`;
  const which = isNew ? "a new key is in" : "the key is in";
  return `${which} ${file}; let this gateway in, where the cloud runs:

  causeway-cloud gateways add ${gateway} ${key}${renew ? " --replace" : ""}
`;
}
